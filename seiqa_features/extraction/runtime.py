"""Runtime: one device and the extractors built for it, each built once and kept.

It also binds a recipe to the weights on this machine before any image is decoded.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from seiqa_features.errors import DeviceError, SeiqaError, WeightsError
from seiqa_features.extraction.devices import existing_devices, limit_memory, require_float32
from seiqa_features.extractors.registry import get_extractor
from seiqa_features.extractors.specs import (
    Extract,
    Extractor,
    ExtractorSpec,
    Precision,
    Resources,
)
from seiqa_features.locks import forkable_lock
from seiqa_features.table.recipe import Recipe
from seiqa_features.threads import on_one_core
from seiqa_features.weights.files import DEFAULT_FOLDER, WeightFiles
from seiqa_features.weights.places import missing_message, reinstall, without_packages

GIGABYTE = 1e9

logger = logging.getLogger(__name__)

_building = forkable_lock()


class Runtime:
    """One device, detected when first needed, and the extractors that run on it.

    Parameters
    ----------
    weight_files : WeightFiles
        Finds the weights.
    device : str
        "cpu", "cuda", "cuda:<number>", several of these separated by commas, or "auto" for all
        available GPUs, else the CPU. This process uses the first; if there are several,
        `runner.extract` has Ray start a process for each.
    precision : str
        "float32"; "mixed": half precision for networks that are known to tolerate it (on a CPU
        bfloat16 only); or "auto": mixed on a GPU and float32 on a CPU.
    gpu_memory : float | None
        Limit in gigabytes on the GPU memory of a process, None for no limit.
    scratch : Path | None
        Folder for data worth keeping between runs, None for none.
    """

    def __init__(
        self,
        weight_files: WeightFiles,
        *,
        device: str = "cpu",
        precision: str = "auto",
        gpu_memory: float | None = None,
        scratch: Path | None = None,
    ) -> None:
        self.weight_files = weight_files
        self.precision = precision
        self.gpu_memory = gpu_memory
        self.scratch = scratch
        self._asked = str(device)  # a torch.device says the same
        self._built: dict[str, Extract] = {}

    @cached_property
    def devices(self) -> tuple[str, ...]:
        """The requested devices by their PyTorch names.

        Raises
        ------
        DeviceError
            One is not available.
        """
        if self._asked == "cpu":
            return ("cpu",)  # avoids PyTorch, which takes a second to import
        return existing_devices(self._asked)

    @cached_property
    def device(self) -> str:
        """The device used in this process for extractors with weights."""
        device = self.devices[0]
        if device != "cpu" and self.gpu_memory is not None:
            limit_memory(device, self.memory_ceiling)
        return device

    @cached_property
    def uses_gpu(self) -> bool:
        """Whether that device is a GPU; a process that prepares pictures for it need not ask."""
        return self.device != "cpu"

    @property
    def memory_ceiling(self) -> float:
        """Bytes of GPU memory that this process may use."""
        return float("inf") if self.gpu_memory is None else self.gpu_memory * GIGABYTE

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs to find its devices and build its extractors by itself."""
        found_here = ("device", "devices")
        kept = {name: value for name, value in self.__dict__.items() if name not in found_here}
        return {**kept, "_built": {}}

    def elsewhere(self) -> Runtime:
        """A copy with nothing built yet for a process with another folder and devices of its own.

        Whether it uses a GPU, and in which precision, is as here.
        """
        return Runtime(
            self.weight_files.elsewhere(),
            device="cpu" if self.device == "cpu" else "auto",
            precision=self.precision,
            gpu_memory=self.gpu_memory,
            scratch=self.scratch and self.scratch.absolute(),
        )

    def on_gpu(self, spec: ExtractorSpec) -> bool:
        """Whether the extractor runs on the GPU."""
        return spec.runs_on_gpu and self.uses_gpu

    def dtype(self, spec: ExtractorSpec) -> Precision:
        """The precision in which the extractor runs."""
        if not spec.weights or self.precision == "float32":
            return "float32"
        if self.device == "cpu":
            half = self.precision == "mixed" and spec.precision == "bfloat16"
            return "bfloat16" if half else "float32"
        return spec.precision

    def bind(
        self, recipe: Recipe, *, skip_unavailable: bool = False
    ) -> tuple[Recipe, dict[str, str]]:
        """The recipe with checksums and precision filled in, and the extractors left out.

        Missing weights are fetched, unless the user chose to continue without them.

        Returns
        -------
        tuple[Recipe, dict[str, str]]
            The bound recipe, and extractor → reason for each without weights (only with
            `skip_unavailable`).

        Raises
        ------
        WeightsError
            Weights are missing and cannot be fetched (all are listed), or have changed; or the
            package that contains them is missing or damaged.
        DeviceError
            The requested GPU does not exist.
        """
        if self._asked != "auto":
            _ = self.devices  # a device that was named must exist, whether or not it is needed
        needed = recipe.weights
        missing = self.weight_files.missing(needed)
        if missing and not skip_unavailable:
            if broken := [each for each in missing if each.package and not without_packages(each)]:
                raise WeightsError(*map(reinstall, broken))  # no hub has them
            try:
                self.weight_files.fetch(missing)
            except WeightsError as error:
                missing = self.weight_files.missing(needed)
                raise WeightsError(*missing_message(missing, needed, str(error))) from None
            missing = []
        unavailable: dict[str, str] = {}
        for weight in missing:
            for name in needed[weight]:
                unavailable[name] = self.weight_files.why_missing(weight)
        rest = recipe.without(unavailable)
        if not rest.blocks:
            raise WeightsError(*missing_message(missing, needed, "no feature is left without them"))
        checksums = {weight.name: self.weight_files.checksum(weight) for weight in rest.weights}
        return rest.bind(checksums, self.dtype), unavailable

    def work(self, name: str) -> Extract:
        """The extractor function, built on the first call.

        Raises
        ------
        WeightsError
            A file is damaged, differs from its recorded checksum, or belongs to another
            architecture.
        DeviceError
            The network does not fit in the GPU's memory.
        UsageError
            PyTorch makes tensors of another type than float32 by default.
        """
        require_float32()
        if name not in self._built:
            with _building:  # several threads may need the same one
                if name not in self._built:
                    self._built[name] = self._build(get_extractor(name))
        return self._built[name]

    def _build(self, entry: Extractor) -> Extract:
        files = {weight.name: self.weight_files.verified(weight) for weight in entry.spec.weights}
        device = self.device if self.on_gpu(entry.spec) else "cpu"
        # Some compute during construction: CLIP encodes the texts it compares pictures with.
        build = on_one_core(entry.build)
        logger.info("loading %s on %s", entry.spec.name, device)
        try:
            return build(Resources(device, files, self.scratch))
        except SeiqaError:
            raise
        except Exception as error:
            if type(error).__name__ == "OutOfMemoryError":
                raise DeviceError(
                    f"{entry.spec.name}: its network does not fit in the memory of {device}; free"
                    " some, raise --gpu-memory or use --device cpu"
                ) from None
            if not files:
                raise
            # Whatever the library reports for a truncated file or unknown tensor names.
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            paths = ", ".join(map(str, files.values()))
            raise WeightsError(
                f"{paths}: not usable as weights of {entry.spec.name} ({reason}); expected the"
                f" files of {', '.join(files)}"
            ) from error


def shared_runtime(
    device: str = "auto", weights: Path | str | Mapping[str, Path] | None = None
) -> Runtime:
    """The runtime shared by all callers with the same arguments, so networks are loaded once.

    Parameters
    ----------
    device : str
        See `Runtime`.
    weights : Path | str | Mapping[str, Path] | None
        Folder of pretrained weights, or files by `Weight.name` [the default folder].
    """
    if isinstance(weights, Mapping):
        return _shared(device, DEFAULT_FOLDER, tuple(sorted(weights.items())))
    return _shared(device, DEFAULT_FOLDER if weights is None else Path(weights), ())


@cache
def _shared(device: str, folder: Path, files: tuple[tuple[str, Path], ...]) -> Runtime:
    named = {name: Path(path) for name, path in files}
    return Runtime(WeightFiles(folder, named), device=device)
