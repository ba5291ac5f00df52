"""Output files at paths given by the user, checked for writability before the work."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from seiqa_features.errors import OutputError, UsageError
from seiqa_features.files import reason, temporary_in


def require_writable(out: Path, *, inputs: Iterable[Path] = ()) -> None:
    """Fail before any work if a file cannot be written; the check leaves nothing behind.

    Parameters
    ----------
    inputs : Iterable[Path]
        What the command reads: the output must not replace it.

    Raises
    ------
    UsageError
        It is a folder, a device or one of the inputs, or its folder does not exist.
    OutputError
        The operating system does not allow it.
    """
    folder = out.absolute().parent
    try:
        if out.is_dir():
            raise UsageError(f"{out}: is a folder; name a file to write")
        if out.exists() and not out.is_file():
            raise UsageError(f"{out}: is no regular file; name another")
        if out.exists() and any(path.exists() and out.samefile(path) for path in inputs):
            raise UsageError(f"{out}: is what is read, and would be replaced; name another")
        if not folder.is_dir():
            raise UsageError(f"{out}: cannot be written, there is no folder {out.parent}")
        probe = temporary_in(folder)
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise cannot_write(out, error) from None


def cannot_write(out: Path, error: OSError) -> OutputError:
    """The error to raise for a failed attempt to write a file."""
    return OutputError(f"{out}: cannot be written ({reason(error)})")
