"""`finetuned:<folder>`: the score of a fine-tuned multimodal model, as one more feature.

The folder is what `seiqa finetune` writes: one member per fold, each trained without that fold's
groups. A pair's value is the mean of the members on the label's scale. For a pair that was trained
on, it is the value of the one member that was trained without its group, so the column is
cross-fitted like a meta-feature: in a table of training pairs it is an out-of-fold prediction.
Which pairs those are is known by the hash of their pixels in the folder's view.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from seiqa_features.errors import UsageError, WeightsError
from seiqa_features.extractors.multimodal.models import (
    EXTRA,
    Model,
    model_of,
    require_bfloat16,
)
from seiqa_features.extractors.registry import resolver
from seiqa_features.extractors.specs import (
    Extract,
    Extractor,
    ExtractorSpec,
    Output,
    Resources,
    Weight,
)
from seiqa_features.files import sha256_of

if TYPE_CHECKING:
    import torch

    from seiqa_features.extractors.multimodal.reading import Pixels

PREFIX = "finetuned"
ABOUT = "finetuned.json"
FILES = ("adapter_model.safetensors", "adapter_config.json", "head.safetensors")


class Member(BaseModel):
    """One member: its folder, and its straight line from the network's number to the label."""

    model_config = ConfigDict(extra="forbid")

    folder: str
    slope: float
    intercept: float


class About(BaseModel):
    """Content of finetuned.json.

    Attributes
    ----------
    base : str
        Name of the base model; see `model_of`.
    base_files : dict[str, str]
        SHA-256 of its files, by name of the weight.
    view : str
        View in which the pictures were shown.
    four_bit : bool
        Whether the base model's weights were kept in 4 bits.
    label_range : tuple[float, float]
        Values are clipped to it.
    members : list[Member]
    held_out_by : dict[str, int]
        Pair that was trained on (`pair_digest`) → the member that was trained without its group.
    """

    model_config = ConfigDict(extra="forbid")

    version: int = 1
    base: str
    base_files: dict[str, str]
    view: str
    four_bit: bool = False
    label_range: tuple[float, float]
    members: list[Member]
    held_out_by: dict[str, int]


def pair_digest(ref: Pixels, dist: Pixels) -> str:
    """Hash of the pixels of both pictures, uint8 [3, H, W] as the network is shown them."""
    digest = hashlib.blake2b(f"{ref.shape} {dist.shape} ".encode(), digest_size=16)
    for picture in (ref, dist):
        digest.update(picture.tobytes())
    return digest.hexdigest()


@resolver(PREFIX)
def of_folder(name: str) -> Extractor:
    """The extractor of the fine-tuned model in `finetuned:<folder>`.

    Raises
    ------
    UsageError
        There is none in the folder, it is of another version, or its base model does not exist.
    WeightsError
        A file of a member is missing.
    """
    folder = Path(name.removeprefix(f"{PREFIX}:")).expanduser().absolute()
    path = folder / ABOUT
    if not path.is_file():
        raise UsageError(
            f"{folder}: no fine-tuned model in it ({ABOUT} is missing); run `seiqa finetune` first"
        )
    return _of_content(folder, path.read_text(encoding="utf-8"))


@cache
def _of_content(folder: Path, content: str) -> Extractor:
    try:
        about = About.model_validate_json(content)
    except ValidationError as error:
        said = error.errors()[0]["msg"]
        raise UsageError(
            f"{folder / ABOUT}: not written by this version of seiqa ({said}); fine-tune again"
        ) from None
    try:
        model = model_of(about.base)
    except UsageError as error:
        raise UsageError(f"{folder}: its base model is not there: {error}") from None
    for path in (folder / member.folder / file for member in about.members for file in FILES):
        if not path.is_file():
            raise WeightsError(f"{path}: no such file; restore it, or fine-tune again")
    name = f"{PREFIX}:{folder}"
    own = [
        Weight(f"{name}/{file}", f"file:{path}", _megabytes(path), "your own", extra=EXTRA)
        for file, path in [
            (ABOUT, folder / ABOUT),
            *(
                (f"{member.folder}/{file}", folder / member.folder / file)
                for member in about.members
                for file in FILES
            ),
        ]
    ]
    spec = ExtractorSpec(
        name=name,
        version=1,
        outputs={"score": Output(better="higher")},
        colour="RGB, normalised by the model's own processor",
        libraries=("torch", "transformers", "peft"),
        licence="Apache-2.0 (transformers, peft)",
        source=f"fine-tuned from {model.source}",
        cost=10 * model.billions * len(about.members),
        weights=(*model.files, *own),
        only_view=about.view,
    )
    return Extractor(spec, lambda resources: build(folder, about, model, resources))


def build(folder: Path, about: About, model: Model, resources: Resources) -> Extract:
    """The extractor function.

    Raises
    ------
    WeightsError
        The base model is not the one that the adapters were trained on, or a file is damaged.
    DeviceError
        The GPU has no bfloat16.
    """
    import torch

    from seiqa_features.extractors.multimodal.adapted import Ensemble
    from seiqa_features.extractors.multimodal.reading import load

    require_same_base(folder, about, {w.name: resources.weights[w.name] for w in model.files})
    gpu = resources.device != "cpu"
    if gpu:
        require_bfloat16(resources.device)
    reader = load(
        model,
        resources.weights,
        resources.device,
        "bfloat16" if gpu else "float32",  # as in training
        four_bit=about.four_bit and gpu,
    )
    ensemble = Ensemble(reader, [folder / member.folder for member in about.members])

    def value(ref: Pixels, dist: Pixels) -> float:
        trained_without = about.held_out_by.get(pair_digest(ref, dist))
        numbers = range(len(about.members)) if trained_without is None else [trained_without]
        values = [
            about.members[n].slope * float(ensemble(n, ref, dist)) + about.members[n].intercept
            for n in numbers
        ]
        low, high = about.label_range
        return min(max(sum(values) / len(values), low), high)

    def extract(
        *, ref: torch.Tensor, dist: torch.Tensor, ref_index: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        refs, dists = (list((x * 255).round().byte().cpu().numpy()) for x in (ref, dist))
        rows = [value(refs[r], dists[i]) for i, r in enumerate(ref_index.tolist())]
        return {"score": torch.tensor(rows, dtype=torch.float64)}

    return extract


def require_same_base(folder: Path, about: About, files: dict[str, Path]) -> None:
    """Refuse a base model other than the one that the adapters were trained on.

    Raises
    ------
    WeightsError
        A file of the base model differs.
    """
    for name, path in files.items():
        if sha256_of(path) != about.base_files.get(name):
            raise WeightsError(
                f"{path}: not the file of {about.base} that the adapters in {folder} were trained"
                " on; use that base model, or fine-tune again"
            )


def _megabytes(path: Path) -> int:
    return round(path.stat().st_size / 1e6) if path.is_file() else 0
