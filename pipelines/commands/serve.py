"""`seiqa serve`: a page in the browser that scores what people upload."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import typer

from pipelines.commands.console import say
from pipelines.commands.options import As, BundleDir, Device, Weights, Workers

Host = Annotated[
    str, typer.Option(metavar="ADDRESS", help="Address to listen on; 0.0.0.0 = the whole network.")
]
Port = Annotated[
    int,
    typer.Option(metavar="NUMBER", min=0, max=65535, help="Port to listen on; 0 = any free one."),
]
MaxUpload = Annotated[int, typer.Option(metavar="MB", min=1, help="Largest accepted file, in MB.")]
MaxPixels = Annotated[
    int | None,
    typer.Option(
        metavar="NUMBER", min=256, help="Largest accepted picture, in pixels [89 million]."
    ),
]


def serve(
    bundle: BundleDir = None, host: Host = "127.0.0.1", port: Port = 7860,
    max_upload_mb: MaxUpload = 100, max_pixels: MaxPixels = None,
    workers: Workers = None, device: Device = None, weights: Weights = None, score_as: As = None,
) -> None:  # fmt: skip
    """Serve a page that scores pairs of pictures.

    The pictures stay on this machine.
    """
    from seiqa_features.errors import UsageError

    if find_spec("gradio") is None:
        raise UsageError("serve needs Gradio, which is not installed: pip install 'seiqa[web]'")

    from pipelines.web.server import is_local
    from pipelines.web.server import serve as run
    from pipelines.web.uploads import MB, Limits
    from seiqa_features.extraction.runtime import Runtime
    from seiqa_features.pictures.decoding import MAX_PIXELS
    from seiqa_features.weights.files import DEFAULT_FOLDER, WeightFiles
    from seiqa_models.scorer import Scorer

    pixels = max_pixels or MAX_PIXELS
    if pixels > MAX_PIXELS:
        raise UsageError(f"--max-pixels {pixels}: expected at most {MAX_PIXELS}")
    runtime = Runtime(WeightFiles(weights or DEFAULT_FOLDER), device=device or "auto")
    scorer = Scorer.load(bundle, workers=workers, runtime=runtime, as_collection=score_as)
    if not is_local(host):
        say(f"anyone who can reach port {port} of this machine can use the page", err=True)
    run(
        scorer,
        host=host,
        port=port,
        limits=Limits(upload=max_upload_mb * MB, pixels=pixels),
        on_ready=lambda address: say(f"seiqa on {address} (stop it with Ctrl+C)"),
    )
