"""The step `train`: estimate honestly, fit on all training rows, write metrics and bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from pipelines.runs.card import model_card
from pipelines.runs.folder import (
    Extracted,
    exclusive,
)
from pipelines.runs.ledger import note_run
from pipelines.runs.metrics import Metrics, learners_worth
from pipelines.runs.model import Splits, ablate, choose_splits, estimate, known_directions
from pipelines.runs.readiness import check_learners, require_trainable
from pipelines.runs.writing import write_training
from pipelines.sense.constructed import orders_of
from pipelines.sense.judging import judge_stack
from pipelines.sense.orders import references_of
from pipelines.settings import Settings
from pipelines.steps.extracting import Features, read_unchanged
from pipelines.steps.laboratories import judge_collections, labels_of
from seiqa_features.datasets.pairs import training_rows
from seiqa_features.progress import Progress, unwatched
from seiqa_features.spending import spending

if TYPE_CHECKING:
    from seiqa_models.anchors import Ladder
    from seiqa_models.evaluation.evaluate import Evaluation


def train(
    settings: Settings,
    done: Features | None = None,
    *,
    on_fold: Progress = unwatched,
    on_ablation: Progress = unwatched,
    on_sense: Progress = unwatched,
    on_anchor: Progress = unwatched,
    on_laboratory: Progress = unwatched,
) -> Metrics:
    """Estimate honestly, fit on all training rows, and write metrics, predictions and bundle.

    The run gets a line in the ledger beside its folder.

    Rows for training are those of split train that have a label. Labelled rows of val and test are
    never trained on; the fitted stack's score on them is reported as held out. Finally the stack is
    tested on a suite of relations (`pipelines.sense`), and scores known degradations of training
    references, by which scores can be put into words; each is limited to about a minute.

    Parameters
    ----------
    done : Features | None
        The results of `features` in this process; by default the run folder is read.

    Raises
    ------
    DataError
        No features in the run folder, or features that do not match the settings.
    DataError, TableError
        No labels, too few pairs or groups, or labels that cannot be learned from.
    UsageError
        A learner or the fusion does not exist.
    """
    with exclusive(settings.run), spending() as spent:
        found = done.extracted if done else read_unchanged(settings)
        splits = (done and done.splits) or choose_splits(settings, found.pairs)
        require_trainable(settings, found.pairs, splits)
        if done is None or done.splits is None:  # otherwise they were tried before extraction
            check_learners(settings)
        evaluation, metrics = _evaluate(settings, found, splits, on_fold, on_ablation)
        sense, left_out = judge_stack(
            settings,
            evaluation.regressor,
            found.meta["recipe"],
            found.meta.get("seconds_per_pair"),
            on_pair=on_sense,
        )
        training = found.pairs[training_rows(found.pairs)]
        anchors = _anchors(settings, evaluation, training, found.meta, on_anchor)
        laboratories, unjudged = judge_collections(
            settings, evaluation, training, found.table.loc[training["pair_id"]], on_laboratory
        )
        metrics = metrics.model_copy(
            update={
                "sense": sense,
                "sense_left_out": left_out,
                "anchors": anchors,
                "laboratories": laboratories,
                "laboratories_left_out": unjudged,
            }
        )
        write_training(
            settings,
            metrics,
            evaluation.predictions.rename_axis("pair_id"),
            evaluation.regressor,
            recipe=found.meta["recipe"],
            card=model_card(settings, training, found.meta, metrics),
            features=found.digest,
            spent=spent(),
        )
    note_run(settings, metrics)
    return metrics


def _anchors(
    settings: Settings,
    evaluation: Evaluation,
    training: pd.DataFrame,
    meta: dict[str, Any],
    on_pair: Progress,
) -> list[Ladder] | None:
    """The fitted stack's scores of known degradations, unless the setting sense is off."""
    from pipelines.sense.anchors import find_anchors
    from seiqa_models.bundle import Bundle

    if not settings.sense:
        return None
    bundle = Bundle(evaluation.regressor, meta["recipe"], {})
    references, seconds = references_of(training), meta.get("seconds_per_pair")
    return find_anchors(settings, bundle, references, seconds, on_pair=on_pair)


def _evaluate(
    settings: Settings,
    found: Extracted,
    splits: Splits,
    on_fold: Progress,
    on_ablation: Progress,
) -> tuple[Evaluation, Metrics]:
    """The honest estimate including the fitted stack, and the content of metrics.json."""
    pairs, table = found.pairs, found.table
    rows = training_rows(pairs)
    training, labelled = pairs[rows], table[rows.to_numpy()]
    directions = known_directions(found.meta["recipe"])
    orders, said = orders_of(found.constructed) if found.constructed else (None, None)
    evaluation, left_out = estimate(
        settings,
        training,
        labelled,
        orders,
        directions=directions,
        blocks=splits.blocks,
        on_fold=on_fold,
    )
    metrics = Metrics.of(
        evaluation.figures,
        transfer_left_out=left_out,
        splits={"by": "block" if splits.blocks else "group", "why": splits.why},
        audit=splits.audit,
        heldout=_held_out(evaluation, pairs, table),
        ablation=ablate(
            settings,
            # Labels of several collections on the scale of the scores.
            training.assign(mos=evaluation.predictions["mos"].to_numpy()),
            labelled,
            learners_worth(evaluation.figures),
            directions=directions,
            blocks=splits.blocks,
            kinds=evaluation.figures.transfer is not None,
            on_fit=on_ablation,
        ),
        orders=said,
        scales=getattr(evaluation.regressor, "scales_", None),
        label_kind=pairs.attrs["label_kind"],
        source=pairs.attrs["source"],
    )
    return evaluation, metrics


def _held_out(
    evaluation: Evaluation, pairs: pd.DataFrame, table: pd.DataFrame
) -> dict[str, Any] | None:
    """Figures of the fitted stack on labelled rows that were never trained on, by split."""
    from seiqa_models.evaluation.bootstrap import score_summary

    summaries = {}
    for split in ("val", "test"):
        rows = (pairs["split"] == split) & pairs["mos"].notna()
        if rows.sum() > 1:
            scores = evaluation.regressor.predict(table[rows.to_numpy()])
            held = pairs[rows]
            labels = labels_of(evaluation.regressor, held)
            summaries[split] = score_summary(labels, scores, held["group_id"].to_numpy())
    return summaries or None
