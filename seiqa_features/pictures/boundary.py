"""The boundary around decoders: errors become one line each, and warnings are silenced.

Pillow, its plugins and tifffile raise a dozen unrelated errors on damaged files (`struct.error`,
`SyntaxError`, `RuntimeError`, `OverflowError`, `KeyError`, …), so here, and only here, all
exceptions are caught.
"""

from __future__ import annotations

import ctypes
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from PIL import Image, UnidentifiedImageError, _imaging

from seiqa_features.errors import DataError, SeiqaError
from seiqa_features.files import reason
from seiqa_features.locks import forkable_lock


@contextmanager
def refusing(name: str) -> Iterator[None]:
    """Turn any error with a picture into one line.

    Parameters
    ----------
    name : str
        Name of the picture in errors.

    Raises
    ------
    DataError
        A decoder raised an exception.
    """
    try:
        with _muted:
            yield
    except SeiqaError:
        raise
    except Image.DecompressionBombError:
        most = Image.MAX_IMAGE_PIXELS  # Pillow itself refuses above twice as many
        why = f"too many pixels; expected at most {most}; scale it down"
        raise DataError([f"{name}: {why}"]) from None
    except MemoryError:
        raise DataError([f"{name}: needs more memory than there is; scale it down"]) from None
    except UnidentifiedImageError:  # its message is about the object that was opened
        raise damaged(name, "its header is invalid") from None
    except Exception as error:  # see module docstring
        raise damaged(name, reason(error)) from None


INSTALL = "pip install 'seiqa[formats]'"


def needs(name: str, what: str, package: str) -> DataError:
    """The error for a kind of picture whose package is not installed."""
    return DataError([f"{name}: {what} needs the package {package}: {INSTALL}"])


def damaged(name: str, why: str) -> DataError:
    """The error for a file that was damaged after it was written."""
    return DataError([f"{name}: damaged or truncated image ({why}); copy it again"])


_MODULES = r"PIL\b|pillow_|tifffile\b"
_LOGGERS = ("PIL", "tifffile")


class _Muted:
    """Silences warnings and logs of decoders on all threads while any decoder is running.

    `warnings.catch_warnings` alone changes the filters of the whole process: two threads that
    leave it in a different order from entering it would restore the wrong filters.
    """

    def __init__(self) -> None:
        self._lock = forkable_lock()
        self._inside = 0
        self._filters = warnings.catch_warnings()
        self._levels: dict[str, int] = {}
        _silence_libtiff()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.filterwarnings("ignore", module=_MODULES)
                self._levels = {name: logging.getLogger(name).level for name in _LOGGERS}
                for name in _LOGGERS:
                    logging.getLogger(name).setLevel(logging.CRITICAL + 1)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._filters.__exit__(None, None, None)
                for name, level in self._levels.items():
                    logging.getLogger(name).setLevel(level)


def _silence_libtiff() -> None:
    """Keep libtiff, if it is a separate library, from printing to stderr what Pillow raises."""
    with suppress(OSError, AttributeError):
        set_handler = ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler
        set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
        set_handler(None)


_muted = _Muted()
