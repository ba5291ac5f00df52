"""Folders for a while below $TMPDIR. Those that a killed process left are removed by the next."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from seiqa_features.writing import HOST, is_running

_NAME = re.compile(r"seiqa-[a-z]+-(?P<host>[0-9a-f]{8})-(?P<pid>[0-9]{1,9})-\w{8}")


@contextmanager
def scratch(purpose: str) -> Iterator[Path]:
    """An empty folder that only its owner can read, removed afterwards.

    Parameters
    ----------
    purpose : str
        Lower-case letters; part of the folder's name, for whoever finds it.
    """
    _remove_leftovers(Path(gettempdir()))
    name = f"seiqa-{purpose}-{HOST}-{os.getpid()}-"
    with TemporaryDirectory(prefix=name, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _remove_leftovers(parent: Path) -> None:
    """Remove what processes of this machine left that have ended; what resists is ignored."""
    with suppress(OSError):
        for entry in list(os.scandir(parent)):
            found = _NAME.fullmatch(entry.name)
            if found and found["host"] == HOST and not is_running(int(found["pid"])):
                shutil.rmtree(entry.path, ignore_errors=True)
