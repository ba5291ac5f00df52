"""bundle.json: the typed manifest of a bundle."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from seiqa_features.commits import current
from seiqa_models.card import check_card
from seiqa_models.core.errors import TableError, one_line
from seiqa_models.inspection.files import read_bounded

MANIFEST_FILE = "bundle.json"
FORMAT_VERSION = 6

BOXED = Path(__file__).parents[1] / "boxed"
"""The built-in model: the bundle shipped with the package."""

MAX_BYTES = 2_000_000
"""Maximum size of bundle.json: a forest of 1000 trees lists 3000 arrays in 200 kB."""

MAX_MODEL = 2 * 2**30
"""Maximum size of a model file: a Gaussian process on 10 000 rows × 2000 columns takes 0.5 GB."""

DEPTH = 32
"""Maximum nesting depth of lists and objects in the recipe and the card."""

Text = Annotated[str, Field(max_length=200)]


class _Typed(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class ModelFile(_Typed):
    """Description of the model file, checked before it is read and again before it is rebuilt.

    Attributes
    ----------
    sha256 : str
        64 hex digits.
    size : int
        Bytes.
    members : dict of str
        As returned by `seiqa_models.inspection.members.list_members`.
    """

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size: int = Field(gt=0, le=MAX_MODEL)
    members: dict[str, Text]

    @classmethod
    def of(cls, model: bytes, members: dict[str, str]) -> ModelFile:
        """The description of a model file in memory, given its members."""
        return cls(sha256=hashlib.sha256(model).hexdigest(), size=len(model), members=members)

    def differs(self, model: bytes) -> str | None:
        """How a model file in memory differs from this description, or None."""
        if len(model) != self.size:
            return f"{len(model)} bytes instead of {self.size}"
        return None if hashlib.sha256(model).hexdigest() == self.sha256 else "SHA-256 differs"


def _shallow(content: dict[str, Any]) -> dict[str, Any]:
    waiting: list[tuple[Any, int]] = [(content, DEPTH)]
    while waiting:
        part, depth = waiting.pop()
        if depth == 0:
            raise ValueError(f"more than {DEPTH} levels deep")
        if isinstance(part, dict | list):
            values = part.values() if isinstance(part, dict) else part
            waiting.extend((value, depth - 1) for value in values)
    return content


Content = Annotated[dict[str, Any], AfterValidator(_shallow)]


def _card(content: dict[str, Any]) -> dict[str, Any]:
    check_card(content)
    return content


class Manifest(_Typed):
    """The content of bundle.json, except `format` and `checksum`."""

    model: ModelFile
    versions: dict[str, Text]
    recipe: Content
    card: Annotated[Content, AfterValidator(_card)]

    @property
    def checksum(self) -> str:
        """32 hex digits over the content, by which a damaged file is noticed."""
        saved = json.loads(json.dumps(self.model_dump()))  # as it is read back
        text = json.dumps(saved, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def to_json(self) -> str:
        """The text of bundle.json: with the format, and one line for each member of the model file.

        Raises
        ------
        ValueError
            The recipe or the card holds a number that is not finite, which JSON cannot represent.
        """
        content = {
            "format": FORMAT_VERSION, "checksum": self.checksum, **self.model_dump(),
        }  # fmt: skip
        return json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def bundle_in(folder: Path) -> Path:
    """The bundle of a trained run, given the run's folder; any other folder as it is."""
    inner = folder / "bundle"
    trained = current(inner / MANIFEST_FILE).is_file()
    return inner if trained and not current(folder / MANIFEST_FILE).is_file() else folder


def read_manifest(folder: Path) -> Manifest:
    """Read a bundle's bundle.json.

    Raises
    ------
    TableError
        It cannot be read; otherwise as `parse_manifest`.
    """
    path = current(folder / MANIFEST_FILE)
    try:
        text = read_bounded(path, MAX_BYTES)
    except OSError as error:
        reason = f"{MANIFEST_FILE} cannot be read ({error.strerror})"
        raise TableError(
            f"{folder} is not a bundle: {reason}; name the folder of a trained run, or its bundle"
        ) from error
    return parse_manifest(text, str(path))


def parse_manifest(text: bytes, name: str) -> Manifest:
    """Parse the content of bundle.json.

    Parameters
    ----------
    text : bytes
        Its content.
    name : str
        Its path, for errors.

    Raises
    ------
    TableError
        It is not JSON, has another format version, lacks an entry, an entry has the wrong type, or
        the content differs from what its checksum was computed from; older bundles have none. The
        message is one line that names the first problem.
    """
    try:
        content = json.loads(text.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise TableError(f"{name} is not valid JSON ({error}): train again") from None
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT_VERSION or isinstance(found, bool):
        shown = one_line(repr(found), 40)
        raise TableError(
            f"{name} has bundle format {shown}, this version reads {FORMAT_VERSION}: train again"
        )
    told = {"format", "checksum"}
    try:
        manifest = Manifest.model_validate({k: v for k, v in content.items() if k not in told})
    except ValidationError as error:
        raise TableError(f"{name}: {_complaint(error)}: train again") from None
    if "checksum" in content and content["checksum"] != manifest.checksum:
        raise TableError(f"{name} is not what was saved (its checksum differs): train again")
    return manifest


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _complaint(error: ValidationError) -> str:
    """The missing entry, or else the first of a wrong type: ``model.size: Input should …``."""
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    missing = [str(problem["loc"][-1]) for problem in problems if problem["type"] == "missing"]
    if missing:
        return f"lacks {', '.join(sorted(missing))}"
    where = ".".join(map(str, problems[0]["loc"]))
    return f"{one_line(where, 80)}: {one_line(problems[0]['msg'], 200)}"
