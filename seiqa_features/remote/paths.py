"""Paths in an object store, with the methods of `pathlib.Path` that read, list and write.

The code that gets such a path need not know where bytes are. What would open it by its name cannot:
wherever the operating system is asked for it, one line says that a local path is expected.

Objects are written whole and become visible with the last byte: a PUT, or the completion of a
multipart upload. Folders are only common beginnings of names.
"""

from __future__ import annotations

import errno
import fnmatch
import io
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path, PosixPath
from typing import IO, Any, BinaryIO, NoReturn

import pyarrow as pa
from pyarrow import fs

from seiqa_features.errors import UsageError
from seiqa_features.remote.failures import NO_BUCKET, explained
from seiqa_features.remote.ranges import Ranges
from seiqa_features.remote.stores import as_stat, file_system, info_of, infos_below

BUFFER = 2**20  # bytes asked for at once when parts of an object are read


class RemotePath(PosixPath):
    """A file or folder in an object store.

    It stays one under `/`, `parent` and the other operations on paths. `str` is its URI.
    """

    def __str__(self) -> str:
        first, *rest = self.parts or (".",)
        return f"{first}//{'/'.join(rest)}" if first.endswith(":") else "/".join((first, *rest))

    def as_posix(self) -> str:
        """The URI."""
        return str(self)

    def __fspath__(self) -> NoReturn:
        raise UsageError(f"{self}: expected a local path here; copy it to a local folder")

    @property
    def bucket(self) -> str:
        """The bucket."""
        return self.parts[1] if len(self.parts) > 1 else ""

    @property
    def key(self) -> str:
        """Bucket and name, as pyarrow wants them."""
        return "/".join(self.parts[1:])

    @property
    def store(self) -> fs.FileSystem:
        """The file system it is in."""
        return file_system(self.parts[0].removesuffix(":"), self.bucket)

    def absolute(self) -> RemotePath:
        """Itself: every URI is absolute."""
        return self

    def resolve(self, strict: bool = False) -> RemotePath:  # noqa: ARG002
        """Itself: there are no links."""
        return self

    def is_symlink(self) -> bool:
        """Never."""
        return False

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:  # noqa: ARG002
        """Kind, size and time of the last change; zeros for the rest.

        Raises
        ------
        FileNotFoundError
            There is neither an object nor a folder of that name.
        OSError
            The store refuses, fails or does not answer, however often it was asked.
        """
        found = self._info()
        if found.type == fs.FileType.NotFound:
            raise FileNotFoundError(errno.ENOENT, "no such file", str(self))
        return as_stat(found)

    def exists(self, **_: Any) -> bool:
        """Whether there is an object or a folder of that name; raises as `stat` otherwise."""
        return bool(self._info().type != fs.FileType.NotFound)

    def is_file(self, **_: Any) -> bool:
        """Whether it is an object; raises as `exists`."""
        return bool(self._info().type == fs.FileType.File)

    def is_dir(self, **_: Any) -> bool:
        """Whether there are objects below it; raises as `exists`."""
        return bool(self._info().type == fs.FileType.Directory)

    def _info(self) -> fs.FileInfo:
        with explained(self):
            return info_of(self.store, self.key)

    def iterdir(self) -> Generator[RemotePath, None, None]:
        """What is directly below it."""
        for found in self._list(recursive=False):
            yield self._named(found)

    def glob(self, pattern: str) -> Generator[RemotePath, None, None]:
        """The paths below it that match, part by part; `**` is not known."""
        wanted = pattern.split("/")
        for found in self._list(recursive=len(wanted) > 1):
            path = self._named(found)
            parts = path.parts[len(self.parts) :]
            if len(parts) == len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted)):
                yield path

    def files(self) -> list[RemotePath]:
        """All objects below it, however deep, sorted."""
        found = self._list(recursive=True)
        return sorted(self._named(info) for info in found if info.type == fs.FileType.File)

    def walk(
        self, onerror: Callable[[OSError], None]
    ) -> Iterator[tuple[RemotePath, list[str], list[str]]]:
        """As `os.walk`: folders, and the names of the folders and files in them."""
        try:
            found = self._list(recursive=False)
        except OSError as error:
            onerror(error)
            return
        folders = [info.base_name for info in found if info.type == fs.FileType.Directory]
        yield self, folders, [i.base_name for i in found if i.type == fs.FileType.File]
        for name in folders:
            yield from (self / name).walk(onerror)

    def _list(self, *, recursive: bool) -> list[fs.FileInfo]:
        with explained(self):
            return infos_below(self.store, self.key, recursive=recursive)

    def _named(self, info: fs.FileInfo) -> RemotePath:
        return type(self)(f"{self.parts[0]}//{info.path}")

    def open(  # type: ignore[override]
        self, mode: str = "r", *_: Any, encoding: str | None = None, **__: Any
    ) -> IO[Any]:
        """The content, read whole, to read from.

        Raises
        ------
        OSError
            It cannot be read; or `mode` asks to write, which `write_bytes` does.
        """
        if mode not in ("r", "rt", "rb"):
            why = "objects are written whole, with write_bytes"
            raise OSError(errno.EOPNOTSUPP, why, str(self))
        content = io.BytesIO(self.read_bytes())
        return content if "b" in mode else io.TextIOWrapper(content, encoding or "utf-8")

    def read_bytes(self) -> bytes:
        """The content; raises as `stat`."""
        with explained(self), self.store.open_input_stream(self.key, compression=None) as file:
            return bytes(file.read())

    def read_text(self, encoding: str | None = None, *_: Any, **__: Any) -> str:
        """The content as text, by default UTF-8; raises as `stat`."""
        return self.read_bytes().decode(encoding or "utf-8")

    def ranges(self) -> BinaryIO:
        """To read parts of the content; raises as `stat`, then and later."""
        return io.BufferedReader(Ranges(str(self), self.store, self.key), BUFFER)

    def write_bytes(self, data: Any) -> int:
        """Write an object; one that is there is replaced.

        Raises
        ------
        OSError
            It cannot be written; what was there is kept.
        """
        with explained(self, absent=NO_BUCKET):
            file = self.store.open_output_stream(self.key, compression=None)
            file.write(data)
            file.close()
        return len(data)

    def write_text(self, data: str, *_: Any, **__: Any) -> int:
        """Write an object with UTF-8 text; raises as `write_bytes`."""
        return self.write_bytes(data.encode())

    def upload(self, file: Path) -> None:
        """Write a local file's content; raises as `write_bytes`."""
        if file.stat().st_size == 0:  # cannot be mapped
            self.write_bytes(b"")
            return
        with pa.memory_map(str(file)) as content:
            self.write_bytes(content.read_buffer())

    def copy_to(self, target: RemotePath) -> None:
        """Copy an object within the store; raises as `stat`."""
        with explained(self):
            self.store.copy_file(self.key, target.key)

    def rename(self, target: Any) -> RemotePath:
        """Copy an object and remove it: not atomic, but never absent."""
        self.copy_to(target)
        self.unlink()
        return type(self)(target)

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove an object; raises as `stat`."""
        try:
            with explained(self):
                self.store.delete_file(self.key)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def remove_tree(self) -> None:
        """Remove everything below it; raises as `stat`."""
        try:
            with explained(self):
                self.store.delete_dir(self.key)
        except FileNotFoundError:  # Google's store also misses an object for the folder itself
            if self.files():
                raise

    def mkdir(self, *_: Any, **__: Any) -> None:
        """Nothing has to be made, but the bucket must be there.

        Raises
        ------
        OSError
            There is no such bucket, or the store refuses or does not answer.
        """
        with explained(self):
            found = info_of(self.store, self.bucket)
        if found.type == fs.FileType.NotFound:
            raise FileNotFoundError(errno.ENOENT, NO_BUCKET, str(self))
