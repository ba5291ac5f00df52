"""DreamSim by its package: narrow networks of its architecture, in files as the hubs have them."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import timm
import torch
from safetensors.torch import save_file

from seiqa_features.errors import WeightsError
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.extractors.deep.dreamsim import DINO, ENSEMBLE, SPEC
from seiqa_features.extractors.specs import Extract
from seiqa_features.table.recipe import Recipe
from seiqa_features.weights import places
from seiqa_features.weights.files import WeightFiles

dreamsim = pytest.importorskip("dreamsim")

WIDTH = 32


@pytest.fixture(scope="module", autouse=True)
def _narrow() -> Iterator[None]:
    """The package's transformers, narrow but as deep."""
    from dreamsim.feature_extraction import (
        load_clip_as_dino,
        load_open_clip_as_dino,
        vision_transformer,
    )

    def narrow(patch_size: int) -> torch.nn.Module:
        network: torch.nn.Module = vision_transformer.VisionTransformer(
            patch_size=patch_size, embed_dim=WIDTH, depth=12, num_heads=2, mlp_ratio=2,
            qkv_bias=True, norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
        )  # fmt: skip
        return network

    with pytest.MonkeyPatch.context() as patch:
        for module in (vision_transformer, load_clip_as_dino, load_open_clip_as_dino):
            patch.setattr(module, "vit_base", narrow)
        yield


def numbers(state: dict[str, torch.Tensor], seed: int) -> dict[str, torch.Tensor]:
    """Large enough that pictures point in different directions."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(value.shape, generator=generator) * 2 / value.shape[-1] ** 0.5
        if value.ndim > 1
        else value
        for name, value in state.items()
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The archive with three backbones and the adapters of the fine-tuning, and timm's DINO."""
    from dreamsim.feature_extraction.vision_transformer import vit_base

    folder = tmp_path_factory.mktemp("files")
    cache = folder / "cache"
    cache.mkdir()
    state = vit_base(patch_size=16).state_dict()
    save_file(numbers(state, 1), folder / "dino.safetensors")
    head = {f"module.head.mlp.{i}.{kind}": torch.ones(1) for i in (0, 2, 4)
            for kind in ("weight", "bias")}  # fmt: skip
    head["module.head.last_layer.weight"] = torch.ones(1)
    torch.save({"student": head}, cache / "dino_vitb16_pretrain.pth")
    clip = {"pos_drop.weight": torch.ones(WIDTH), "pos_drop.bias": torch.zeros(WIDTH)}
    for seed, name in ((2, "clip"), (3, "open_clip")):
        whole = {**numbers(state, seed), **clip, "proj": torch.eye(WIDTH)[:, :16]}
        torch.save({"state_dict": whole}, cache / f"{name}_vitb16_pretrain.pth.tar")
    save_adapters(cache, folder / "dino.safetensors")
    archive = folder / "ensemble.zip"
    with ZipFile(archive, "w") as packed:
        for path in cache.rglob("*"):
            packed.write(path, path.relative_to(cache))
    return {ENSEMBLE.name: archive, DINO.name: folder / "dino.safetensors", "cache": cache}


def save_adapters(cache: Path, dino: Path) -> None:
    import peft

    network = peft.get_peft_model(
        backbones(cache, dino),
        peft.LoraConfig(r=4, lora_alpha=8, lora_dropout=0.3, target_modules=["qkv"]),
    )
    generator = torch.Generator().manual_seed(4)
    for name, parameter in network.named_parameters():
        if "lora_" in name:
            parameter.data = torch.randn(parameter.shape, generator=generator) / 4
    network.save_pretrained(str(cache / "ensemble_lora"))


def backbones(cache: Path, dino: Path) -> Any:
    """The package's ensemble without fine-tuning."""
    from dreamsim.feature_extraction.vision_transformer import vit_base
    from dreamsim.model import PerceptualModel
    from safetensors.torch import load_file

    network = vit_base(patch_size=16)
    network.load_state_dict(load_file(dino))
    config = dreamsim.model.dreamsim_args["model_config"]["ensemble"]
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        patch.setattr(torch.hub, "load", lambda *_: network)
        patch.setattr(torch.hub, "set_dir", lambda _: None)
        return PerceptualModel(**config, device="cpu", load_dir=str(cache), normalize_embeds=True)


