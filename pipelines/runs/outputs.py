"""Output files at paths given by the user: checked before the work, written row by row."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from seiqa_features.errors import OutputError, UsageError
from seiqa_features.files import reason
from seiqa_features.remote.paths import RemotePath
from seiqa_features.tabular.inert import inert_csv
from seiqa_features.writing import replacing, temporary_in


def require_writable(out: Path, *, inputs: Collection[Path] = ()) -> None:
    """Fail before any work if a file cannot be written; the check leaves nothing behind.

    Parameters
    ----------
    inputs : Collection[Path]
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
        if isinstance(out, RemotePath):  # whoever may not write learns it only from writing
            if out in inputs:
                raise UsageError(f"{out}: is an input and would be replaced; name another")
            out.mkdir()
            return
        if out.is_dir():
            raise UsageError(f"{out}: is a folder; name a file to write")
        if out.exists() and not out.is_file():
            raise UsageError(f"{out}: is not a regular file; name another")
        read = [path for path in inputs if not isinstance(path, RemotePath) and path.exists()]
        if out.exists() and any(out.samefile(path) for path in read):
            raise UsageError(f"{out}: is an input and would be replaced; name another")
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
                raise UsageError(f"{place}: is not a folder; name another place for the results")
        for place in (folder / name for name in files):
            if place.is_dir():
                raise UsageError(f"{place}: is a folder; remove it or name another place")
        for place in (folder / name for name in folders):
            if place.exists() and not place.is_dir():
                raise UsageError(f"{place}: is not a folder; remove it or name another place")
        folder.mkdir(parents=True, exist_ok=True)
        probe = temporary_in(folder)
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise cannot_write(folder, error) from None


def cannot_write(out: Path, error: OSError) -> OutputError:
    """The error to raise for a failed attempt to write a file."""
    return OutputError(f"{out}: cannot be written ({reason(error)})")


class RowFile:
    """A file of rows that is written as they come, in the format that its name says.

    They go to a temporary file, which gets the file's name, all or nothing, when the block ends.
    Every portion must have the same columns, of the same types.

    Raises
    ------
    OutputError
        The file cannot be written.
    """

    def __init__(self, out: Path) -> None:
        self._out, self._whole = out, replacing(out)

    def __enter__(self) -> RowFile:
        with _writing(self._out):
            self._file = FORMATS[self._out.suffix.lower()](self._whole.__enter__())
        return self

    def add(self, rows: pd.DataFrame) -> None:
        """Write some more rows."""
        with _writing(self._out):
            self._file.add(rows)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        with _writing(self._out):
            self._file.close()
            self._whole.__exit__(kind, error, trace)


class _Csv:
    """CSV in which no cell is a formula."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")

    def add(self, rows: pd.DataFrame) -> None:
        self._file.write(inert_csv(rows, header=self._file.tell() == 0))

    def close(self) -> None:
        self._file.close()


class _Json(_Csv):
    """One list of objects; undefined values are null."""

    def add(self, rows: pd.DataFrame) -> None:
        records = rows.astype(object).where(rows.notna(), None).to_dict("records")
        text = json.dumps(records, indent=1, ensure_ascii=False, allow_nan=False)
        self._file.write(("," if self._file.tell() else "[") + text[1:-2])

    def close(self) -> None:
        self._file.write("\n]\n")
        super().close()


class _Parquet:
    """A row group for every portion."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: pq.ParquetWriter | None = None

    def add(self, rows: pd.DataFrame) -> None:
        if self._file is None:
            self._file = pq.ParquetWriter(self._path, pa.Schema.from_pandas(rows, False))
        table = pa.Table.from_pandas(rows, self._file.schema, preserve_index=False)
        self._file.write_table(table)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


FORMATS: dict[str, type[_Csv | _Parquet]] = {".csv": _Csv, ".json": _Json, ".parquet": _Parquet}


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise cannot_write(out, error) from None
