"""A whole fine-tuning on a tiny model: members, files, resuming, and the feature made from them."""

from __future__ import annotations

import json
import shutil
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from seiqa_features.errors import DataError, DeviceError, UsageError, WeightsError
from seiqa_features.extraction.cached import extract_table
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.extractors.multimodal.finetuned import FILES
from seiqa_features.extractors.multimodal.models import model_of
from seiqa_features.extractors.registry import get_extractor
from seiqa_features.extractors.specs import Resources
from seiqa_features.pictures.decoding import load_rgb, pixel_key
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.store import Store
from seiqa_features.weights.files import WeightFiles
from seiqa_models.finetune import training
from seiqa_models.finetune.members import finetune, read_spent
from tests.seiqa_features.tiny_vlm import write_tiny_vlm


def run(work, folder):
    said = []
    done = finetune(work, folder, "cpu", on_pair=lambda *_: None, on_epoch=said.append)
    return done, said


def column(folder, pairs, cache):
    """The feature `finetuned:<folder>` of pairs, through store and runtime."""
    runtime = Runtime(WeightFiles(cache / "weights"))
    recipe, _ = runtime.bind(Recipe.parse({f"finetuned:{folder}": ["max64"]}))
    table, _, _ = extract_table(pairs, recipe, Store(cache), runtime, workers=1)
    return table.iloc[:, 0]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Folder of one fine-tuning of 2 folds and 2 epochs, which `done` finishes once."""
    return tmp_path_factory.mktemp("finished") / "finetuned"


@pytest.fixture
def done(finished, make_work):
    work = make_work(epochs=2)
    return work, *run(work, finished), finished


def test_files_log_and_out_of_fold_predictions(done):
    work, predictions, _, folder = done
    assert list(predictions.columns) == ["pair_id", "fold", "mos", "score"]
    assert predictions["score"].between(0, 5).all()
    log = pd.read_csv(folder / "log.csv")
    columns = ["fold", "epoch", "loss", "srocc", "seconds", "gigabytes", "gpu_gigabytes"]
    assert list(log.columns) == columns
    assert log[["fold", "epoch"]].to_numpy().tolist() == [[0, 1], [0, 2], [1, 1], [1, 2]]
    spent = read_spent(folder)
    assert spent.seconds == pytest.approx(log["seconds"].sum())
    assert spent.gigabytes == pytest.approx(log["gigabytes"].max())
    assert spent.gigabytes > 0.05
    for number in (0, 1):
        assert all((folder / f"fold-{number}" / name).is_file() for name in FILES)
        assert not (folder / f"fold-{number}" / "state.pt").exists()
    for number, (_, test) in enumerate(work.folds):
        assert set(predictions["fold"].iloc[test]) == {number}


def test_the_feature_of_training_pairs_is_out_of_fold_and_of_others_the_mean(done, tmp_path):
    work, predictions, _, folder = done
    other = work.pairs.iloc[[0]].assign(
        pair_id="new", dist_path=work.pairs["dist_path"].iloc[3], dist_key="another"
    )
    other["dist_key"] = [pixel_key(load_rgb(Path(path))) for path in other["dist_path"]]
    found = column(folder, pd.concat([work.pairs, other], ignore_index=True), tmp_path)
    # Training computes on all cores, the extractor on one: the last digits may differ.
    np.testing.assert_allclose(found.iloc[:-1], predictions["score"], rtol=0, atol=1e-4)
    about = json.loads((folder / "finetuned.json").read_text())
    assert sorted(about["held_out_by"].values()) == [0, 0, 0, 0, 1, 1, 1, 1]
    assert 0 <= found["new"] <= 5


def test_a_finished_one_is_not_trained_again(done, monkeypatch):
    work, predictions, _, folder = done

    def never(*_, **__):
        raise AssertionError("trained again")

    monkeypatch.setattr(training, "train_member", never)
    again, said = run(work, folder)
    pd.testing.assert_frame_equal(again, predictions)
    assert said == []


def test_a_killed_one_ends_like_one_that_was_not(done, tmp_path, monkeypatch):
    work, predictions, _, _ = done
    folder, kept = tmp_path / "finetuned", training._keep
    calls = []

    def killed(*arguments):
        kept(*arguments)
        calls.append(1)
        if len(calls) == 3:  # after the first epoch of the second fold
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "_keep", killed)
    with pytest.raises(KeyboardInterrupt):
        run(work, folder)
    monkeypatch.setattr(training, "_keep", kept)
    assert (folder / "fold-1" / "state.pt").is_file()
    assert not (folder / "finetuned.json").exists()
    resumed, said = run(work, folder)
    assert len(said) == 1
    assert "fold 2 of 2, epoch 2: loss" in said[0]
    pd.testing.assert_frame_equal(resumed, predictions)


def test_another_work_is_not_mixed_in(done, make_work):
    _, _, _, folder = done
    with pytest.raises(DataError, match="holds a fine-tuning of other data, folds or settings"):
        run(make_work(epochs=3), folder)


def test_before_it_is_finished_there_is_no_feature(tmp_path):
    with pytest.raises(UsageError, match="run `seiqa finetune` first"):
        Recipe.parse({f"finetuned:{tmp_path}": ["max64"]})


def test_another_view_is_refused_because_training_pairs_would_not_be_known(done):
    folder = done[-1]
    with pytest.raises(UsageError, match="sees only max64"):
        Recipe.parse({f"finetuned:{folder}": ["max128"]})


def test_a_broken_adapter_is_named(done, tmp_path):
    folder = done[-1]
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy" / "fold-1" / FILES[0]).write_bytes(b"nonsense")
    with pytest.raises(WeightsError, match=r"fold-1: not usable as adapters of qwen3_vl"):
        Runtime(WeightFiles(tmp_path)).work(f"finetuned:{tmp_path / 'copy'}")


def test_a_missing_file_of_a_member_or_a_missing_base_is_named(done, tmp_path):
    """Nothing can fetch them, so the advice for published weights would be wrong."""
    folder = tmp_path / "copy"
    shutil.copytree(done[-1], folder)
    path = folder / "finetuned.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps({**about, "base": f"vlm:{tmp_path / 'gone'}"}))
    with pytest.raises(UsageError, match=r"copy: its base model is not there: .*gone: expected a"):
        get_extractor(f"finetuned:{folder}")
    path.write_text(json.dumps(about))
    (folder / "fold-1" / FILES[2]).unlink()
    with pytest.raises(WeightsError, match=r"head\.safetensors: no such file; restore it, or fin"):
        get_extractor(f"finetuned:{folder}")


def test_an_adapter_of_another_base_is_named(done, tmp_path):
    folder = done[-1]
    shutil.copytree(folder, tmp_path / "copy")
    write_tiny_vlm(tmp_path / "other", seed=1)
    path = tmp_path / "copy" / "finetuned.json"
    about = json.loads(path.read_text())
    other = model_of(f"vlm:{tmp_path / 'other'}")
    path.write_text(json.dumps({**about, "base": other.name}))
    with pytest.raises(WeightsError, match=r"that the adapters in .*copy were trained on"):
        Runtime(WeightFiles(tmp_path)).work(f"finetuned:{tmp_path / 'copy'}")


def test_a_gpu_without_bfloat16_cannot_read_members(done, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Old Card")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    entry = get_extractor(f"finetuned:{done[-1]}")
    files = WeightFiles(done[-1] / "weights")
    weights = {weight.name: files.verified(weight) for weight in entry.spec.weights}
    with pytest.raises(DeviceError, match=r"\(Old Card\) has no bfloat16"):
        entry.build(Resources("cuda:0", weights))
