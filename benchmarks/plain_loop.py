"""What one would write without seiqa: pair after pair, metric after metric, straight library calls.

It decodes, resizes and calls as a careful user would: metrics are made once, autograd is off, torch
keeps its own number of threads. Only colour and Fourier features come from seiqa: no library has
them. The patch statistics that seiqa derives from its maps are left out, so the loop does less.

Values agree to rounding, with one exception: luma that lies half-way between two grey levels is
rounded up or down by chance of float32 or float64, which CW-SSIM, with no constant in its quotient,
shows as up to 2e-4 on night skies.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import piq
import pyiqa
import torch
from PIL import Image

from seiqa_features.extractors.common.tensors import grey
from seiqa_features.extractors.registry import get_extractor
from seiqa_features.extractors.specs import Resources
from seiqa_features.table.recipe import Recipe

Metric = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # (dist, ref) [1, 3, H, W] in 0..1
Values = dict[str, float]  # feature column → value


class PlainLoop:
    """The library calls that stand for a recipe.

    Attributes
    ----------
    seconds
        Extractor → seconds a pair that its calls took in the last run.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.seconds: dict[str, float] = {}
        self._calls = library_calls()
        missing = {block.spec.name for block in recipe.blocks} - self._calls.keys()
        if missing:
            raise ValueError(f"the plain loop has no call for {', '.join(sorted(missing))}; add it")

    def run(self, pairs: Sequence[tuple[Path, Path]]) -> list[Values]:
        """The recipe's values of (reference, degraded) picture files."""
        spent: defaultdict[str, float] = defaultdict(float)
        with torch.inference_mode():
            values = [self._pair(ref, dist, spent) for ref, dist in pairs]
        self.seconds = {name: seconds / len(pairs) for name, seconds in spent.items()}
        return values

    def _pair(self, ref_path: Path, dist_path: Path, spent: defaultdict[str, float]) -> Values:
        values: Values = {}
        ref_image = Image.open(ref_path).convert("RGB")
        dist_image = Image.open(dist_path).convert("RGB")
        for view in dict.fromkeys(block.view for block in self.recipe.blocks):
            size = view.resized(ref_image.size)
            ref, dist = _tensor(ref_image, size), _tensor(dist_image, size)
            for block in self.recipe.blocks:
                if block.view != view:
                    continue
                started = time.perf_counter()
                for output, call in self._calls[block.spec.name].items():
                    value = call(dist, ref)
                    if value.numel() == 1:
                        values[f"{block.name}__{output}"] = float(value)
                spent[block.spec.name] += time.perf_counter() - started
        return values


def library_calls() -> dict[str, dict[str, Metric]]:
    """Extractor → output → the call that gives it."""
    create = partial(pyiqa.create_metric, device="cpu")
    nlpd = create("nlpd")

    def nlpd_of_8_bit_luma(dist: torch.Tensor, ref: torch.Tensor) -> torch.Tensor:
        # As seiqa and the metric's authors have it; else the values could not be compared.
        value: torch.Tensor = nlpd(*(grey(x).expand(-1, 3, -1, -1) / 255 for x in (dist, ref)))
        return value

    return {
        "psnr": {"value": create("psnr")},
        "ssim": {"value": create("ssim"), "ms_value": create("ms_ssim")},
        "gms": {"gmsd": create("gmsd")},
        "cw_ssim": {"value": create("cw_ssim")},
        "vif": {"value": create("vif")},
        "nlpd": {"value": nlpd_of_8_bit_luma},
        "iw_ssim": {"value": piq.information_weighted_ssim},
        "fsim": {"value": partial(piq.fsim, chromatic=False), "chromatic": piq.fsim},
        "vif_p": {"value": piq.vif_p},
        "vsi": {"value": piq.vsi},
        "haarpsi": {"value": piq.haarpsi},
        "mdsi": {"value": piq.mdsi},
        "srsim": {"value": piq.srsim, "chromatic": partial(piq.srsim, chromatic=True)},
        # On 8-bit luma, as seiqa and the metric's authors have it.
        "dss": {"value": lambda dist, ref: piq.dss(grey(dist) / 255, grey(ref) / 255)},
        "colour": {"delta_e": _ours("colour", "delta_e")},
        "fourier": {"phase_mse": _ours("fourier", "phase_mse")},
    }


def _ours(extractor: str, output: str) -> Metric:
    """All of seiqa's extractor is computed; one output is kept to compare."""
    extract = get_extractor(extractor).build(Resources())
    index = torch.zeros(1, dtype=torch.int64)
    return lambda dist, ref: extract(ref=ref, dist=dist, ref_index=index)[output]


def _tensor(image: Image.Image, size: tuple[int, int]) -> torch.Tensor:
    if image.size != size:
        image = image.resize(size, Image.Resampling.BICUBIC)
    return torch.from_numpy(np.asarray(image).transpose(2, 0, 1)[None].astype(np.float32) / 255)
