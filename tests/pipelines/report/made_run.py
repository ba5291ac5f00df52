"""A run folder written by hand: 12 labelled and 2 test pairs, small pictures, every figure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from PIL import Image

from seiqa_features.table.table import write_table

KINDS = ("blur", "JPEG", "noise")
PAIRS = 14
LABELLED = 12


def summary(final: float, **more: Any) -> dict[str, Any]:
    figures = {"srocc": final + 0.01, "plcc": final - 0.015, "krocc": final - 0.2, "rmse": 0.6}
    return {"final": final, "interval": [final - 0.05, final + 0.04], **figures, **more}


def metrics() -> dict[str, Any]:
    """Of a run whose data name no kinds of distortion: whatever may be missing is."""
    return {
        "version": 1,
        "honest": summary(0.812),
        "naive": summary(0.868),
        "gap": 0.056,
        "best_single": summary(
            0.744, name="psnr__full__value", names=["gmsd__full__value", None, "gmsd__full__value"]
        ),
        "learners": {"ridge": summary(0.701), "catboost": summary(0.803)},
        "greedy": summary(0.799),
        "consensus": summary(0.731, agree=0.6, gate=0.25),
        "purpose": "home",
        "at_home": None,
        "index_only": summary(0.123),
        "gain": {
            "best_single": {"difference": 0.068, "interval": [0.011, 0.13], "p_value": 0.021},
            "ridge": {"difference": 0.111, "interval": [-0.02, 0.2], "p_value": 0.34},
            "catboost": {"difference": -0.0095, "interval": [-0.02, -0.001], "p_value": 0.044},
        },
        "weights": {
            "mean": {"ridge": 0.4, "catboost": 0.6},
            "final": {"ridge": 0.35, "catboost": 0.65},
        },
        "transfer": None,
        "without_kinds": None,
        "prediction_interval": {
            "nominal": 0.9,
            "coverage": 0.875,
            "mean_width": 1.75,
            "unfamiliar": 0.0625,
            "transfer": None,
        },
        "calibrated": None,
        "n": LABELLED,
        "groups": 4,
        "splitter": "3 folds by group",
        "label": {"mean": 2.5, "min": 0.0, "max": 5.0},
        "seconds": {"evaluate": 213.4},
        "seconds_per_row": 0.0021,
        "label_kind": "MOS",
        "source": "my pictures",
    }


def kinds_metrics() -> dict[str, Any]:
    """What there is besides when kinds are known, and all that can be made was made."""
    interval = metrics()["prediction_interval"]
    unseen = {"coverage": 0.725, "mean_width": 2.25, "unfamiliar": 0.375}
    return {
        "transfer": summary(
            0.655,
            by_group=summary(0.777),
            learners={"ridge": summary(0.611), "catboost": summary(0.633)},
            best_single=summary(0.644),
            kinds={kind: {"srocc": 0.51 + 0.01 * i, "n": 3} for i, kind in enumerate(KINDS)},
            n=9,
            fits=7,
        ),
        "without_kinds": {
            "catboost": summary(
                0.763,
                gain={"difference": 0.0123, "interval": [-0.0045, 0.0216], "p_value": 0.061},
            )
        },
        "prediction_interval": {**interval, "transfer": unseen},
        "ablation": {
            "learner": "ridge",
            "all": 0.701,
            "groups": {
                "gms": {"columns": 74, "without": 0.705, "alone": 0.555},
                "psnr": {"columns": 2, "without": 0.622, "alone": 0.444},
            },
        },
        "sense": {
            "shares": {"identity on top": 1.0, "harmless above damaging": 0.921},
            "relations": {"identity on top": 48, "harmless above damaging": 84},
            "mean": 0.9605,
            "photographs": 2,
            "seconds": 31.4,
        },
        "anchors": [
            {
                "name": "JPEG quality",
                "doses": [90.0, 40.0, 10.0],
                "scores": [4.61, 3.52, 1.23],
                "references": 4,
            },
        ],
        "scales": {
            "scale": "home",
            "home": "home",
            "maps": {},
            "agreement": {},
            "rounds": 2,
            "misleading": {"fourier__max256__band4": "+0.31 in home, -0.42 in abroad"},
        },
        "laboratories": [
            judged(["home"], "abroad", 0.812),
            judged(["abroad"], "home", 0.734),
            judged(["home"], "home", 0.955),
            judged(["abroad", "home"], "home", 0.951),
            judged(["abroad", "home"], "home", 0.957, "home"),
        ],
        "calibrated": True,
        "splits": {"by": "group", "why": "nothing speaks against it"},
    }


def judged(trained: list[str], on: str, srocc: float, whose: str | None = None) -> dict[str, Any]:
    figures = {"n": 6, "scenes": 2, "srocc": srocc, "within": None, "plcc": srocc - 0.01}
    return {"trained_on": trained, "judged_on": on, "scored_as": whose, **figures}


def write_run(
    folder: Path,
    *,
    label_kind: str = "MOS",
    hostile: str = "",
    kinds: bool = False,
    challenge: bool = False,
) -> Path:
    """Write the run folder `folder`/runs/first, its pictures into `folder`.

    Parameters
    ----------
    hostile : str
        Begins the names of pairs and pictures.
    kinds : bool
        Kinds of distortion are known, and everything was made.
    challenge : bool
        The data are in the challenge's layout.
    """
    run = folder / "runs" / "first"
    run.mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = []
    for number in range(PAIRS):
        paths = [str(folder / f"{hostile}{side}{number}.png") for side in ("ref", "dist")]
        for path in paths:
            Image.fromarray(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)).save(path)
        train = number < LABELLED
        rows.append(
            {
                "pair_id": f"{hostile}pair{number}",
                "ref_path": paths[0],
                "dist_path": paths[1],
                "mos": float(number % 6) if train else np.nan,
                "group_id": f"scene{number % 4}",
                "split": "train" if train else "test",
                "order": number,
                "ref_key": f"r{number % 4}",
                "dist_key": f"d{number}",
            }
        )
    pairs = pd.DataFrame(rows)
    if kinds:
        pairs["codec"] = ["old" if number < 8 else "new" for number in range(PAIRS)]
        pairs["bpp"] = np.linspace(0.2, 2, PAIRS)
        pairs["distortion"] = [f"{hostile}{KINDS[number % 3]}" for number in range(PAIRS)]
    pairs.attrs = {"label_kind": label_kind, "label_range": [0, 5], "source": "my pictures"}
    pairs.attrs["neighbours_alike"] = challenge
    pairs.to_parquet(run / "pairs.parquet")
    _write_results(run, pairs, kinds)
    return run


def _write_results(run: Path, pairs: pd.DataFrame, kinds: bool) -> None:
    held_out = pairs[:LABELLED][["pair_id", "group_id", "mos"]]
    held_out = held_out.assign(fold=np.arange(LABELLED) % 4 % 3)
    held_out["score"] = held_out["mos"] + np.linspace(-1.2, 0.9, LABELLED)
    held_out["low"], held_out["high"] = held_out["score"] - 0.85, held_out["score"] + 0.85
    held_out["unfamiliar"] = np.arange(LABELLED) == 0
    held_out.to_csv(run / "predictions.csv", index=False)
    pairs[LABELLED:][["pair_id", "split"]].assign(score=[1.5, 4.25]).to_csv(
        run / "scores.csv", index=False
    )
    features = {
        "recipe": {"features": {"gms": ["max512"], "psnr": ["max512", "max256"]}, "blocks": {}},
        "columns": 214,
        "unavailable": {"clip_l14__s224__cosine": "weights are not in the hub cache"},
        "seconds_per_pair": 0.3412,
        "device": "cpu",
        "versions": {"torch": "2.15.0"},
    }
    (run / "features.json").write_text(json.dumps(features))
    if kinds:
        rng = np.random.default_rng(1)
        names = ("psnr", "ssim", "gms")
        columns = {f"{name}__max512__value": rng.normal(size=PAIRS) for name in names}
        index = pd.Index(pairs["pair_id"], name="pair_id")
        write_table(pd.DataFrame(columns, index=index), run / "features.parquet")
    settings = {"seed": 7, "learners": ["ridge", "svr"], "shrinkage": None, "dmos": [],
                "orders": False, "calibrate": True}  # fmt: skip
    (run / "settings.yaml").write_text(yaml.safe_dump(settings))
    figures = metrics() | (kinds_metrics() if kinds else {})
    (run / "metrics.json").write_text(json.dumps(figures))
    (run / "bundle").mkdir()
    (run / "bundle" / "bundle.json").write_text(json.dumps({"versions": {"xgboost": "3.2.0"}}))
