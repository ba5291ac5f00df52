"""Run `seiqa features` in this process and print the peak memory of each quarter of the pairs.

    python benchmarks/memory.py MANIFEST FOLDER

prints four numbers: bytes of resident memory above what the bare interpreter had, the highest while
the first, second, third and last quarter of the pairs was being computed. A script of its own: the
start must be measured before anything is imported.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

import psutil

INTERVAL = 0.02  # seconds between samples


class MemoryWatch(threading.Thread):
    """Samples the process and its children until `finish`; keeps the peak of each quarter."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peaks = [0, 0, 0, 0]
        self._start = _resident()
        self._quarter = 0
        self._finished = threading.Event()

    def progress(self, done: int, total: int) -> None:
        """What the runner calls after each finished task."""
        self._quarter = min(3, 4 * done // total)

    def finish(self) -> None:
        """Stop sampling."""
        self._finished.set()
        self.join()

    def run(self) -> None:
        """The thread's work."""
        while not self._finished.wait(INTERVAL):
            above = _resident() - self._start
            self.peaks[self._quarter] = max(self.peaks[self._quarter], above)


def _resident() -> int:
    process = psutil.Process()
    return sum(p.memory_info().rss for p in (process, *process.children(recursive=True)))


def main(manifest: Path, folder: Path) -> None:
    """Measure; the manifest's features come to lie in `folder`."""
    watch = MemoryWatch()
    watch.start()
    from pipelines import steps
    from pipelines.setting_sources import load_settings

    settings = load_settings(
        data=manifest, config="classical", run=folder / "run", cache=folder / "cache"
    )
    steps.features(settings, on_pair=watch.progress)
    watch.finish()
    sys.stdout.write(json.dumps(watch.peaks))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
