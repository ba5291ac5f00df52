"""A study: the challenge's systems side by side on the demo's data, and what each of them took.

    python -m benchmarks.study FOLDER [SYSTEM …]

writes FOLDER/data (the demo's pairs, scored by people), one run per system, and prints what `seiqa
compare` says of them. Folds are the same three for all. Every system has a process and a feature
store of its own, so that seconds and memory are its own.

The first system is the one that the others are tested against. `classical_quick` has five of the
features of `classical` at one size, and three learners. The networks of the others are tiny ones
with random weights, so that their code runs anywhere within minutes: their scores say nothing about
the systems that they stand for. Names of shipped configurations (`classical`, `dss_sqa`,
`redpanqa`) make the real study, with the weights that these need. A study that was stopped goes on
after the last system that is complete.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.seiqa_features.random_networks import TINY_VIT, register_tiny_clip, resources_for
from tests.seiqa_features.tiny_vlm import write_tiny_vlm

FOLDS = 3
DSS_SQA = f"dss_sqa:{TINY_VIT.partition(':')[2]}:seiqa-tiny:openai"
SYSTEMS = ("classical_quick", "dss_sqa_tiny", "vlm_tiny_frozen", "redpanqa_tiny")
QUICK_FEATURES = ("ssim", "gms", "mdsi", "haarpsi", "colour")


def main() -> None:
    """Run every system that has not been run in this folder, and compare."""
    register_tiny_clip(pytest.MonkeyPatch())
    if sys.argv[1] == "--seiqa":  # a process that knows the tiny CLIP, too
        from pipelines.cli import main as seiqa

        seiqa(sys.argv[2:])
    folder, systems = Path(sys.argv[1]).resolve(), sys.argv[2:] or SYSTEMS
    configs = write_configs(folder)
    if not (folder / "data" / "Train" / "Train_scores.xlsx").is_file():  # the last file of the demo
        seiqa_process("demo", folder / "data")
    for system in systems:
        if (folder / system / "report.html").is_file():  # of a study that was stopped
            continue
        settings = ("--config", configs.get(system, system), "--run", folder / system)
        settings += ("--cache", folder / "stores" / system, "--workers", "1", "--device", "cpu")
        if system.startswith("redpanqa"):
            seiqa_process("finetune", folder / "data", *settings)
        seiqa_process("run", folder / "data", *settings)
    seiqa_process("compare", *(folder / system for system in systems))


def seiqa_process(*words: str | Path) -> None:
    """`seiqa …` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.study", "--seiqa", *map(str, words)]
    subprocess.run(command, check=True, env={**os.environ, "SEIQA_FOLDS": str(FOLDS)})


def write_configs(folder: Path) -> dict[str, Path]:
    """Configurations of the systems with tiny networks, and the files of these."""
    networks = folder / "networks"
    networks.mkdir(parents=True, exist_ok=True)
    files = resources_for(DSS_SQA, networks).weights
    model = write_tiny_vlm(networks / "vlm")
    contents: dict[str, dict[str, Any]] = {
        "classical_quick": {
            "features": {name: ["max256"] for name in QUICK_FEATURES},
            "learners": ["gp", "monotone", "ridge"],
        },
        "dss_sqa_tiny": {
            "features": {DSS_SQA: ["pad224"]},
            "weight_files": {name: str(path) for name, path in files.items()},
            "learners": ["dss_sqa@dense"],
            "consensus": False,
        },
        "vlm_tiny_frozen": {"features": {f"vlm:{model}": ["max256"]}, "learners": ["gp", "ridge"]},
        "redpanqa_tiny": {
            "features": {},
            "finetune": {
                "base": f"vlm:{model}", "view": "max256", "rank": 8, "alpha": 16,
                "learning_rate": 0.001, "epochs": 2,
            },
            "learners": ["as_is"],
            "consensus": False,
            "calibrate": False,
        },
    }  # fmt: skip
    paths = {name: folder / f"{name}.yaml" for name in contents}
    for name, path in paths.items():
        path.write_text(yaml.safe_dump(contents[name]), encoding="utf-8")
    return paths


if __name__ == "__main__":
    main()
