"""Factories of the pool's small networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.pipeline import make_pipeline

from seiqa_models.learners.scaling import RankNormal


def ranker(random_state: int, n_jobs: int) -> Any:  # noqa: ARG001
    """Small network trained to order pairs of rows, inputs by rank."""
    from seiqa_models.learners.networks.ranker import PairwiseRanker

    return make_pipeline(RankNormal(), PairwiseRanker(max_epochs=60, random_state=random_state))


def ranker_fidelity(random_state: int, n_jobs: int) -> Any:  # noqa: ARG001
    """The ranker with the winner's loss, PLCC and fidelity of pairs."""
    from seiqa_models.learners.networks.ranker import PairwiseRanker

    return make_pipeline(RankNormal(), PairwiseRanker("fidelity", random_state=random_state))


def ordinal_head(random_state: int, n_jobs: int) -> Any:  # noqa: ARG001
    """DSS-SQA's network of levels on standardised columns, trained longer than the original.

    Made for dense blocks, as `ordinal_head@dense`.
    """
    from seiqa_models.learners.networks.ordinal_head import OrdinalHead

    return OrdinalHead(learning_rate=1e-3, max_epochs=40, random_state=random_state)


def dss_sqa(random_state: int, n_jobs: int) -> Any:  # noqa: ARG001
    """DSS-SQA's network with all of its constants and its gate, for the blocks of its extractor.

    Read as `dss_sqa@dense`. It takes 10 passes over the rows, which is little for small tables.
    """
    from seiqa_models.learners.networks.ordinal_head import GATE, OrdinalHead

    return OrdinalHead(raw_blocks=True, gate=GATE, random_state=random_state)


NETWORKS: dict[str, Callable[[int, int], Any]] = {
    "ranker": ranker,
    "ranker_fidelity": ranker_fidelity,
    "ordinal_head": ordinal_head,
    "dss_sqa": dss_sqa,
}
"""The networks by registered name; called with ``random_state`` and ``n_jobs``."""
