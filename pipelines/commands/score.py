"""`seiqa score`: one pair of pictures, or the pairs of folders or a manifest."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.console import bars, debugging, say, say_aside, say_json, say_left_out
from pipelines.commands.options import (
    As,
    BundleDir,
    Device,
    EngineOption,
    Json,
    KeepGoing,
    RayAddress,
    Weights,
    Workers,
    of_setting,
)
from pipelines.text_tables import show_table

if TYPE_CHECKING:
    from PIL.Image import Image

    from pipelines.runs.scoring import Listed
    from seiqa_features.extraction.connecting import Cluster
    from seiqa_models.score import Score
    from seiqa_models.scorer import Scorer


AGREE = "the metrics agree on this pair"
DISAGREE = "the metrics disagree on this pair; the score relies on the trained model alone"
EDITED = "edited: a part seems to have been removed, covered, replaced or rewritten"
UNFAMILIAR = (
    "unfamiliar: unlike every pair that the model was trained on; the score is not reliable"
)

Images = Annotated[
    list[Path],
    typer.Argument(
        metavar="PATH", help="REF DIST: two pictures or two folders; or a CSV manifest."
    ),
]
Scores = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Scores of folders or a manifest: a .csv, .json or .parquet file."
    ),
]
StoreOfMany = Annotated[
    Path | None,
    of_setting(
        "cache", metavar="FOLDER", help="Feature store for folders and manifests [runs/cache]."
    ),
]
HeatMap = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="PNG of one pair: where structure or colour was lost [none]."
    ),
]


def score(
    images: Images, bundle: BundleDir = None, out: Scores = None, cache: StoreOfMany = None,
    workers: Workers = None, device: Device = None, weights: Weights = None,
    engine: EngineOption = None, ray_address: RayAddress = None, keep_going: KeepGoing = None,
    heatmap: HeatMap = None, json: Json = False, score_as: As = None,
) -> None:  # fmt: skip
    """Score a pair, or all pairs of two folders or a manifest.

    The score of a single pair is printed; those of many pairs are written to --out. In two folders,
    files of the same name are a pair. A manifest has columns ref and dist. What was computed is
    kept, so that a stopped run can be resumed.
    """
    from pipelines.loading.helper import helping
    from pipelines.loading.scorer import import_skops_quickly, load_scorer, make_runtime

    # A heat map needs PyTorch in this process, and -v shows what is loaded in it.
    helped = out is None and heatmap is None and not debugging()
    with helping() if helped else nullcontext() as helper:
        from seiqa_features.remote.places import as_path

        images, out = [as_path(path) for path in images], out and as_path(out)
        _require_usage(images, out, heatmap, json)
        if out is None:
            import_skops_quickly()
            from seiqa_features.pictures.inputs import pair_as_rgb

            pair, runtime = pair_as_rgb(*images), make_runtime(cache, device, weights)
            if helper is not None:
                helper.ask(bundle, pair, runtime, workers)
            scorer = load_scorer(bundle, runtime, workers, score_as, helper)
            features = None if helper is None else helper.features(scorer.recipe)
            _say_pair(scorer.score(*pair, features=features), pair, heatmap, json=json)
            return

    from pipelines.runs.scoring import check_output
    from pipelines.settings import DEFAULT_CACHE

    check_output(out, inputs=images)
    cluster, listed = _cluster(engine, ray_address), _listed(images)
    cache = as_path(cache or DEFAULT_CACHE)
    scorer = load_scorer(bundle, make_runtime(cache, device, weights), workers, score_as)
    _score_listed(scorer, listed, out, cache=cache, keep_going=bool(keep_going), cluster=cluster)


def _listed(images: list[Path]) -> Listed:
    """The pairs of a manifest or of two folders."""
    from pipelines.runs.scoring import list_folders, list_manifest

    if len(images) == 1:
        return list_manifest(images[0])
    return list_folders(ref=images[0], dist=images[1])


def _score_listed(
    scorer: Scorer, listed: Listed, out: Path,
    *, cache: Path, keep_going: bool, cluster: Cluster | None,
) -> None:  # fmt: skip
    """Write the scores of many pairs, and say where they are and what was left out."""
    from pipelines.runs.scoring import score_listed

    with bars("checking images", "scoring pairs") as (on_image, on_pair):
        left_out = score_listed(
            scorer, listed, out,
            cache=cache, keep_going=keep_going, cluster=cluster,
            on_image=on_image, on_pair=on_pair,
        )  # fmt: skip
    say_left_out(left_out)
    say(f"scores in {out}")


def _cluster(engine: str | None, address: str | None) -> Cluster | None:
    from seiqa_features.errors import UsageError
    from seiqa_features.extraction.connecting import Cluster, require_answer

    if engine not in (None, "local", "ray"):
        raise UsageError(f"--engine {engine}: expected local or ray")
    if engine != "ray":
        return None
    cluster = Cluster(address)
    require_answer(cluster)  # first: checking the images may take long
    return cluster


def _require_usage(images: list[Path], out: Path | None, heatmap: Path | None, json: bool) -> None:
    """Refuse arguments that do not go together."""
    from seiqa_features.errors import UsageError
    from seiqa_features.pictures.formats import SUFFIXES

    forms = "REF DIST (two pictures), or REF_DIR DIST_DIR --out FILE, or MANIFEST.csv --out FILE"
    folders = [path.is_dir() for path in images]
    many = len(images) == 1 or all(folders)
    if len(images) > 2 or (len(images) == 1 and folders[0]):
        raise UsageError(f"give {forms}")
    if len(images) == 1 and images[0].suffix.lower() in SUFFIXES:
        raise UsageError(f"{images[0]}: a single picture; give {forms}")
    if not many and any(folders):
        raise UsageError(f"{images[0]}, {images[1]}: give two pictures or two folders")
    if many and out is None:
        raise UsageError(
            "--out is missing: name a file for the scores of many pairs, such as --out scores.csv"
        )
    if not many and out is not None:
        raise UsageError("--out is for folders and manifests; the score of two pictures is printed")
    if many and (heatmap is not None or json):
        raise UsageError("--heatmap and --json are for two pictures; --out scores.json writes JSON")
    if heatmap is not None:
        from pipelines.runs.outputs import require_writable

        if heatmap.suffix.lower() != ".png":
            raise UsageError(f"--heatmap {heatmap}: expected a name that ends in .png")
        require_writable(heatmap, inputs=images)


def _say_pair(
    scored: Score, pair: tuple[Image, Image], heatmap: Path | None, *, json: bool
) -> None:
    """Print a pair's score and what is odd about its pictures, and draw the heat map."""
    from pipelines.runs.scoring import hints, write_heat_map

    if json:
        say_json(_as_object(scored))
    else:
        _say_score(scored)
    for line in hints(*pair):
        say_aside(f"seiqa: {line}")
    if heatmap is not None and not write_heat_map(heatmap, scored):
        say_aside(f"seiqa: {heatmap} was not written: the pictures are the same, pixel by pixel")


def _say_score(scored: Score) -> None:
    """The score, its flags, and what moved it, largest part first."""
    typer.echo(repr(scored))
    if scored.identical:
        return
    agreement = AGREE if scored.agree else DISAGREE
    flags = EDITED * scored.edited, UNFAMILIAR * scored.unfamiliar
    for line in filter(None, (scored.like, agreement, *flags)):
        say(line)
    moved = {name: part for name, part in scored.contributions.items() if name != "baseline"}
    rows = [("a typical pair", f"{scored.contributions['baseline']:.2f}")]
    rows += [
        (name, f"{part:+z.2f}") for name, part in sorted(moved.items(), key=lambda x: -abs(x[1]))
    ]
    show_table(("what moved the score", "points"), rows)


def _as_object(scored: Score) -> dict[str, Any]:
    from seiqa_models.score import FLAGS

    names = ("low", "high", *FLAGS, "identical", "scale", "like", "contributions")
    return {"score": float(scored), **{name: getattr(scored, name) for name in names}}
