"""Ray clusters: the choice of one, and the connection to it."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from seiqa_features.errors import ClusterError

PATIENCE = 5.0
"""Seconds to wait for an answer from the cluster's address."""

VISIBLE = "CUDA_VISIBLE_DEVICES"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster.

    Attributes
    ----------
    address : str | None
        "host:port", "auto" for the cluster that this machine belongs to, or None for one of this
        machine alone, for the duration of a run.
    gpus : tuple[str, ...]
        GPUs of this machine to use, by their numbers, if not all of them.
    """

    address: str | None = None
    gpus: tuple[str, ...] = ()


def this_machine(devices: Sequence[str]) -> Cluster | None:
    """This machine as a cluster that uses several devices; None, with a warning, without Ray.

    Parameters
    ----------
    devices : Sequence[str]
        PyTorch's names.
    """
    if find_spec("ray") is None:
        logger.warning(
            "only %s of %d devices is used; Ray (pip install 'seiqa[cluster]') uses all of them",
            devices[0],
            len(devices),
        )
        return None
    numbers = [device.partition(":")[2] for device in devices]
    visible = os.environ.get(VISIBLE)
    there = visible.split(",") if visible else None  # PyTorch counts only these
    return Cluster(gpus=tuple(there[int(n)] if there else n for n in numbers if n))


@contextmanager
def connected(cluster: Cluster) -> Iterator[None]:
    """A connection to the cluster, unless there is one: then that is used, and stays.

    Raises
    ------
    ClusterError
        See `require_answer`; or Ray cannot use the cluster.
    """
    # Else Ray's core prints, for every actor, what would happen if this process ended.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    require_answer(cluster)
    import ray

    if ray.is_initialized():
        yield
        return
    own: dict[str, Any] = {} if cluster.address else {"include_dashboard": False}
    try:
        with _visible(cluster.gpus), signal_kept(signal.SIGTERM):
            ray.init(
                cluster.address or "local",
                log_to_driver=False,
                logging_level=logging.ERROR,
                **own,
            )
    except Exception as error:  # of no class of its own where a node is too slow to start
        said = " ".join(str(error).split())[:300]
        same = "; its token (RAY_AUTH_TOKEN) and Ray's version have to be the same here"
        raise ClusterError(
            f"Ray cluster {cluster.address or 'of this machine'}: cannot be used ({said})"
            f"{same if cluster.address else ''}"
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def signal_kept(number: signal.Signals) -> Iterator[None]:
    """Restore the handler of a signal, which Ray replaces permanently by one of its own."""
    before = signal.getsignal(number)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(number, before)


@contextmanager
def _visible(gpus: Sequence[str]) -> Iterator[None]:
    """Let Ray see only some of this machine's GPUs when it starts."""
    before = os.environ.get(VISIBLE)
    if gpus:
        os.environ[VISIBLE] = ",".join(gpus)
    try:
        yield
    finally:
        if before is not None:
            os.environ[VISIBLE] = before
        elif gpus:
            del os.environ[VISIBLE]


def require_answer(cluster: Cluster) -> None:
    """Fail at once where Ray itself would keep trying for minutes.

    Raises
    ------
    ClusterError
        Ray is not installed, the address is not valid, or nothing answers there.
    """
    if find_spec("ray") is None:
        raise ClusterError(
            "engine ray: Ray is not installed; install seiqa with the extra cluster:"
            " pip install 'seiqa[cluster]'"
        )
    address = cluster.address
    if address is None or address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit():
        raise ClusterError(f"--ray-address {address}: expected host:port, such as 10.0.0.1:6379")
    try:
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"--ray-address {address}: nobody answers ({error}); start the cluster with `ray start"
            " --head`, or give the address that it prints"
        ) from None
