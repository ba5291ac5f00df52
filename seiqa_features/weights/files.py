"""Where pretrained weights are found, and the check that they do not change.

A file is searched for in this order: the file specified by the user, a file of its name in the
weights folder, the hub caches of the libraries. When a file is first seen, its SHA-256 is recorded
in a lock file; from then on, a changed file is refused. Only `fetch` uses the network.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from seiqa_features.errors import WeightsError
from seiqa_features.extractors.specs import Weight
from seiqa_features.files import sha256_of
from seiqa_features.weights.places import (
    download,
    installed,
    online,
    reinstall,
    without_packages,
)
from seiqa_features.writing import write_whole

DEFAULT_FOLDER = Path("~/.cache/seiqa/weights")
LOCK_FILE = "weights.lock.json"


class WeightFiles:
    """Finds, verifies and fetches weights.

    Parameters
    ----------
    folder : Path
        Contains the user's own copies, named by `file_stem` with any suffix, and the lock file.
    files : Mapping[str, Path] | None
        Files specified by the user, by `Weight.name`; they override all other places.
    """

    def __init__(self, folder: Path, files: Mapping[str, Path] | None = None) -> None:
        self.folder = folder.expanduser()
        self.files = {name: path.expanduser() for name, path in (files or {}).items()}

    def elsewhere(self) -> WeightFiles:
        """The same places for a process with another working directory."""
        files = {name: path.absolute() for name, path in self.files.items()}
        return WeightFiles(self.folder.absolute(), files)

    def find(self, weight: Weight) -> Path | None:
        """The weight's file, None if it is not on this machine or nothing here can read it.

        Raises
        ------
        WeightsError
            The user specified a file that does not exist.
        """
        if without_packages(weight):
            return None
        if weight.name in self.files:
            path = self.files[weight.name]
            if not path.is_file():
                raise WeightsError(f"{path}: no such file, named as weights of {weight.name}")
            return path
        copies = sorted(self.folder.glob(f"{file_stem(weight)}.*"))
        return copies[0] if copies else installed(weight)

    def missing(self, weights: Iterable[Weight]) -> list[Weight]:
        """The weights that are not on this machine."""
        return [weight for weight in weights if self.find(weight) is None]

    def why_missing(self, weight: Weight) -> str:
        """One line about a missing weight."""
        return without_packages(weight) or f"weights {weight.name} are missing"

    def checksum(self, weight: Weight) -> str:
        """SHA-256 of an existing weight; hashed again only if its size or date changed.

        Raises
        ------
        WeightsError
            It is missing or differs from the recorded file.
        """
        if weight.sha256 is not None:
            self.verified(weight)
            return weight.sha256
        path = self._require(weight)
        recorded = self._lock().get(self._key(weight, path), {})
        if recorded.get("stamp") == _stamp(path):
            return str(recorded["sha256"])
        self.verified(weight)
        return str(self._lock()[self._key(weight, path)]["sha256"])

    def verified(self, weight: Weight) -> Path:
        """The weight's file, hashed now and equal to the recorded one (or recorded now).

        Raises
        ------
        WeightsError
            It is missing or differs from the recorded file.
        """
        path = self._require(weight)
        if weight.sha256 is not None:
            if sha256_of(path) != weight.sha256:
                raise WeightsError(f"{path}: not the file that was published; {reinstall(weight)}")
            return path
        sha256, key = sha256_of(path), self._key(weight, path)
        recorded = self._lock().get(key, {}).get("sha256", sha256)
        if weight.location.startswith("file:"):
            recorded = sha256  # the user may train it again; what was computed with it names it
        if recorded != sha256:
            raise WeightsError(
                f"{path}: weights of {weight.name} changed since they were first used (SHA-256"
                f" {recorded[:12]}… then, {sha256[:12]}… now); restore the file, or accept it by"
                f" deleting its entry in {self.folder / LOCK_FILE}"
            )
        self._record(key, {"sha256": sha256, "stamp": _stamp(path)})
        return path

    def fetch(self, weights: Iterable[Weight]) -> list[Path]:
        """Download missing weights with their libraries into those libraries' caches; record them.

        The libraries show a progress bar for each file.

        Raises
        ------
        WeightsError
            Offline, a package is not installed, or a download failed; files fetched before that
            are kept.
        """
        missing = self.missing(weights)
        for weight in missing:
            if reason := without_packages(weight):
                raise WeightsError(reason)
            if weight.package is not None:
                raise WeightsError(reinstall(weight))
            if weight.location.startswith("file:"):
                path = weight.location.removeprefix("file:")
                raise WeightsError(f"{path}: no such file, expected as weights {weight.name}")
        if missing and not online(missing):
            raise WeightsError("cannot download: offline, or the hubs cannot be reached")
        for weight in missing:
            try:
                download(weight)
            except Exception as error:  # any error means that the file is unavailable
                reason = f"{type(error).__name__}: {error}".splitlines()[0]
                raise WeightsError(f"{weight.name}: download failed ({reason})") from None
        return [self.verified(weight) for weight in weights]

    def _require(self, weight: Weight) -> Path:
        path = self.find(weight)
        if path is None:
            raise WeightsError(f"weights {weight.name} are missing ({weight.megabytes} MB)")
        return path

    def _key(self, weight: Weight, path: Path) -> str:
        """Hub files are identified by name, wherever the cache is; the user's own by path."""
        own = weight.name in self.files or path.is_relative_to(self.folder)
        own = own or weight.location.startswith("file:")
        return f"{weight.name} from {path.resolve()}" if own else weight.name

    def _lock(self) -> dict[str, dict[str, str]]:
        path = self.folder / LOCK_FILE
        try:
            content: dict[str, dict[str, str]] = json.loads(path.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise WeightsError(f"{path}: cannot be read ({error}); repair or delete it") from None
        return content

    def _record(self, key: str, entry: dict[str, str]) -> None:
        content = self._lock()
        if content.get(key) == entry:
            return
        path = self.folder / LOCK_FILE
        try:
            write_whole(path, json.dumps({**content, key: entry}, indent=1, sort_keys=True))
        except OSError as error:
            raise WeightsError(f"{path}: cannot be written ({error.strerror or error})") from None


def file_stem(weight: Weight) -> str:
    """Name without suffix of the user's own copy: "timm--vit_small_patch14_dinov2.lvd142m"."""
    return re.sub(r"[/:]", "--", weight.name)


def _stamp(path: Path) -> str:
    stat = path.stat()
    return f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns}"
