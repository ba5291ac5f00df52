"""The verb finetune: train a multimodal model on DATA."""

from __future__ import annotations

from functools import partial

from pipelines.commands.console import bars, say, say_left_out
from pipelines.commands.options import (
    Cache,
    Config,
    Data,
    Device,
    KeepGoing,
    Run,
    Seed,
    Weights,
    Workers,
)


def finetune(
    data: Data = None, config: Config = None, run: Run = None, cache: Cache = None,
    workers: Workers = None, device: Device = None, weights: Weights = None,
    keep_going: KeepGoing = None, seed: Seed = None,
) -> None:  # fmt: skip
    """Fine-tune a multimodal model, for `seiqa run`.

    One model is trained for each fold of the honest estimate. What it needs is said before it
    starts, and a killed fine-tuning continues where it stopped. Without --config, the configuration
    is redpanqa.
    """
    from pipelines import steps
    from pipelines.setting_sources import load_settings
    from seiqa_models.core.metrics import plcc, srocc

    settings = load_settings(
        data=data, config=config or "redpanqa", run=run, cache=cache, workers=workers,
        device=device, weights=weights, keep_going=keep_going, seed=seed,
    )  # fmt: skip
    with bars("checking images", "fine-tuning") as (images, pairs):
        done = steps.finetune(
            settings,
            on_image=images,
            on_pair=pairs,
            say=partial(say, err=True),
        )
    say_left_out(done.left_out)
    label, score = done.predictions["mos"].to_numpy(), done.predictions["score"].to_numpy()
    say(
        f"fine-tuned model in {done.folder}; out-of-fold SROCC {srocc(label, score):.4f}, PLCC"
        f" {plcc(label, score):.4f} on {len(label)} pairs"
    )
    say(
        f"now `seiqa run {settings.shown_data} --config {settings.config} --run {settings.run}`"
        " estimates and makes the bundle for `seiqa score`"
    )
