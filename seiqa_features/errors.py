"""Errors a user can mend: each is one clear line per problem and has an exit code."""

from __future__ import annotations

from collections.abc import Sequence


class SeiqaError(Exception):
    """Something the user can mend. `exit_code` is what the command line returns."""

    exit_code = 1


class UsageError(SeiqaError):
    """A name, option or setting that does not exist or cannot be used."""

    exit_code = 2


class DataError(SeiqaError):
    """Everything wrong with the data, one line per problem, reported together."""

    exit_code = 3

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class StoreError(SeiqaError):
    """The feature store cannot be read or written; what it already holds is kept."""


class WeightsError(SeiqaError):
    """Pretrained weights are absent, damaged or not what they were."""

    exit_code = 4


class DeviceError(SeiqaError):
    """The device asked for is absent or too small."""

    exit_code = 2
