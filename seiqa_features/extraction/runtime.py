"""Runtime: one device and the extractors built for it, each built once and kept.

It also binds a recipe to the weights on this machine, before any image is decoded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from seiqa_features.errors import DeviceError, SeiqaError, WeightsError
from seiqa_features.extractors.registry import get_extractor
from seiqa_features.extractors.specs import Extract, ExtractorSpec, Precision, Resources, Weight
from seiqa_features.table.recipe import Recipe
from seiqa_features.weights.files import WeightFiles

GIGABYTE = 1e9


class Runtime:
    """One device, looked for when it is first needed, and what runs on it.

    Parameters
    ----------
    weight_files : WeightFiles
        Where weights are found.
    device : str
        "cpu", "cuda", "cuda:<number>", several of these with commas, or "auto" for every
        GPU there is, else the CPU. This process works on the first; `runner.extract` starts a
        process for each where there are several.
    precision : str
        "float32"; "mixed", networks in half precision where they are known to tolerate it
        (on a CPU bfloat16 only); or "auto", mixed on a GPU and float32 on a CPU.
    gpu_memory : float | None
        Limit in gigabytes on a process's GPU memory, None for no limit.
    scratch : Path | None
        Folder for what is worth keeping between runs, None for none.
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
        self._asked = device
        self._built: dict[str, Extract] = {}

    @cached_property
    def devices(self) -> tuple[str, ...]:
        """The devices asked for, as PyTorch names them.

        Raises
        ------
        DeviceError
            One is not there.
        """
        if self._asked == "cpu":
            return ("cpu",)  # without PyTorch, which takes a second to import
        return _existing_devices(self._asked)

    @cached_property
    def device(self) -> str:
        """The one that extractors with weights run on in this process."""
        device = self.devices[0]
        if device != "cpu" and self.gpu_memory is not None:
            _limit_memory(device, self.memory_ceiling)
        return device

    @property
    def memory_ceiling(self) -> float:
        """Bytes of the GPU's memory that this process may take."""
        return float("inf") if self.gpu_memory is None else self.gpu_memory * GIGABYTE

    def only(self, device: str) -> Runtime:
        """The same on one device, with nothing built yet: what a process of its own starts with."""
        return Runtime(
            self.weight_files,
            device=device,
            precision=self.precision,
            gpu_memory=self.gpu_memory,
            scratch=self.scratch,
        )

    def on_gpu(self, spec: ExtractorSpec) -> bool:
        """Whether the extractor runs on the GPU; those without weights stay on the CPU."""
        return bool(spec.weights) and self.device != "cpu"

    def dtype(self, spec: ExtractorSpec) -> Precision:
        """The arithmetic in which the extractor runs."""
        if not spec.weights or self.precision == "float32":
            return "float32"
        if self.device == "cpu":
            half = self.precision == "mixed" and spec.precision == "bfloat16"
            return "bfloat16" if half else "float32"
        return spec.precision

    def bind(
        self, recipe: Recipe, *, skip_unavailable: bool = False
    ) -> tuple[Recipe, dict[str, str]]:
        """The recipe with checksums and arithmetic filled in, and what it had to leave out.

        Missing weights are fetched, unless the user chose to go on without them.

        Returns
        -------
        tuple[Recipe, dict[str, str]]
            The bound recipe, and extractor → reason for each that lacks its weights (only with
            `skip_unavailable`).

        Raises
        ------
        WeightsError
            Weights are missing and cannot be fetched (all of them named at once),
            or changed.
        DeviceError
            The GPU asked for is not there.
        """
        needed = recipe.weights
        missing = self.weight_files.missing(needed)
        if missing and not skip_unavailable:
            try:
                self.weight_files.fetch(missing)
            except WeightsError as error:
                missing = self.weight_files.missing(needed)
                raise WeightsError(*_missing_message(missing, needed, str(error))) from None
            missing = []
        unavailable: dict[str, str] = {}
        for weight in missing:
            for name in needed[weight]:
                unavailable[name] = f"weights {weight.name} are missing"
        rest = recipe.without(unavailable)
        if not rest.blocks:
            raise WeightsError(
                *_missing_message(missing, needed, "no feature is left without them")
            )
        checksums = {weight.name: self.weight_files.checksum(weight) for weight in rest.weights}
        return rest.bind(checksums, self.dtype), unavailable

    def work(self, name: str) -> Extract:
        """The extractor's work, built on the first call.

        Raises
        ------
        WeightsError
            A file is damaged, not what was recorded, or of another architecture.
        """
        if name not in self._built:
            entry = get_extractor(name)
            files = {
                weight.name: self.weight_files.verified(weight) for weight in entry.spec.weights
            }
            device = self.device if self.on_gpu(entry.spec) else "cpu"
            try:
                self._built[name] = entry.build(Resources(device, files, self.scratch))
            except SeiqaError:
                raise
            except Exception as error:
                if not files:
                    raise
                # Whatever the library says of a truncated file or of foreign tensor names.
                reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
                paths = ", ".join(map(str, files.values()))
                raise WeightsError(
                    f"{paths}: not usable as weights of {name} ({reason}); expected the files of"
                    f" {', '.join(files)}"
                ) from error
        return self._built[name]


def _existing_devices(asked: str) -> tuple[str, ...]:
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if asked == "auto":
        return tuple(f"cuda:{number}" for number in range(count)) or ("cpu",)
    return tuple(_existing_device(name.strip(), count) for name in asked.split(","))


def _existing_device(name: str, count: int) -> str:
    if name == "cpu":
        return name
    match = re.fullmatch(r"cuda(?::(\d+))?", name)
    if match is None:
        raise DeviceError(f"device {name!r} is unknown; expected auto, cpu, cuda or cuda:<number>")
    number = int(match[1] or 0)
    if number >= count:
        raise DeviceError(
            f"device {name}: not there, PyTorch sees {count} GPUs; use --device cpu, or fix the"
            " driver"
        )
    return f"cuda:{number}"


def _limit_memory(device: str, ceiling: float) -> None:
    import torch

    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, ceiling / total), torch.device(device))


def _missing_message(
    missing: Sequence[Weight], needed: Mapping[Weight, Sequence[str]], reason: str
) -> list[str]:
    total = sum(weight.megabytes for weight in missing)
    return [
        f"weights are missing: {len(missing)} files, {total} MB; {reason}",
        *(
            f"{weight.name}  {weight.megabytes} MB  for {', '.join(needed[weight])}"
            for weight in missing
        ),
        "with a network, `seiqa weights fetch` (same --config) gets them once; without one,"
        " --config classical (make … CONFIG=classical) needs none, and --skip-unavailable goes"
        " on without these",
    ]
