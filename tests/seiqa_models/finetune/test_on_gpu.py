"""Fine-tuning on a GPU: bfloat16, and what is said where it does not fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from seiqa_features.errors import DeviceError
from seiqa_features.extractors.multimodal.adapted import Ensemble
from seiqa_features.extractors.multimodal.models import model_of
from seiqa_features.extractors.multimodal.reading import load
from seiqa_features.pictures.views import View
from seiqa_models.finetune.members import _Pictures, finetune
from seiqa_models.finetune.recipe import Needs, require_device, speed_of
from tests.seiqa_features.tiny_vlm import write_tiny_vlm

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def test_a_gpu_trains_and_reads_its_members_again(make_work, pairs, tmp_path):
    work = make_work(epochs=2)
    done = finetune(work, tmp_path, "cuda:0", on_pair=lambda *_: None, on_epoch=print)
    assert isinstance(done, pd.DataFrame)
    assert np.isfinite(done["score"]).all()
    reader = load(work.model, work.files, "cuda:0", "bfloat16")
    ensemble = Ensemble(reader, [tmp_path / "fold-0", tmp_path / "fold-1"])
    pictures = _Pictures(pairs, View.parse("max64"))
    with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16):
        numbers = [float(ensemble(0, *pictures(row))) for row in range(3)]
    assert np.isfinite(numbers).all()


def test_four_bits_are_trained_on(tmp_path, make_work):
    pytest.importorskip("bitsandbytes")
    folder = write_tiny_vlm(tmp_path / "wide", width=64)
    model = model_of(f"vlm:{folder}")
    files = {weight.name: folder / weight.name.rsplit("/", 1)[1] for weight in model.files}
    work = make_work(four_bit=True)
    work = replace(
        work, recipe=work.recipe.model_copy(update={"base": model.name}), model=model, files=files
    )
    done = finetune(work, tmp_path / "out", "cuda:0", on_pair=lambda *_: None, on_epoch=print)
    assert np.isfinite(done["score"]).all()
    reader = load(model, files, "cuda:0", "bfloat16", four_bit=True)
    kinds = {type(module).__name__ for module in reader.network.model.modules()}
    assert "Linear4bit" in kinds


def test_too_little_memory_is_said_with_what_would_fit(make_work):
    work = make_work()
    with pytest.raises(DeviceError, match=r"GB are free, fine-tuning .* needs about 100000\.0 GB"):
        require_device(work.recipe, work.model, "cuda:0", Needs(1e5, 1.0, 1))


def test_speed_is_measured():
    assert speed_of("cuda:0") > 1e12
