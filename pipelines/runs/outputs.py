"""Output files at paths given by the user, checked for writability before the work."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from seiqa_features.errors import OutputError, UsageError
from seiqa_features.files import reason, temporary_in


def require_writable(out: Path) -> None:
    """Fail before any work if a file cannot be written; the check leaves nothing behind.

    Raises
    ------
    UsageError
        It is a folder or a device, or its folder does not exist.
    OutputError
        The operating system does not allow it.
    """
    folder = out.absolute().parent
    try:
        if out.is_dir():
            raise UsageError(f"{out}: is a folder; name a file to write")
        if out.exists() and not out.is_file():
            raise UsageError(f"{out}: is no regular file; name another")
        if not folder.is_dir():
            raise UsageError(f"{out}: cannot be written, there is no folder {out.parent}")
        probe = temporary_in(folder)
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise cannot_write(out, error) from None


def require_folder(folder: Path, *, files: Iterable[str], folders: Iterable[str]) -> None:
    """Create a folder for results if needed; fail before any work if it cannot hold them.

    Parameters
    ----------
    files, folders : Iterable[str]
        Results to be written to it, by their paths within it.

    Raises
    ------
    UsageError
        It is a file, or lies in one; or something else has the name of a result.
    OutputError
        The operating system does not allow it.
    """
    try:
        for place in (folder, *folder.parents):
            if place.exists() and not place.is_dir():
                raise UsageError(f"{place}: is no folder; name another place for the results")
        for place in (folder / name for name in files):
            if place.is_dir():
                raise UsageError(f"{place}: is a folder; remove it or name another place")
        for place in (folder / name for name in folders):
            if place.exists() and not place.is_dir():
                raise UsageError(f"{place}: is no folder; remove it or name another place")
        folder.mkdir(parents=True, exist_ok=True)
        probe = temporary_in(folder)
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise cannot_write(folder, error) from None


def cannot_write(out: Path, error: OSError) -> OutputError:
    """The error to raise for a failed attempt to write a file."""
    return OutputError(f"{out}: cannot be written ({reason(error)})")
