"""What the command line says of an error that is not about the user's input."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor

SIGNS = (
    "failed to map segment",  # the loader, of a library
    "cannot allocate memory",  # the kernel
    "can't allocate memory",  # PyTorch
    "bad_alloc",  # libraries in C++
    "can't start new thread",
)
"""How a lack of memory is told where it is no MemoryError."""

LIBRARIES = 6
"""Gigabytes of addresses that PyTorch and the other libraries need at most: with 4.4 they could not
be loaded, with 5.3 only in some runs (measured on two cores)."""


def described(error: Exception) -> str:
    """One line: too little memory, where that is the cause, or a request to report the error."""
    said = " ".join(str(error).split()) or "no message"
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    limited = limit != resource.RLIM_INFINITY
    if not _lacks_memory(error, limited=limited):
        what = f"unexpected {type(error).__name__}: {said}"
        return f"{what}; seiqa -v … shows where: please report it"
    what_to_do = (
        f"this process may have {limit / 1e9:.1f} GB of addresses (ulimit -v), and the libraries"
        f" alone need up to {LIBRARIES}: raise the limit"
        if limited
        else "end other programs, or use fewer --workers"
    )
    return f"the memory does not suffice ({said}): {what_to_do}"


def _lacks_memory(error: Exception, *, limited: bool) -> bool:
    """Whether the error, or what led to it, is a lack of memory.

    Once a library could not be loaded, the next errors no longer tell why: that it cannot be loaded
    twice, or that a pool of threads is broken. Without a limit they have other causes.
    """
    return any(
        isinstance(cause, MemoryError)
        or (limited and isinstance(cause, ImportError | BrokenExecutor))
        or any(sign in str(cause).lower() for sign in SIGNS)
        for cause in _causes(error)
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
