"""One member per fold: trained without that fold's groups, kept on disk, resumed after a kill."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seiqa_features.errors import DataError
from seiqa_features.extractors.multimodal.finetuned import (
    ABOUT,
    About,
    Member,
    pair_digest,
)
from seiqa_features.extractors.multimodal.models import Model
from seiqa_features.extractors.multimodal.reading import Pixels
from seiqa_features.files import sha256_of
from seiqa_features.path_texts import text_path
from seiqa_features.pictures.decoding import load_rgb
from seiqa_features.pictures.views import View
from seiqa_features.spending import Spent
from seiqa_features.writing import write_whole
from seiqa_models.core.splits import Fold, fold_of_rows
from seiqa_models.finetune.recipe import Recipe, line_to_label

DONE, STARTED, LOG, OUT_OF_FOLD = "member.json", "started.json", "log.csv", "out_of_fold.csv"

_CACHED_PAIRS = 4096
"""Pairs whose pictures are kept in memory, in the recipe's view; of 512×384, 5 GB."""


@dataclass(frozen=True)
class Work:
    """All that determines the result of a fine-tuning.

    Attributes
    ----------
    pairs : DataFrame
        Labelled training pairs: `pair_id, ref_path, dist_path, ref_key, dist_key, mos, group_id`.
    folds : list of Fold
        Those of the honest estimate.
    files : mapping of str to Path
        Verified files of the model, by name of the weight.
    """

    recipe: Recipe
    model: Model
    files: Mapping[str, Path]
    pairs: pd.DataFrame
    folds: Sequence[Fold]
    label_range: tuple[float, float]
    seed: int

    def identity(self, base_files: Mapping[str, str]) -> str:
        """Hash of everything except where files are."""
        columns = self.pairs[["pair_id", "ref_key", "dist_key", "mos", "group_id"]].astype(str)
        content = [
            self.recipe.model_dump(),
            dict(base_files),
            columns.to_numpy().tolist(),
            [test.tolist() for _, test in self.folds],
            list(self.label_range),
            self.seed,
        ]
        return hashlib.blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()


def finetune(
    work: Work,
    folder: Path,
    device: str,
    *,
    on_pair: Callable[[int, int], None],
    on_epoch: Callable[[str], None],
) -> pd.DataFrame:
    """Train every member that the folder lacks, and write what `finetuned:<folder>` reads.

    Parameters
    ----------
    folder : Path
        Gets one folder per member, `finetuned.json`, `log.csv` and `out_of_fold.csv`.
    device : str
        PyTorch's name.
    on_pair : callable
        Called with (pairs read for training, of how many).
    on_epoch : callable
        Called with a line about every epoch.

    Returns
    -------
    DataFrame
        `pair_id, fold, mos, score`: out-of-fold predictions of the pairs, in their order.

    Raises
    ------
    DataError
        The folder holds a fine-tuning of other data or settings, or a picture cannot be read.
    """
    base_files = {weight.name: sha256_of(work.files[weight.name]) for weight in work.model.files}
    _require_same_work(folder, work.identity(base_files))
    pictures = _Pictures(work.pairs, View.parse(work.recipe.view))
    total = work.recipe.epochs * sum(len(train) for train, _ in work.folds)
    read = 0

    def count(more: int) -> None:
        nonlocal read
        read += more
        on_pair(read, total)

    folders = [folder / f"fold-{number}" for number in range(len(work.folds))]
    for number, (train, _) in enumerate(work.folds):
        if (folders[number] / DONE).is_file():
            count(work.recipe.epochs * len(train))
        else:
            _train(work, device, folders[number], pictures, number, count, on_epoch)
    told = [json.loads((own / DONE).read_text(encoding="utf-8")) for own in folders]
    members = [
        Member(folder=own.name, slope=one["slope"], intercept=one["intercept"])
        for own, one in zip(folders, told, strict=True)
    ]
    epochs = [{"fold": fold, **epoch} for fold, one in enumerate(told) for epoch in one["epochs"]]
    held_out = _held_out(work, told)
    about = _about(work, base_files, members, held_out["fold"], pictures)
    write_whole(folder / LOG, pd.DataFrame(epochs).to_csv(index=False))
    write_whole(folder / OUT_OF_FOLD, held_out.to_csv(index=False))
    write_whole(folder / ABOUT, about.model_dump_json(indent=1))  # last: it makes the model usable
    return held_out


