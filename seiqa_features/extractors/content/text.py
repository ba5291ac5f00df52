"""Text recognised in both pictures: a price that changed, a word that was lost or invented.

Text is read by RapidOCR (PP-OCR on onnxruntime), whose package contains its networks, so that it
works offline. Both packages come with the extra `content`. onnxruntime reports its use to Microsoft
unless it is told not to before it is imported; it is told here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from seiqa_features.extractors.content.comparing import comparing
from seiqa_features.extractors.registry import register
from seiqa_features.extractors.specs import (
    Extra,
    Extract,
    Extractor,
    ExtractorSpec,
    Output,
    Resources,
    Weight,
)

if TYPE_CHECKING:
    import torch

CONTENT = Extra("content", ("rapidocr", "onnxruntime"))


def _model(file: str, megabytes: int, sha256: str) -> Weight:
    return Weight(
        f"rapidocr/{file}",
        f"package:rapidocr/rapidocr/models/{file}.onnx",
        megabytes,
        "apache-2.0",
        sha256=sha256,
        extra=CONTENT,
    )


WEIGHTS = {
    "Det": _model(
        "PP-OCRv6_det_small",
        10,
        "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
    ),
    "Cls": _model(
        "ch_ppocr_mobile_v2.0_cls_mobile",
        1,
        "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c",
    ),
    "Rec": _model(
        "PP-OCRv6_rec_small",
        21,
        "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
    ),
}
"""Networks by RapidOCR's step names: finding lines, turning them upright, reading them."""

SPEC = ExtractorSpec(
    name="text",
    version=1,
    outputs={
        "characters_ref": Output(),
        "characters_dist": Output(),
        "edit_distance": Output(identity=0.0, better="lower"),
        "similarity": Output(identity=1.0, symmetric=True, better="higher"),
        "words_lost": Output(identity=0.0, better="lower"),
        "words_invented": Output(identity=0.0, better="lower"),
    },
    colour="RGB",
    libraries=("rapidocr", "onnxruntime", "opencv-python-headless"),
    licence="MIT (ours), Apache-2.0 (RapidOCR)",
    source="reading: PP-OCRv6 by RapidOCR; edit distance: Levenshtein, 1966",
    cost=2.5,
    weights=tuple(WEIGHTS.values()),
    precision="float32",
    gpu="no",
    gpu_note="onnxruntime reads on the CPU",
)

Read = Callable[["torch.Tensor"], list[str]]
"""Returns the lines of text in a picture RGB 0..1 [3, H, W], in reading order."""


def build(resources: Resources) -> Extract:
    """The extractor function: each picture is read once, whatever else is in the batch."""
    from seiqa_features.extractors.content.words import compare_texts

    return comparing(_reader(resources), compare_texts, SPEC.outputs)


def _reader(resources: Resources) -> Read:
    """A thread-safe reader: engines keep state while reading, so each thread takes an idle one."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    from rapidocr import RapidOCR

    engine_options = {
        "Global.log_level": "critical",
        "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        **{
            f"{step}.model_path": str(resources.weights[weight.name])
            for step, weight in WEIGHTS.items()
        },
    }
    idle: list[Any] = [RapidOCR(params=engine_options)]

    def read(image: torch.Tensor) -> list[str]:
        pixels = image.mul(255).round().byte().permute(1, 2, 0).flip(2)  # OpenCV's BGR
        try:
            engine = idle.pop()
        except IndexError:
            engine = RapidOCR(params=engine_options)
        try:
            found = engine(pixels.contiguous().cpu().numpy())
        finally:
            idle.append(engine)
        return list(found.txts or ())

    return read


register(Extractor(SPEC, build))
