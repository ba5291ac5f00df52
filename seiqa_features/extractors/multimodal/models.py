"""Multimodal models by name: files, revisions and sizes of Qwen3-VL, or a folder of the user's.

`qwen3_vl_2b`, `qwen3_vl_4b` and `qwen3_vl_8b` are pinned to a commit of their hub repository.
`vlm:<folder>` is a model of the same class in a folder as `save_pretrained` writes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from seiqa_features.errors import DeviceError, UsageError, WeightsError
from seiqa_features.extractors.specs import Extra, Weight

PREFIX = "vlm"
EXTRA = Extra("vlm", ("transformers", "peft", "safetensors", "accelerate"))

CLASS = "Qwen3VLForConditionalGeneration"
SINCE = "4.57"
"""First version of transformers that has the class."""

_SMALL_FILES = (
    "chat_template.json", "config.json", "generation_config.json", "merges.txt",
    "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json",
    "video_preprocessor_config.json", "vocab.json",
)  # fmt: skip
_READ_ENDINGS = (".json", ".safetensors", ".txt", ".jinja")


@dataclass(frozen=True)
class Model:
    """What must be known about a model without loading it.

    Attributes
    ----------
    name : str
        Name of its extractor.
    files : tuple[Weight, ...]
        All files that are read when it is loaded, named `<model>/<file>`.
    width, layers : int
        Of the language model: width of a hidden state, number of layers.
    billions : float
        Number of parameters in 10⁹.
    source : str
        Where it comes from.
    """

    name: str
    files: tuple[Weight, ...]
    width: int
    layers: int
    billions: float
    source: str


def _qwen3_vl(
    size: str, commit: str, width: int, layers: int, shards: int, megabytes: int
) -> Model:
    repository = f"Qwen/Qwen3-VL-{size.upper()}-Instruct"
    tensors = ["model.safetensors"]
    small = list(_SMALL_FILES)
    if shards > 1:
        tensors = [f"model-{i + 1:05}-of-{shards:05}.safetensors" for i in range(shards)]
        small.append("model.safetensors.index.json")
    sizes = dict.fromkeys(small, 1) | dict.fromkeys(tensors, megabytes // shards)
    sizes["tokenizer.json"] = 7
    return Model(
        f"qwen3_vl_{size}",
        tuple(
            Weight(
                f"{repository}/{file}",
                f"hf:{repository}@{commit}/{file}",
                amount,
                "apache-2.0",
                extra=EXTRA,
            )
            for file, amount in sorted(sizes.items())
        ),
        width,
        layers,
        megabytes / 2000,  # in bfloat16
        f"Bai et al., Qwen3-VL, arXiv 2511.21631; {repository}",
    )


PRESETS = {
    model.name: model
    for model in (
        _qwen3_vl("2b", "89644892e4d85e24eaac8bacfd4f463576704203", 2048, 28, 1, 4255),
        _qwen3_vl("4b", "ebb281ec70b05090aa6165b016eac8ec08e71b17", 2560, 36, 2, 8876),
        _qwen3_vl("8b", "0c351dd01ed87e9c1b53cbc748cba10e6187ff3b", 4096, 36, 4, 17534),
    )
}


def model_of(name: str) -> Model:
    """The preset of that name, or the model in the folder of `vlm:<folder>`.

    Raises
    ------
    UsageError
        There is no such model, or the folder holds none of the class.
    """
    if name in PRESETS:
        return PRESETS[name]
    if not name.startswith(f"{PREFIX}:"):
        raise UsageError(f"multimodal model {name!r} does not exist; there are {', '.join(PRESETS)}"
                         f" and {PREFIX}:<folder>")  # fmt: skip
    return _model_in(Path(name.removeprefix(f"{PREFIX}:")).expanduser().absolute())


def _model_in(folder: Path) -> Model:
    """The model in a folder, described by its config.json and the sizes of its files."""
    if "__" in str(folder):
        raise UsageError(
            f"{folder}: a model's folder cannot contain a double underscore; rename it"
        )
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        text = config["text_config"]
        width, layers = int(text["hidden_size"]), int(text["num_hidden_layers"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(
            f"{folder}: expected a folder with config.json of a {CLASS}, as save_pretrained"
            " writes it"
        ) from None
    if CLASS not in config.get("architectures", ()):
        found = ", ".join(config.get("architectures") or ["no architecture"])
        raise UsageError(f"{folder}: its config.json names {found}, expected {CLASS}")
    paths = [path for path in sorted(folder.iterdir()) if path.suffix in _READ_ENDINGS]
    sizes = {path: path.stat().st_size for path in paths}
    whole = f"{PREFIX}:{folder}"
    return Model(
        whole,
        tuple(
            Weight(
                f"{whole}/{path.name}", f"file:{path}", round(size / 1e6), "your own", extra=EXTRA
            )
            for path, size in sizes.items()
        ),
        width,
        layers,
        sum(size for path, size in sizes.items() if path.suffix == ".safetensors") / 2e9,
        str(folder),
    )


def require_bfloat16(device: str) -> None:
    """Refuse a GPU that only emulates bfloat16.

    Raises
    ------
    DeviceError
        The message names the GPU.
    """
    import torch

    with torch.cuda.device(device):
        if not torch.cuda.is_bf16_supported(including_emulation=False):
            raise DeviceError(
                f"device {device} ({torch.cuda.get_device_name(device)}) has no bfloat16, in which"
                " the model is trained; use a GPU that has it (NVIDIA Ampere or newer)"
            )


def require_memory(
    what: str,
    model: Model,
    device: str,
    gigabytes: float,
    *,
    option: str = "{}",
    other: Sequence[str] = (),
) -> None:
    """Refuse a GPU with too little free memory before anything is loaded.

    Parameters
    ----------
    what : str
        What needs the memory, for the message.
    gigabytes : float
        Memory that it needs.
    option : str
        How the name of a smaller model is given, with `{}` for it.
    other : Sequence[str]
        Other things to try, the best ones first.

    Raises
    ------
    DeviceError
        The message says what would fit.
    """
    import torch

    free = torch.cuda.mem_get_info(device)[0] / 1e9
    if free >= gigabytes:
        return
    smaller = [
        option.format(preset.name)
        for preset in PRESETS.values()
        if preset.billions < model.billions and gigabytes * preset.billions / model.billions <= free
    ]
    raise DeviceError(
        f"device {device} ({torch.cuda.get_device_name(device)}): {free:.1f} GB are free, {what}"
        f" needs about {gigabytes:.1f} GB; try"
        f" {' or '.join([*other, *smaller[-1:]]) or 'a larger GPU'}"
    )


@contextmanager
def in_one_folder(model: Model, files: Mapping[str, Path]) -> Iterator[Path]:
    """A temporary folder with links to the model's verified files under their own names."""
    with TemporaryDirectory() as folder:
        for weight in model.files:
            link = Path(folder, weight.name.rsplit("/", 1)[1])
            link.symlink_to(files[weight.name].resolve())
        yield Path(folder)


def require_class() -> Any:
    """The class of the models in transformers.

    Raises
    ------
    WeightsError
        transformers is missing or too old.
    """
    from importlib.metadata import PackageNotFoundError, version

    advice = f"run `pip install 'seiqa[{EXTRA.name}]'`"
    try:
        import transformers
    except ImportError:
        raise WeightsError(f"multimodal models need transformers, which is missing: {advice}"
                           ) from None  # fmt: skip
    found = getattr(transformers, CLASS, None)
    if found is None:
        try:
            installed = version("transformers")
        except PackageNotFoundError:
            installed = "of unknown version"
        raise WeightsError(
            f"transformers {installed} has no {CLASS}; expected {SINCE} or newer: {advice}"
        )
    return found
