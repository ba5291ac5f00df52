"""What the page does: two pictures in, score and reasons out; or a zip in, a table out.

Gradio must not be imported before its environment is set; see `pipelines.web.server`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd
from PIL import Image

from pipelines.web.archives import PairArchive
from pipelines.web.results import (
    Scale,
    contribution_chart,
    heat_map,
    score_card,
    score_table,
    thumbnails,
)
from pipelines.web.turns import Turns
from pipelines.web.uploads import (
    Limits,
    Upload,
    decode,
    find_upload,
    is_animation,
    read_upload,
)
from seiqa_features.errors import SeiqaError, UsageError, printable
from seiqa_features.tabular.inert import inert_csv
from seiqa_models.core.errors import TableError
from seiqa_models.score import FLAGS, NUMBERS
from seiqa_models.scorer import Scorer

COLUMNS = ("ref", "dist", *NUMBERS, *FLAGS, "problem")

COMMON = "all collections"
"""Stands for no particular collection in the list of whose scores can be predicted."""

Payload = Mapping[str, Any] | None  # Gradio's FileData, as it came from the browser


class Page:
    """What the page's buttons do.

    Parameters
    ----------
    scorer : Scorer
        Serialises requests.
    folder : Path
        Uploads and results; no other file is opened.
    limits : Limits
        What is accepted.
    """

    def __init__(self, scorer: Scorer, folder: Path, limits: Limits) -> None:
        names = scorer.bundle.regressor.collections_
        self._scorers = {name or COMMON: scorer.scoring_as(name) for name in (None, *names)}
        self.chosen = scorer.as_collection or COMMON
        self._turns = Turns()
        self.folder = folder
        self.limits = limits
        self.model = str(scorer.bundle.card.get("name", "without a name"))
        self.scale = Scale(*scorer.scale, scorer.bundle.card["label_kind"] == "pseudo-label")

    @property
    def observers(self) -> list[str]:
        """Whose scores can be predicted: `COMMON`, then the collections if there are several."""
        return list(self._scorers)

    def score_pair(
        self, ref: Payload, dist: Payload, observers: object = None
    ) -> tuple[str, Image.Image, str]:
        """Score card, heat map and chart of contributions.

        Parameters
        ----------
        ref, dist : Payload
            The two uploads.
        observers : object
            One of `observers`, as it came from the browser; None: the one chosen at the start.

        Raises
        ------
        gr.Error
            One line for the person at the page.
        """
        with _told(), self._turns.turn():
            scorer = self._scoring_as(observers)
            before = self._picture("reference", ref)
            after = self._picture("degraded picture", dist)
            score = scorer.score(before, after)
            card = score_card(score, self.scale, scorer.as_collection)
            # The score of equal pictures has no other contributions, as the card says.
            chart = "" if score.identical else contribution_chart(score.contributions)
            return card, heat_map(before, after), chart

    def keep_if_picture(self, role: str, payload: Payload) -> Any:
        """The upload unchanged; or nothing, and why, if it is no picture that can be scored."""
        try:
            decode(read_upload(payload, self.folder, self.limits), self.limits)
        except SeiqaError as error:
            gr.Warning(escape(f"{role}: {error}"), title="Not accepted", duration=None)
            return None
        return gr.skip()

    def score_zip(
        self, payload: Payload, observers: object = None
    ) -> Iterator[tuple[str, str | None]]:
        """Progress after every pair, as HTML; finally the table and its CSV file.

        `observers` as for `score_pair`.

        Raises
        ------
        gr.Error
            One line for the person at the page.
        """
        with (
            _told(),
            PairArchive(*find_upload(payload, self.folder, self.limits), self.limits) as archive,
        ):
            scorer = self._scoring_as(observers)
            rows: list[tuple[Any, ...]] = []
            small: list[str] = []
            for ref, dist in archive.pairs:
                yield f"{len(rows)} of {len(archive.pairs)} scored …", None
                with self._turns.turn():
                    row, pictures = self._row(scorer, archive, ref, dist)
                rows.append((printable(ref), printable(dist), *row))
                small.append(pictures)
        table = pd.DataFrame(rows, columns=list(COLUMNS))
        yield score_table(table, small, scorer.as_collection), str(self._csv(table))

    def _scoring_as(self, observers: object) -> Scorer:
        scorer = self._scorers.get(str(self.chosen if observers is None else observers))
        if scorer is None:
            said = ", ".join(self._scorers)
            raise UsageError(f"score as {str(observers)[:80]!r}: expected one of {said}")
        return scorer

    def _picture(self, role: str, payload: Payload) -> Image.Image:
        upload = read_upload(payload, self.folder, self.limits)
        upload = Upload(f"{role} ({upload.name})", upload.content)
        picture = decode(upload, self.limits)
        if is_animation(upload):
            gr.Warning(
                f"{escape(printable(upload.name))} has several frames: only the first is scored"
            )
        return picture

    def _row(
        self, scorer: Scorer, archive: PairArchive, ref: str, dist: str
    ) -> tuple[tuple[Any, ...], str]:
        """Score, interval, flags and problem of one pair of a zip; and its thumbnails."""
        try:
            pair = archive.picture(ref), archive.picture(dist)
            score = scorer.score(*pair)
        except (SeiqaError, TableError) as error:
            return (*[None] * len((*NUMBERS, *FLAGS)), "; ".join(str(error).splitlines())), ""
        numbers = (round(value, 4) for value in (float(score), score.low, score.high))
        flags = ("yes" if getattr(score, name) else "no" for name in FLAGS)
        return (*numbers, *flags, ""), thumbnails(*pair)

    def _csv(self, table: pd.DataFrame) -> Path:
        folder = self.folder / secrets.token_hex(16)  # nobody else can guess its address
        folder.mkdir()
        path = folder / "seiqa-scores.csv"
        path.write_text(inert_csv(table), encoding="utf-8")
        return path


@contextmanager
def _told() -> Iterator[None]:
    """Show errors that the user can fix on the page; the server continues."""
    try:
        yield
    except (SeiqaError, TableError) as error:
        # Gradio shows HTML; a file's name must stay text.
        raise gr.Error(
            escape(str(error)), title="Not scored", duration=None, print_exception=False
        ) from None
