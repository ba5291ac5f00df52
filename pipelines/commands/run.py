"""The verbs of a run: check, features, train, submit, report, and all of them in one go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipelines.commands.console import (
    bars,
    say,
    say_aside,
    say_figures,
    say_json,
    say_left_out,
)
from pipelines.commands.options import (
    As,
    Cache,
    Config,
    Data,
    Device,
    EngineOption,
    GpuMemory,
    Json,
    KeepGoing,
    PrecisionOption,
    RayAddress,
    Run,
    Seed,
    Skip,
    Weights,
    Workers,
)  # fmt: skip

if TYPE_CHECKING:
    from pipelines.settings import Settings
    from pipelines.steps import Features


def check(
    data: Data = None, cache: Cache = None, workers: Workers = None, json: Json = False
) -> None:
    """Summarise DATA and list everything that is wrong with it."""
    from seiqa_features.datasets import find_pairs
    from seiqa_features.datasets.pairs import build_pairs
    from seiqa_features.datasets.scenes import one_group_per_scene, reference_scenes
    from seiqa_features.datasets.summary import shared_scenes, summarise
    from seiqa_features.errors import DataError
    from seiqa_features.pictures.index import ImageIndex

    settings = _settings(data=data, cache=cache, workers=workers, announce=False)
    found = find_pairs(settings.named_data(), settings.dmos)
    with bars("checking images") as (progress,):
        pairs, problems = build_pairs(
            found,
            ImageIndex(settings.cache),
            workers=settings.workers,
            on_image=progress,
        )
        left_out = found.left_out
        del found  # a million pairs are a quarter of a gigabyte
        pairs = one_group_per_scene(pairs)
    lines = [*summarise(pairs), shared_scenes(pairs, reference_scenes(pairs))]
    if json:
        say_json({**dict(lines), "left out": left_out, "problems": problems})
    else:
        for name, value in lines:
            say(f"{name:>22}  {value}")
    say_left_out(left_out)
    if problems:
        raise DataError(problems)


def features(
    data: Data = None, config: Config = None, run: Run = None, cache: Cache = None,
    workers: Workers = None, device: Device = None,
    precision: PrecisionOption = None, gpu_memory: GpuMemory = None,
    weights: Weights = None, skip_unavailable: Skip = None, keep_going: KeepGoing = None,
    engine: EngineOption = None, ray_address: RayAddress = None,
) -> None:  # fmt: skip
    """Extract the features of DATA that the store lacks."""
    settings = _settings(
        data=data, config=config, run=run, cache=cache, workers=workers, device=device,
        precision=precision, gpu_memory=gpu_memory, weights=weights,
        skip_unavailable=skip_unavailable, engine=engine, ray_address=ray_address,
        keep_going=keep_going,
    )  # fmt: skip
    _features(settings)


def train(
    data: Data = None, config: Config = None, run: Run = None,
    workers: Workers = None, seed: Seed = None,
) -> None:  # fmt: skip
    """Estimate the performance, train, and save the bundle.

    The estimate is made on held-out groups; the bundle learns from all labelled training pairs.
    """
    _train(_settings(data=data, config=config, run=run, workers=workers, seed=seed))


def submit(data: Data = None, config: Config = None, run: Run = None, score_as: As = None) -> None:
    """Score the test pairs and write the submission zip."""
    from pipelines import steps

    settings = _settings(data=data, config=config, run=run, score_as=score_as)
    say(f"submission in {steps.submit(settings)}")


def report(data: Data = None, config: Config = None, run: Run = None) -> None:
    """Write the run's report.html."""
    _report(_settings(data=data, config=config, run=run, announce=False))


def run(
    data: Data = None, config: Config = None, run: Run = None, cache: Cache = None,
    workers: Workers = None, device: Device = None,
    precision: PrecisionOption = None, gpu_memory: GpuMemory = None,
    weights: Weights = None, skip_unavailable: Skip = None, keep_going: KeepGoing = None,
    engine: EngineOption = None, ray_address: RayAddress = None,
    seed: Seed = None,
) -> None:  # fmt: skip
    """Run features, train, submit and report.

    The submission is written only if there are test pairs of the challenge.
    """
    from pipelines.runs.folder import exclusive

    settings = _settings(
        data=data, config=config, run=run, cache=cache, workers=workers, device=device,
        precision=precision, gpu_memory=gpu_memory, weights=weights,
        skip_unavailable=skip_unavailable, engine=engine, ray_address=ray_address,
        keep_going=keep_going, seed=seed,
    )  # fmt: skip
    with exclusive(settings.run):
        done = _features(settings, to_train=True)
        _train(settings, done)
        _finish(settings, done)
        _report(settings)


def _settings(*, announce: bool = True, **flags: Any) -> Settings:
    from pipelines.setting_sources import load_settings

    settings = load_settings(**flags)
    if announce:
        say_aside(
            f"config {settings.config}, data {settings.shown_data or 'of the run'},"
            f" run {settings.run}, cache {settings.cache}, {settings.workers} workers,"
            f" seed {settings.seed}"
        )
    return settings


def _features(settings: Settings, *, to_train: bool = False) -> Features:
    from pipelines import steps

    names = ("checking images", "extracting pairs", "constructing orders")
    with bars(*names) as (images, pairs, orders):
        done = steps.features(
            settings, to_train=to_train, on_image=images, on_pair=pairs, on_order=orders
        )
    say_left_out(done.left_out)
    say(
        f"features: {done.report.computed} pairs computed, {done.report.cached} already in the"
        f" store, {done.report.seconds:.1f} s"
    )
    return done


def _train(settings: Settings, done: Features | None = None) -> None:
    from pipelines import steps

    names = (
        "training folds", "leaving features out", "scoring photographs",
        "scoring degradations", "judging collections",
    )  # fmt: skip
    with bars(*names) as (folds, ablation, sense, anchors, laboratories):
        metrics = steps.train(
            settings,
            done,
            on_fold=folds,
            on_ablation=ablation,
            on_sense=sense,
            on_anchor=anchors,
            on_laboratory=laboratories,
        )
    honest = metrics.honest
    low, high = honest.interval
    labels = "MOS" if metrics.label_kind == "MOS" else f"{metrics.label_kind}s"
    say(
        f"honest estimate against {labels}: final {honest.final:.4f}"
        f" ({low:.3f} to {high:.3f}), SROCC {honest.srocc:.4f}, PLCC {honest.plcc:.4f}"
        f" on {metrics.n} pairs, {metrics.splitter}"
    )
    say_figures(metrics)
    if metrics.splits is not None:
        say(f"splits by {metrics.splits.by}: {metrics.splits.why}")


def _finish(settings: Settings, done: Features) -> None:
    """Score test pairs if there are any; write the zip if they are on the challenge's scale."""
    from pipelines import steps
    from pipelines.runs.folder import SCORES
    from pipelines.runs.submission import SCORE_RANGE

    pairs = done.extracted.pairs
    if not (pairs["split"] == "test").any():
        return
    if pairs.attrs["label_range"] == list(SCORE_RANGE):
        say(f"submission in {steps.submit(settings, done)}")
    else:
        steps.score_test(settings, done)
        say(f"scores of the test pairs in {settings.run / SCORES}")


def _report(settings: Settings) -> None:
    from pipelines import steps

    say(f"report in {steps.report(settings)}")
