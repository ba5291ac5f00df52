"""A second process that computes the features of one pair while this one loads the model.

PyTorch, which only features need, takes as long to import as everything that the model needs, and
Python imports one module at a time. The second process is a help and no more: whatever it cannot
do, this one does by itself, as for many pairs, and finds out what is wrong.
"""

from __future__ import annotations

import gc
import logging
import os
import pickle
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from subprocess import PIPE, Popen
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

    from seiqa_features.extraction.runtime import Runtime
    from seiqa_features.table.recipe import Recipe

_CODE = "import sys; sys.path[:] = {path}; from pipelines.loading.helper import _help; _help()"


@dataclass(frozen=True)
class Features:
    """Features of a pair: on which devices, after which bound recipe, and their one-row table."""

    devices: tuple[str, ...]
    recipe: Recipe
    table: pd.DataFrame


class Helper:
    """The second process, which imports PyTorch from now on."""

    def __init__(self, process: Popen[bytes]) -> None:
        self._process = process

    def ask(
        self,
        bundle: Path | None,
        pair: tuple[Image, Image],
        runtime: Runtime,
        workers: int | None,
    ) -> None:
        """Name what is to be computed: the features of a bundle's recipe, of two RGB pictures."""
        with suppress(OSError), cast(IO[bytes], self._process.stdin) as request:
            pickle.dump((bundle, pair, runtime, workers), request)

    def features(self, recipe: Recipe) -> pd.DataFrame | None:
        """The table of the pair's features after a bound recipe; None if there is no such one."""
        if self.answer is None or self.answer.recipe != recipe:
            return None
        return self.answer.table

    @cached_property
    def answer(self) -> Features | None:
        """What was found, once it is there; None if the process has failed."""
        with suppress(EOFError, pickle.UnpicklingError):
            features: Features = pickle.load(cast(IO[bytes], self._process.stdout))
            return features
        return None


@contextmanager
def helping() -> Iterator[Helper | None]:
    """Start the second process; None if this one has PyTorch, or no other can be started.

    With a second process, this one has to end soon: it collects no garbage, not even at its end,
    since looking for some in all imported modules takes a second.
    """
    code = _CODE.format(path=sys.path)
    try:
        if "torch" in sys.modules:
            raise OSError
        # In a group of its own: Ctrl+C is for this process, which then ends the other.
        process = Popen([sys.executable, "-c", code], stdin=PIPE, stdout=PIPE, process_group=0)
    except OSError:
        yield None
        return
    gc.disable()
    with process:
        try:
            yield Helper(process)
        finally:
            process.kill()
    gc.freeze()


def _help() -> None:
    """What the second process does; it ends when the first one has gone."""
    gc.disable()
    logging.disable()  # the first process says the same
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no part of the answer
    with ThreadPoolExecutor(1) as reader:
        request = reader.submit(sys.stdin.buffer.read)
        with suppress(Exception):
            import torch  # noqa: F401

            import seiqa_features.extraction.direct  # noqa: F401

            found = _features(*pickle.loads(request.result()))
            pickle.dump(found, answer)
            answer.flush()
        os._exit(0)  # without taking PyTorch down, which takes a quarter of a second


def _features(
    bundle: Path | None, pair: tuple[Image, Image], runtime: Runtime, workers: int | None
) -> Features:
    from seiqa_features.extraction.direct import compute_table, held
    from seiqa_features.remote.places import as_path
    from seiqa_features.table.recipe import Recipe
    from seiqa_models.inspection.manifest import BOXED, bundle_in, read_manifest

    manifest = read_manifest(BOXED if bundle is None else bundle_in(as_path(bundle)))
    recipe = Recipe.parse(manifest.recipe["features"])
    if runtime.weight_files.missing(recipe.weights):
        raise LookupError("what the user has to wait for is fetched by the process that they see")
    recipe, _ = runtime.bind(recipe)
    ref, dist = map(held, pair)
    workers = workers or os.cpu_count() or 1
    table, failures = compute_table({"0": (ref, dist)}, recipe, runtime, workers=workers)
    if failures:
        raise LookupError(*failures.values())
    return Features(runtime.devices, recipe, table)
