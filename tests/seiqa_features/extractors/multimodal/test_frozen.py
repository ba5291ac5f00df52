"""A frozen multimodal model, on a tiny random one: the real path of loading, prompt and reading."""

from __future__ import annotations

import hashlib
import json
import shutil

import numpy as np
import pytest
import torch

from seiqa_features.errors import DeviceError, UsageError, WeightsError
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.extractors.multimodal import models
from seiqa_features.extractors.multimodal.models import PRESETS, model_of
from seiqa_features.extractors.multimodal.questions import QUESTIONS, TASK
from seiqa_features.extractors.multimodal.reading import MOST_TOKENS, load, user_turn
from seiqa_features.extractors.registry import get_extractor
from seiqa_features.extractors.specs import Resources
from seiqa_features.table.recipe import Recipe
from seiqa_features.weights.files import LOCK_FILE, WeightFiles
from tests.seiqa_features.tiny_vlm import write_tiny_vlm


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny_vlm(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="module")
def name(folder):
    return f"vlm:{folder}"


@pytest.fixture(scope="module")
def files(folder):
    return {f"vlm:{folder}/{path.name}": path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def work(name, files):
    return get_extractor(name).build(Resources(weights=files))


@pytest.fixture
def batch(texture):
    made = [np.float32(texture(s, 64, 96).transpose(2, 0, 1)) / 255 for s in range(3)]
    return torch.from_numpy(np.stack(made))


def read(work, refs, dists, index):
    with torch.inference_mode():
        return work(ref=refs, dist=dists, ref_index=torch.tensor(index))


def test_values_have_the_shapes_of_the_spec(work, name, batch):
    values = read(work, batch[:1], batch[1:], [0, 0])
    outputs = get_extractor(name).spec.outputs
    assert values.keys() == outputs.keys()
    for key, output in outputs.items():
        assert values[key].shape == ((2, output.dim) if output.dim else (2,))
        assert torch.isfinite(values[key]).all()
    assert (values["hidden_last"][0] != values["hidden_last"][1]).any()


def test_a_pair_alone_has_the_same_values(work, batch):
    together = read(work, batch[:2], batch[1:], [0, 1])
    alone = read(work, batch[1:2], batch[2:], [0])
    for key, values in together.items():
        assert torch.equal(values[1], alone[key][0]), key


def test_order_matters_only_where_it_should(work, batch):
    forth = read(work, batch[:1], batch[1:2], [0])
    back = read(work, batch[1:2], batch[:1], [0])
    for question in QUESTIONS:
        key = f"yes_{question.name}"
        same = bool(torch.allclose(forth[key], back[key], atol=1e-6))
        assert same != question.ordered, key
    assert not torch.allclose(forth["hidden_last"], back["hidden_last"])


def test_numbers_are_those_of_the_model_read_step_by_step(folder, work, batch):
    """The prompt as one text through transformers' own classes."""
    from transformers import AutoProcessor, Qwen3VLForConditionalGeneration

    network = Qwen3VLForConditionalGeneration.from_pretrained(folder).eval()
    processor = AutoProcessor.from_pretrained(folder)
    text = user_turn(TASK) + "\n".join(f"{question.text} Answer:" for question in QUESTIONS)
    pixels = [(255 * picture).round().byte() for picture in batch[:2]]
    size = {"shortest_edge": 64 * 32**2, "longest_edge": 1024 * 32**2}
    inputs = processor(
        text=[text], images=pixels, return_tensors="pt", images_kwargs={"size": size}
    )
    with torch.inference_mode():
        seen = network(**inputs, output_hidden_states=True)
    values = read(work, batch[:1], batch[1:2], [0])
    torch.testing.assert_close(values["hidden_last"][0], seen.hidden_states[-1][0, -1])
    torch.testing.assert_close(values["hidden_middle"][0], seen.hidden_states[1][0, -1])
    # The third question is the one whose order matters; its answer comes after its colon.
    end = text.index(QUESTIONS[2].text) + len(f"{QUESTIONS[2].text} Answer:")
    place = len(inputs["input_ids"][0]) - len(text[end:].encode()) - 1
    logits = seen.logits[0, place].double()
    y, n = (
        torch.stack([logits[processor.tokenizer(w)["input_ids"][0]] for w in words])
        for words in (("Yes", "yes"), ("No", "no"))
    )
    expected = y.logsumexp(0) - n.logsumexp(0)
    assert QUESTIONS[2].name == "text"
    torch.testing.assert_close(values["yes_text"][0], expected, atol=1e-5, rtol=1e-5)


def test_a_large_or_extreme_picture_stays_within_the_budget_of_tokens(files, name):
    reader = load(model_of(name), files, "cpu", "float32")
    small, strip, large = (
        np.zeros((3, *size), np.uint8) for size in ((64, 96), (16, 1600), (2000, 3000))
    )
    for picture in (strip, large):
        inputs, _ = reader.inputs(small, picture, [user_turn("x")])
        tokens = inputs["image_grid_thw"].prod(dim=1) // 4
        assert 32 <= int(tokens[1]) <= MOST_TOKENS


def test_presets_are_pinned_and_offline_absent_is_said_before_any_work(tmp_path):
    assert list(PRESETS) == ["qwen3_vl_2b", "qwen3_vl_4b", "qwen3_vl_8b"]
    for model in PRESETS.values():
        assert all("@" in weight.location for weight in model.files)
        assert get_extractor(model.name).spec.weights == model.files
    runtime = Runtime(WeightFiles(tmp_path))
    with pytest.raises(WeightsError) as caught:
        runtime.bind(Recipe.parse({"qwen3_vl_4b": ["max512"]}))
    assert caught.value.exit_code == 4
    assert caught.value.problems[0].startswith("weights are missing: 12 files, 8")
    assert "seiqa weights fetch" in caught.value.problems[-1]


def test_a_snapshot_is_recorded_at_first_and_a_changed_file_of_it_refused(tmp_path, monkeypatch):
    """Files of the pinned commit, in the layout of the hub's cache; their content is not read."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    model = PRESETS["qwen3_vl_2b"]
    repository, commit = model.files[0].location.removeprefix("hf:").rsplit("/", 1)[0].split("@")
    snapshots = tmp_path / "hub" / f"models--{repository.replace('/', '--')}" / "snapshots"
    for folder in (snapshots / commit, snapshots / ("0" * 40)):
        folder.mkdir(parents=True)
        for weight in model.files:
            name = weight.name.rsplit("/", 1)[1]
            (folder / name).write_text(f"{name} of {folder.name}")
    runtime = Runtime(WeightFiles(tmp_path / "weights"))
    recipe, _ = runtime.bind(Recipe.parse({model.name: ["max512"]}))
    config = snapshots / commit / "config.json"
    expected = hashlib.sha256(config.read_bytes()).hexdigest()
    assert dict(recipe.blocks[0].checksums)[f"{repository}/config.json"] == expected
    lock = json.loads((tmp_path / "weights" / LOCK_FILE).read_text())
    assert lock.keys() == {weight.name for weight in model.files}
    assert lock[f"{repository}/config.json"]["sha256"] == expected

    config.write_text("another configuration")
    with pytest.raises(WeightsError, match="changed since they were first used") as caught:
        Runtime(WeightFiles(tmp_path / "weights")).bind(Recipe.parse({model.name: ["max512"]}))
    [line] = caught.value.problems
    assert str(config) in line
    assert expected[:12] in line
    assert caught.value.exit_code == 4

    config.unlink()
    with pytest.raises(WeightsError) as caught:  # another commit's file does not count
        Runtime(WeightFiles(tmp_path / "weights")).bind(Recipe.parse({model.name: ["max512"]}))
    assert caught.value.problems[0].startswith("weights are missing: 1 files, 1 MB")


def test_too_little_gpu_memory_is_said_before_anything_is_loaded(monkeypatch):
    """The weights are kept in float32: 4 bytes a parameter."""
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Small Card")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (11.5e9, 12e9))
    with pytest.raises(DeviceError) as caught:
        get_extractor("qwen3_vl_8b").build(Resources(device="cuda:0"))
    assert str(caught.value) == (
        "device cuda:0 (Small Card): 11.5 GB are free, qwen3_vl_8b needs about 36.6 GB; try"
        " qwen3_vl_2b"
    )
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (2e9, 12e9))
    with pytest.raises(DeviceError, match="try a larger GPU"):
        get_extractor("qwen3_vl_2b").build(Resources(device="cuda:0"))


def test_transformers_without_the_class_is_named(monkeypatch):
    monkeypatch.setattr(models, "CLASS", "Qwen9ForEverything")
    with pytest.raises(WeightsError, match=r"has no Qwen9ForEverything; expected 4\.57 or newer"):
        models.require_class()


def test_a_folder_without_the_model_is_named(tmp_path, folder):
    with pytest.raises(UsageError, match=r"expected a folder with config\.json"):
        get_extractor(f"vlm:{tmp_path / 'nothing'}")
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "architectures": ["Other"]}))
    with pytest.raises(UsageError, match="names Other, expected Qwen3VLForConditionalGeneration"):
        get_extractor(f"vlm:{tmp_path}")
    with pytest.raises(UsageError, match="there are qwen3_vl_2b"):
        model_of("qwen9")


def test_a_damaged_file_is_named(tmp_path, folder):
    shutil.copytree(folder, tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").write_bytes(b"nonsense")
    runtime = Runtime(WeightFiles(tmp_path))
    with pytest.raises(WeightsError, match="not usable as weights of vlm:"):
        runtime.work(f"vlm:{tmp_path / 'model'}")
