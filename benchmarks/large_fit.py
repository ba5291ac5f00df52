"""Fit the default stack on a table, in a process of its own whose memory can be watched.

python benchmarks/large_fit.py TABLE.parquet PROCESSES
"""

from __future__ import annotations

import sys
from pathlib import Path

from pipelines.tables.reading import by_role
from seiqa_features.tabular.reading import read_text_table
from seiqa_models.audit.tables import Roles, feature_columns
from seiqa_models.stack.regressor import SeiqaRegressor

ROLES = Roles(label="mos", group="group_id")


def main(path: str, processes: int) -> None:
    """Read, check and fit."""
    table, roles = by_role(read_text_table(Path(path)), ROLES)
    X = feature_columns(table, roles)
    SeiqaRegressor(n_jobs=processes).fit(X, table[roles.label], table[roles.group])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
