"""Fit the default stack on a table, in a process of its own whose memory can be watched.

python benchmarks/large_fit.py TABLE.parquet PROCESSES
"""

from __future__ import annotations

import sys

from seiqa_models.audit.tables import Roles, feature_columns, read_table
from seiqa_models.stack.regressor import SeiqaRegressor

ROLES = Roles(label="mos", group="group_id")


def main(path: str, processes: int) -> None:
    """Read, check and fit."""
    table = read_table(path)
    X = feature_columns(table, ROLES)
    SeiqaRegressor(n_jobs=processes).fit(X, table[ROLES.label], table[ROLES.group])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