@pytest.fixture(scope="module")
def work(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Extract:
    folder = tmp_path_factory.mktemp("weights")
    hub = torch.hub.get_dir(), torch.hub.load
    said = io.StringIO()
    with redirect_stdout(said):
        built = Runtime(WeightFiles(folder, files)).work("dreamsim")
    assert said.getvalue() == ""
    assert (torch.hub.get_dir(), torch.hub.load) == hub
    return built


PICTURES = torch.rand(4, 3, 224, 224, generator=torch.Generator().manual_seed(5))


def test_values_are_the_packages(work: Extract, files: dict[str, Path]) -> None:
    import peft

    network = peft.PeftModel.from_pretrained(
        backbones(files["cache"], files[DINO.name]), str(files["cache"] / "ensemble_lora")
    ).eval()
    with torch.inference_mode():
        ours = work(ref=PICTURES[:1], dist=PICTURES[1:], ref_index=torch.tensor([0, 0, 0]))
        theirs = [network(PICTURES[:1], PICTURES[i : i + 1]).item() for i in (1, 2, 3)]
        plain = backbones(files["cache"], files[DINO.name]).eval()
        untuned = plain(PICTURES[:1], PICTURES[1:2]).item()
    assert ours["value"].tolist() == pytest.approx(theirs, abs=1e-5)
    assert len(set(theirs)) == 3
    assert abs(untuned - theirs[0]) > 1e-4  # so the adapters are in


def test_the_contract(work: Extract) -> None:
    with torch.inference_mode():
        index = torch.tensor([0, 1])
        whole = work(ref=PICTURES[:2], dist=PICTURES[2:], ref_index=index)["value"]
        alone = work(ref=PICTURES[1:2], dist=PICTURES[3:], ref_index=index[:1])["value"]
        back = work(ref=PICTURES[3:], dist=PICTURES[1:2], ref_index=index[:1])["value"]
        same = work(ref=PICTURES[:1], dist=PICTURES[:1], ref_index=index[:1])["value"]
    assert whole.dtype == torch.float64
    assert torch.equal(whole[1:], alone)
    assert torch.equal(alone, back)
    assert same.item() == 0 < alone.item()


def test_files_are_where_the_libraries_say() -> None:
    url = dreamsim.model.dreamsim_weights["ensemble"]
    assert ENSEMBLE.location == f"dreamsim|{url}"
    dino = timm.models.get_pretrained_cfg("vit_base_patch16_224.dino")
    assert DINO.location == f"hf:{dino.hf_hub_id}/model.safetensors"
    assert dino.url == "" or "dino_vitbase16_pretrain" in dino.url


def test_another_dino_is_refused(files: dict[str, Path], tmp_path: Path) -> None:
    save_file({"cls_token": torch.ones(1)}, tmp_path / "other.safetensors")
    named = {**files, DINO.name: tmp_path / "other.safetensors"}
    before = torch.hub.load
    with pytest.raises(WeightsError, match="not usable as weights of dreamsim"):
        Runtime(WeightFiles(tmp_path / "weights", named)).work("dreamsim")
    assert torch.hub.load is before


def test_without_the_package_it_is_unavailable_in_one_line(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "_has", lambda name: name != "dreamsim")
    recipe = Recipe.parse({"dreamsim": ["s224"], "gms": ["max512"]})
    _, unavailable = Runtime(WeightFiles(tmp_path, files)).bind(recipe, skip_unavailable=True)
    assert unavailable == {
        "dreamsim": "weights dreamsim/ensemble cannot be used without dreamsim: run"
        " `pip install 'seiqa[dreamsim]'`"
    }
    assert "pyiqa" not in SPEC.libraries