def _held_out(work: Work, told: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The out-of-fold predictions of the pairs, from what the members' files say."""
    scores = np.empty(len(work.pairs))
    for (_, test), one in zip(work.folds, told, strict=True):
        scores[test] = np.clip(one["held_out"], *work.label_range)
    held_out = work.pairs[["pair_id", "mos"]].assign(fold=fold_of_rows(work.folds), score=scores)
    return held_out[["pair_id", "fold", "mos", "score"]]


def _about(
    work: Work,
    base_files: dict[str, str],
    members: list[Member],
    fold_of: pd.Series,
    pictures: _Pictures,
) -> About:
    """What a reader of the members has to know."""
    return About(
        base=work.model.name,
        base_files=base_files,
        view=work.recipe.view,
        four_bit=work.recipe.four_bit,
        label_range=work.label_range,
        members=members,
        held_out_by={pair_digest(*pictures(row)): int(fold) for row, fold in enumerate(fold_of)},
    )


def _train(
    work: Work,
    device: str,
    folder: Path,
    pictures: _Pictures,
    number: int,
    count: Callable[[int], None],
    on_epoch: Callable[[str], None],
) -> None:
    """Train one member and write its files; `DONE` comes last."""
    from seiqa_features.extractors.multimodal.adapted import PairRegressor
    from seiqa_features.extractors.multimodal.reading import load
    from seiqa_models.finetune.training import STATE, predict, train_member

    folder.mkdir(parents=True, exist_ok=True)
    dtype = "float32" if device == "cpu" else "bfloat16"
    reader = load(work.model, work.files, device, dtype, four_bit=work.recipe.four_bit)
    seed = work.seed + number
    regressor = PairRegressor(reader, rank=work.recipe.rank, alpha=work.recipe.alpha, seed=seed)
    y, (train, test) = work.pairs["mos"].to_numpy(np.float64), work.folds[number]
    epochs = train_member(
        regressor, work.recipe, pictures, y, train, test, folder, seed=seed, on_pair=count,
        on_epoch=lambda epoch: on_epoch(
            f"fold {number + 1} of {len(work.folds)}, epoch {epoch.epoch}: loss {epoch.loss:.4f},"
            f" held-out SROCC {epoch.srocc:.4f}, {epoch.seconds:.0f} s"
        ),
    )  # fmt: skip
    slope, intercept = line_to_label(
        predict(regressor, train, pictures), y[train], work.label_range, work.recipe.scale
    )
    held_out = slope * predict(regressor, test, pictures) + intercept
    regressor.save(folder)
    told = {
        "slope": slope,
        "intercept": intercept,
        "held_out": held_out.tolist(),
        "epochs": [asdict(epoch) for epoch in epochs],
    }
    write_whole(folder / DONE, json.dumps(told))
    (folder / STATE).unlink(missing_ok=True)


class _Pictures:
    """Both pictures of a row in a view, kept in memory after the first time."""

    def __init__(self, pairs: pd.DataFrame, view: View) -> None:
        self._paths = list(zip(pairs["ref_path"], pairs["dist_path"], strict=True))
        self._view = view
        self._kept: dict[int, tuple[Pixels, Pixels]] = {}

    def __call__(self, row: int) -> tuple[Pixels, Pixels]:
        if row in self._kept:
            return self._kept[row]
        ref, dist = (load_rgb(text_path(path)) for path in self._paths[row])
        both = (
            self._view.prepare(ref, ref.size, "bicubic")[0],
            self._view.prepare(dist, ref.size, "bicubic")[0],
        )
        if len(self._kept) < _CACHED_PAIRS:
            self._kept[row] = both
        return both


def _require_same_work(folder: Path, identity: str) -> None:
    """Note what is trained in the folder; refuse to mix it with something else."""
    path = folder / STARTED
    if path.is_file():
        if json.loads(path.read_text(encoding="utf-8"))["identity"] != identity:
            raise DataError(
                [f"{folder}: holds a fine-tuning of other data, folds or settings; remove it, or"
                 " name another --run"]
            )  # fmt: skip
        return
    write_whole(path, json.dumps({"identity": identity}))


def read_spent(folder: Path) -> Spent | None:
    """What all epochs of the fine-tuning in a folder took; None if it has no log."""
    if not (folder / LOG).is_file():
        return None
    log = pd.read_csv(folder / LOG)
    return Spent(
        seconds=float(log["seconds"].sum()),
        gigabytes=float(log["gigabytes"].max()),
        gpu_gigabytes=float(log["gpu_gigabytes"].max()),
    )
