"""Memory and seconds of one fine-tuning step at full size, beside what is said beforehand.

    python -m benchmarks.bench_finetune [2b|4b|8b]

Random weights of the published architecture (arXiv 2511.21631) and random pictures, since speed and
memory do not depend on their values. Needs a GPU and the extra `vlm`.
"""

# ruff: noqa: T201
from __future__ import annotations

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from seiqa_features.extractors.multimodal.adapted import PairRegressor
from seiqa_features.extractors.multimodal.reading import Reader
from seiqa_models.finetune.recipe import Recipe, needs_of, speed_of
from seiqa_models.finetune.training import train_step
from tests.seiqa_features.tiny_vlm import write_tiny_vlm

TEXT = {
    "2b": {"hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28,
           "num_attention_heads": 16},
    "4b": {"hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36,
           "num_attention_heads": 32},
    "8b": {"hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36,
           "num_attention_heads": 32},
}  # fmt: skip
VISION = {"depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "num_heads": 16,
          "deepstack_visual_indexes": [5, 11, 17]}  # fmt: skip
STEPS, BATCH = 3, 16


def main() -> None:
    """Print one line of what was expected and one of what was measured."""
    from transformers import AutoProcessor, Qwen3VLConfig, Qwen3VLForConditionalGeneration

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", nargs="?", choices=TEXT, default="4b")
    size = parser.parse_args().size
    with TemporaryDirectory() as folder:
        tiny = write_tiny_vlm(Path(folder) / "tiny")
        processor = AutoProcessor.from_pretrained(tiny)
        small = Qwen3VLConfig.from_pretrained(tiny)
    text = {**small.text_config.to_dict(), **TEXT[size], "num_key_value_heads": 8,
            "head_dim": 128, "vocab_size": 151936}  # fmt: skip
    text["rope_parameters"] = {**text["rope_parameters"], "mrope_section": [24, 20, 20]}
    vision = {**small.vision_config.to_dict(), **VISION, "out_hidden_size": text["hidden_size"],
              "num_position_embeddings": 2304}  # fmt: skip
    config = Qwen3VLConfig(**{**small.to_dict(), "text_config": text, "vision_config": vision})
    recipe = Recipe()
    needs = needs_of(recipe, config, pairs=510, folds=3, operations_per_second=speed_of("cuda"))
    print(f"expected: {needs.gigabytes:.1f} GB, {needs.hours:.2f} hours for 510 pairs, 3 folds,"
          f" {needs.trained / 1e6:.0f} million trained numbers")  # fmt: skip
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        network = Qwen3VLForConditionalGeneration(config)
    torch.set_default_dtype(torch.float32)
    reader = Reader(network.eval().requires_grad_(False), processor)
    regressor = PairRegressor(reader, rank=recipe.rank, alpha=recipe.alpha, seed=0)
    regressor.save_memory()
    regressor.train()
    rng = np.random.default_rng(0)
    pairs = [
        tuple(rng.integers(0, 256, (3, 384, 512), dtype=np.uint8) for _ in range(2))
        for _ in range(BATCH)
    ]
    target = torch.arange(BATCH, dtype=torch.float32, device="cuda")[:, None]
    optimizer = torch.optim.AdamW(regressor.trained(), lr=1e-4)
    seconds = []
    for _ in range(STEPS):
        started = time.perf_counter()
        train_step(regressor, optimizer, pairs, target)
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    steps = recipe.epochs * 510 * 2 / BATCH
    memory, step = torch.cuda.max_memory_allocated() / 1e9, min(seconds)
    trained = sum(parameter.numel() for parameter in regressor.trained()) / 1e6
    print(f"measured: {memory:.1f} GB, {step:.2f} s a step, {steps * step / 3600:.2f} hours of"
          f" training steps, {trained:.0f} million trained numbers")  # fmt: skip


if __name__ == "__main__":
    main()
