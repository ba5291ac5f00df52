"""What the errors of object stores mean, as those of files: a number, a reason, and the URI."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

_CODE = r"(?P<code>\w+(?: \(HTTP status \d+\))?)"
_AWS = re.compile(rf"AWS Error {_CODE} during \w+ operation: (?P<said>.*)")
_REQUEST = re.compile(r" *\(Request ID: .*")
_ABSENT = frozenset({"NO_SUCH_BUCKET", "NO_SUCH_KEY", "RESOURCE_NOT_FOUND"})
_SILENT = "NETWORK_CONNECTION"
_DENIED = re.compile(r"ACCESS|SIGNATURE|TOKEN|AUTH|HTTP (status|response code:) 40[13]")

_GOOGLE = re.compile(
    r"google::cloud::Status\((?P<code>[A-Z_]+): (?:.*? with a last message of )?"
    r"(?P<said>.*?)(?: error_info=|\)$)"
)
_NETWORK = re.compile(r"CURL error \[\d+\]=(?P<why>.*)")
_NO_TOKEN = re.compile(r"OAuth2 access token.* error message was: (?P<why>.*)")

NO_BUCKET = "there is no such bucket"


@contextmanager
def explained(uri: object, absent: str = "no such file") -> Iterator[None]:
    """Errors of pyarrow as those of files: a number, one line of reason, and the URI.

    Parameters
    ----------
    absent : str
        What it means that something does not exist, where the store does not say what.

    Raises
    ------
    FileNotFoundError
        The object or its bucket does not exist.
    PermissionError
        The store refuses.
    OSError
        It fails or does not answer.
    """
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise _error(error, str(uri), absent) from None


def _error(error: Exception, uri: str, absent: str) -> OSError:
    said = " ".join(str(error).split())
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, absent, uri)
    if (found := _GOOGLE.search(said)) is not None:
        return _of_google(error, found["code"], found["said"], uri)
    if (found := _AWS.search(said)) is None:
        return OSError(errno.EIO, said, uri)
    code, why = found["code"], _REQUEST.sub("", found["said"])
    if code in _ABSENT:
        what = NO_BUCKET if code == "NO_SUCH_BUCKET" else absent
        return FileNotFoundError(errno.ENOENT, what, uri)
    if code == _SILENT:
        return _silent(why, uri)
    return _denied(code, uri) if _DENIED.search(f"{code} {why}") else _failed(code, why, uri)


def _of_google(error: Exception, code: str, said: str, uri: str) -> OSError:
    network = _NETWORK.search(said)
    if (token := _NO_TOKEN.search(said)) is not None:
        why = (network or token)["why"].rstrip(".")
        why = f"no credentials ({why}): check GOOGLE_APPLICATION_CREDENTIALS"
        return PermissionError(errno.EACCES, why, uri)
    if isinstance(error, PermissionError):
        return _denied(code, uri)
    return _failed(code, said, uri) if network is None else _silent(network["why"], uri)


def _silent(why: str, uri: str) -> OSError:
    return OSError(errno.EIO, f"the object store does not answer: {why}", uri)


def _denied(code: str, uri: str) -> OSError:
    why = f"access denied ({code}): check the credentials and what they allow"
    return PermissionError(errno.EACCES, why, uri)


def _failed(code: str, why: str, uri: str) -> OSError:
    return OSError(errno.EIO, f"the object store failed ({code}): {why}", uri)
