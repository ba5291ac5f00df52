"""Columns that a table of held-out predictions has beside those of the learners.

A learner's predictions stand in a column of its name, so no learner can have one of these.
"""

from __future__ import annotations

SCORED = ("score", "low", "high", "unfamiliar", "agree")
"""What :meth:`seiqa_models.stack.regressor.SeiqaRegressor.predict_interval` gives."""

CONSENSUS, AGREEMENT = "agreed_score", "agreement"
"""What the columns of features say together, and how far they agree."""

COMPETITORS = ("best_single", "greedy", "index_only", "at_home", CONSENSUS)
"""Other predictions of the same rows, which the stack is compared with."""

ROW = ("pair_id", "mos", "group_id", "fold")
"""What is known of a row."""

RESULT_COLUMNS = frozenset({*SCORED, *COMPETITORS, AGREEMENT, *ROW})
