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
    THUMBNAILS,
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
from seiqa_features.errors import SeiqaError, printable
from seiqa_features.tabular.inert import inert_csv
from seiqa_models.core.errors import TableError
from seiqa_models.scorer import Scorer

COLUMNS = ("ref", "dist", "score", "low", "high", "unfamiliar", "agree", "problem")

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
        self._scorer = scorer
        self._turns = Turns()
        self.folder = folder
        self.limits = limits
        low, high = scorer.bundle.regressor.label_range_
        self.model = str(scorer.bundle.card.get("name", "without a name"))
        if scorer.as_collection is not None:
            self.model += f", as the observers of {scorer.as_collection}"
        self.scale = Scale(low, high, scorer.bundle.card["label_kind"] == "pseudo-label")

    def score_pair(self, ref: Payload, dist: Payload) -> tuple[str, Image.Image, str]:
        """Score card, heat map and chart of contributions.

        Raises
        ------
        gr.Error
            One line for the person at the page.
        """
        with _told(), self._turns.turn():
            before = self._picture("reference", ref)
            after = self._picture("degraded picture", dist)
            score = self._scorer.score(before, after)
            card = score_card(score, self.scale)
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

    def score_zip(self, payload: Payload) -> Iterator[tuple[str, str | None]]:
        """Progress after every pair, as HTML; finally the table and its CSV file.

        Raises
        ------
        gr.Error
            One line for the person at the page.
        """
        with (
            _told(),
            PairArchive(*find_upload(payload, self.folder, self.limits), self.limits) as (archive),
        ):
            rows: list[tuple[Any, ...]] = []
            shown: list[str] = []
            for ref, dist in archive.pairs:
                yield f"{len(rows)} of {len(archive.pairs)} scored …", None
                with self._turns.turn():
                    row, small = self._row(archive, ref, dist)
                rows.append((printable(ref), printable(dist), *row))
                shown.append(small)
        table = pd.DataFrame(rows, columns=list(COLUMNS))
        csv = str(self._csv(table))
        table.insert(0, THUMBNAILS, shown)
        yield score_table(table), csv

    def _picture(self, role: str, payload: Payload) -> Image.Image:
        upload = read_upload(payload, self.folder, self.limits)
        upload = Upload(f"{role} ({upload.name})", upload.content)
        picture = decode(upload, self.limits)
        if is_animation(upload):
            gr.Warning(
                f"{escape(printable(upload.name))} has several frames: only the first is scored"
            )
        return picture

    def _row(self, archive: PairArchive, ref: str, dist: str) -> tuple[tuple[Any, ...], str]:
        """Score, interval, both flags and problem of one pair of a zip; and its thumbnails."""
        try:
            pair = archive.picture(ref), archive.picture(dist)
            score = self._scorer.score(*pair)
        except (SeiqaError, TableError) as error:
            return (*[None] * 5, "; ".join(str(error).splitlines())), ""
        numbers = (round(value, 4) for value in (float(score), score.low, score.high))
        flags = ("yes" if flag else "no" for flag in (score.unfamiliar, score.agree))
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
