"""Bundles as a stranger could make them: each a sound one, changed in one way, and consistent.

Whoever changes the model file writes a manifest that agrees with it; only what is to be found out
about the manifest itself is left contradictory.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import socket
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io

from seiqa_models.bundle import save_bundle
from seiqa_models.stack.regressor import SeiqaRegressor

Mutation = Callable[[Path], None]
Parts = dict[str, bytes]

MUTATIONS: dict[str, Mutation] = {}
"""By name, all of which a folder must be refused after."""


def mutation(function: Mutation) -> Mutation:
    MUTATIONS[function.__name__] = function
    return function


def write_sound(folder: Path) -> None:
    """A small bundle of the default learners, the one that is changed."""
    rng = np.random.default_rng(0)
    y = rng.uniform(0, 5, 60)
    values = {f"metric{k}": (-1) ** k * y + rng.normal(size=60) for k in range(6)}
    stack = SeiqaRegressor(learners=("gp", "monotone", "ridge"), n_splits=2)
    stack.fit(pd.DataFrame(values), y, np.repeat(range(12), 5))
    save_bundle(folder, stack, recipe={"table": {}}, card={"label_kind": "MOS"})


def rewrite(folder: Path, **changes: Any) -> None:
    """Change entries of bundle.json, and leave out its checksum, as a forger would."""
    path = folder / "bundle.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content.pop("checksum", None)
    path.write_text(json.dumps({**content, **changes}))


def plant(folder: Path, model: bytes) -> None:
    """Replace the model, and have the manifest agree."""
    (folder / "model.skops").write_bytes(model)
    claims = {"sha256": hashlib.sha256(model).hexdigest(), "size": len(model)}
    rewrite(folder, model={**claims, "members": _claimed(model)})


def _claimed(model: bytes) -> dict[str, str]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(model))
    except zipfile.BadZipFile:
        return {}
    return {info.filename: _description(archive, info) for info in archive.infolist()}


def _description(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    try:
        with archive.open(info) as file:
            np.lib.format.read_magic(file)
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        return f"{dtype.name}{list(shape)}"
    except Exception:
        return f"{info.file_size} bytes"


def unpacked(folder: Path) -> Parts:
    with zipfile.ZipFile(folder / "model.skops") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(parts: Parts, compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def schema_changed(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the schema in place, or put what `change` returns in its place."""
    parts = unpacked(folder)
    schema = json.loads(parts["schema.json"])
    changed = change(schema)
    parts["schema.json"] = json.dumps(schema if changed is None else changed).encode()
    plant(folder, packed(parts))


def attributes(schema: dict[str, Any], *path: str) -> dict[str, Any]:
    """Attributes of the regressor, or of the part of it that the path leads to."""
    held: dict[str, Any] = schema["content"]["content"]
    for name in path:
        held = held[name]["content"]["content"]
    return held


def literal(value: Any) -> dict[str, Any]:
    """A node for a number, text, truth value or None."""
    return {
        "__class__": "str",
        "__module__": "builtins",
        "__loader__": "JsonNode",
        "content": json.dumps(value),
        "is_json": True,
    }


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def array_changed(folder: Path, change: Callable[[np.ndarray], np.ndarray], *path: str) -> None:
    """Change the array that is an attribute of the regressor's part."""
    parts = unpacked(folder)
    file = attributes(json.loads(parts["schema.json"]), *path[:-1])[path[-1]]["file"]
    parts[file] = npy(change(np.load(io.BytesIO(parts[file]))))
    plant(folder, packed(parts))


def resaved(folder: Path, change: Callable[[Any], Any]) -> None:
    """Change the regressor itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = folder / "model.skops"
        regressor = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    change(regressor)
    plant(folder, skops.io.dumps(regressor))


# the files


@mutation
def no_manifest(folder: Path) -> None:
    (folder / "bundle.json").unlink()


@mutation
def no_model(folder: Path) -> None:
    (folder / "model.skops").unlink()


@mutation
def no_folder(folder: Path) -> None:
    shutil.rmtree(folder)


@mutation
def file_for_a_folder(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_bytes(b"bundle")


def _replaced(name: str, make: Callable[[Path], Any]) -> Mutation:
    def mutate(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return mutate


def _bind(path: Path) -> None:
    held = Path.cwd()  # a socket's path has at most 108 bytes
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(held)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


for kind, make in {
    "endless_device": lambda path: path.symlink_to("/dev/zero"),
    "empty_device": lambda path: path.symlink_to("/dev/null"),
    "pipe": os.mkfifo,
    "socket": _bind,
    "directory": Path.mkdir,
    "dangling_link": lambda path: path.symlink_to("nowhere"),
    "link_to_itself": lambda path: path.symlink_to(path.name),
    "terabyte": _sparse,
}.items():
    MUTATIONS[f"manifest_is_{kind}"] = _replaced("bundle.json", make)
    MUTATIONS[f"model_is_{kind}"] = _replaced("model.skops", make)


@mutation
def manifest_of_gigabytes_of_blanks(folder: Path) -> None:
    with (folder / "bundle.json").open("r+b") as file:
        file.truncate(2**33)


@mutation
def model_grew(folder: Path) -> None:
    with (folder / "model.skops").open("ab") as file:
        file.write(b"more")


@mutation
def model_was_cut(folder: Path) -> None:
    with (folder / "model.skops").open("r+b") as file:
        file.truncate(1000)


# the manifest

TEXTS = {
    "empty": b"",
    "not_text": b"\xff\xfe",
    "half": b'{"format": 5',
    "deep_lists": b"[" * 200_000,
    "deep_objects": b'{"a":' * 200_000,
    "list": b"[]",
    "number": b"1",
    "null": b"null",
    "long_number": b'{"format": ' + b"9" * 100_000 + b"}",
    "not_a_number": b'{"format": NaN}',
    "lone_surrogate": b'{"format": "\\ud800\\u001b[2J"}',
    "long_format": b'{"format": "' + b"x" * 1_000_000 + b'"}',
}
for kind, text in TEXTS.items():
    MUTATIONS[f"manifest_is_{kind}"] = _replaced(
        "bundle.json", lambda path, text=text: path.write_bytes(text)
    )


def _deep(levels: int) -> dict[str, Any]:
    return {"a": _deep(levels - 1)} if levels else {}


ENTRIES: dict[str, dict[str, Any]] = {
    "format_true": {"format": True},
    "format_text": {"format": "5"},
    "format_of_old": {"format": 1},
    "card_list": {"card": []},
    "card_null": {"card": None},
    "card_without_label_kind": {"card": {"name": "x"}},
    "card_label_kind_list": {"card": {"label_kind": ["MOS"]}},
    "card_name_number": {"card": {"label_kind": "MOS", "name": 5}},
    "card_of_unknown_sections": {"card": {"label_kind": "MOS", "\x1b[2J": 1}},
    "card_deep": {"card": {"label_kind": "MOS", "data": _deep(400)}},
    "versions_list": {"versions": ["numpy"]},
    "versions_numbers": {"versions": {"numpy": 2}},
    "versions_null": {"versions": None},
    "recipe_text": {"recipe": "classical"},
    "recipe_deep": {"recipe": _deep(400)},
    "model_text": {"model": "model.skops"},
    "model_null": {"model": None},
    "unknown_entry": {"import": "os"},
}
for kind, entry in ENTRIES.items():
    MUTATIONS[f"entry_{kind}"] = lambda folder, entry=entry: rewrite(folder, **entry)

CLAIMS: dict[str, dict[str, Any]] = {
    "sha256_number": {"sha256": 5},
    "sha256_short": {"sha256": "ab"},
    "sha256_other": {"sha256": 64 * "0"},
    "size_text": {"size": "12"},
    "size_negative": {"size": -1},
    "size_float": {"size": 1e300},
    "size_huge": {"size": 2**62},
    "size_other": {"size": 100},
    "members_list": {"members": []},
    "members_none": {"members": {}},
    "members_numbers": {"members": {"schema.json": 1}},
}
for kind, claim in CLAIMS.items():

    def _claim(folder: Path, claim: dict[str, Any] = claim) -> None:
        model = json.loads((folder / "bundle.json").read_text())["model"]
        rewrite(folder, model={**model, **claim})

    MUTATIONS[f"claim_{kind}"] = _claim


# the archive


@mutation
def model_is_garbage(folder: Path) -> None:
    plant(folder, b"garbage")


@mutation
def model_is_empty(folder: Path) -> None:
    (folder / "model.skops").write_bytes(b"")


@mutation
def model_is_an_empty_zip(folder: Path) -> None:
    plant(folder, packed({}))


@mutation
def members_compressed(folder: Path) -> None:
    plant(folder, packed(unpacked(folder), zipfile.ZIP_DEFLATED))


@mutation
def zeros_that_unpack_to_much_more(folder: Path) -> None:
    parts = unpacked(folder)
    name = next(name for name in parts if name.endswith(".npy"))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in parts.items():
            if member != name:
                archive.writestr(member, content)
        with archive.open(name, "w") as array:
            header = {"descr": "<f8", "fortran_order": False, "shape": (25_000_000,)}
            np.lib.format.write_array_header_1_0(array, header)
            for _ in range(20):
                array.write(bytes(10_000_000))
    plant(folder, file.getvalue())


@mutation
def member_twice(folder: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, content in unpacked(folder).items():
            archive.writestr(name, content)
        archive.writestr("schema.json", "{}")
    plant(folder, file.getvalue())


@mutation
def members_that_share_bytes(folder: Path) -> None:
    """A thousand names for one array of a megabyte."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.npy", npy(np.zeros(125_000)))
        first = archive.infolist()[0]
        for number in range(1000):
            again = zipfile.ZipInfo(f"{number}.npy")
            for key in ("header_offset", "CRC", "compress_size", "file_size"):
                setattr(again, key, getattr(first, key))
            archive.filelist.append(again)
    plant(folder, file.getvalue())


@mutation
def members_without_end(folder: Path) -> None:
    """A directory that claims entries up to the end of the file and beyond."""
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", *([0] * 18)) + b""
    count = 200_000
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count % 65536, count % 65536, 46 * count, 0, 0)
    (folder / "model.skops").write_bytes(entry * count + end)
    claims = {"sha256": hashlib.sha256(entry * count + end).hexdigest()}
    rewrite(folder, model={**claims, "size": 46 * count + len(end), "members": {}})


def _array_bytes(shape: Any, descr: Any, content: bytes) -> bytes:
    file = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + content


HEADERS = {
    "too_many": _array_bytes((200_000_000,), "<f8", bytes(80)),
    "beyond_counting": _array_bytes((2**40, 2**40), "<f8", bytes(80)),
    "too_few": _array_bytes((2,), "<f8", bytes(80)),
    "negative": _array_bytes((-10,), "<f8", bytes(80)),
    "negative_twice": _array_bytes((-5, -2), "<f8", bytes(80)),
    "objects": _array_bytes((10,), "|O", bytes(80)),
    "no_type": _array_bytes((10,), "nonsense", bytes(80)),
    "code": b"\x93NUMPY\x01\x00\x40\x00{'descr': __import__('os').abort(), 'shape': (1,)}"
    + b" " * 40,
    "nothing": b"",
    "magic_only": b"\x93NUMPY",
    "version": b"\x93NUMPY\x09\x09" + bytes(80),
}
for kind, content in HEADERS.items():

    def _header(folder: Path, content: bytes = content) -> None:
        parts = unpacked(folder)
        parts[next(name for name in parts if name.endswith(".npy"))] = content
        plant(folder, packed(parts))

    MUTATIONS[f"array_{kind}"] = _header


@mutation
def schema_missing(folder: Path) -> None:
    parts = unpacked(folder)
    del parts["schema.json"]
    plant(folder, packed(parts))


@mutation
def array_missing(folder: Path) -> None:
    parts = unpacked(folder)
    del parts[next(name for name in parts if name.endswith(".npy"))]
    plant(folder, packed(parts))


@mutation
def array_is_another(folder: Path) -> None:
    """Any array in place of all: shapes do not fit."""
    parts = unpacked(folder)
    for name in parts:
        if name.endswith(".npy"):
            parts[name] = npy(np.zeros(3))
    plant(folder, packed(parts))


# the schema


def _schema_text(text: bytes) -> Mutation:
    def mutate(folder: Path) -> None:
        plant(folder, packed(unpacked(folder) | {"schema.json": text}))

    return mutate


SCHEMAS = {
    "empty": b"",
    "list": b"[]",
    "nothing": b"{}",
    "deep": b"[" * 200_000,
    "deep_objects": b'{"a":' * 500 + b"1" + b"}" * 500,
    "not_text": b"\xff",
}
for kind, text in SCHEMAS.items():
    MUTATIONS[f"schema_{kind}"] = _schema_text(text)


@mutation
def schema_without_protocol(folder: Path) -> None:
    schema_changed(folder, lambda schema: schema.pop("protocol") and None)


@mutation
def schema_of_another_protocol(folder: Path) -> None:
    schema_changed(folder, lambda schema: schema.update(protocol=99))


@mutation
def schema_of_a_foreign_loader(folder: Path) -> None:
    schema_changed(
        folder, lambda schema: schema["content"].update(__loader__="ConstructorFromReduceNode")
    )


@mutation
def schema_of_an_unknown_loader(folder: Path) -> None:
    schema_changed(folder, lambda schema: schema["content"].update(__loader__=["x"]))


@mutation
def schema_of_a_shell(folder: Path) -> None:
    schema_changed(folder, lambda schema: schema.update(__module__="os", __class__="system"))


@mutation
def schema_of_a_module_to_import(folder: Path) -> None:
    schema_changed(folder, lambda schema: schema.update(__module__="this", __class__="x"))


@mutation
def schema_of_another_object(folder: Path) -> None:
    plant(folder, skops.io.dumps({"a": 1}))


@mutation
def schema_of_references_to_references(folder: Path) -> None:
    """Forty lists, each of which holds the one before it twice: 2^40 objects."""
    last: Any = literal(1)
    for number in range(1, 41):
        base = {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode"}
        again = {**base, "content": [], "__id__": number - 1} if number > 1 else literal(1)
        last = {**base, "content": [last, again], "__id__": number}
    schema_changed(folder, lambda schema: attributes(schema).update(more=last))


@mutation
def schema_that_holds_itself(folder: Path) -> None:
    def change(schema: dict[str, Any]) -> None:
        attributes(schema)["learners_"] = {**schema, "content": {}}

    schema_changed(folder, change)


def _attribute(change: Callable[[dict[str, Any]], Any], *path: str) -> Mutation:
    return lambda folder: schema_changed(
        folder, lambda schema: change(attributes(schema, *path)) and None
    )


PARTS = (
    "features_", "preparation_", "representations_", "learners_", "consensus_", "blend_",
    "interval_", "label_range_",
)  # fmt: skip
for part in PARTS:
    MUTATIONS[f"without_{part}"] = _attribute(lambda held, part=part: held.pop(part))
    MUTATIONS[f"with_a_number_for_{part}"] = _attribute(
        lambda held, part=part: held.update({part: literal(5)})
    )
for part in ("meta_", "columns_", "low_", "medians_"):
    MUTATIONS[f"without_{part}"] = _attribute(
        lambda held, part=part: held.pop(part), "preparation_"
    )
for part in ("ranks_", "rows_", "ratios_", "spread_"):
    MUTATIONS[f"without_{part}"] = _attribute(lambda held, part=part: held.pop(part), "interval_")


# the numbers


def _array(change: Callable[[np.ndarray], np.ndarray], *path: str) -> Mutation:
    return lambda folder: array_changed(folder, change, *path)


for name, change in {
    "nan": lambda values: np.full_like(values, np.nan),
    "infinite": lambda values: np.full_like(values, np.inf),
    "one_nan": lambda values: np.where(values == values.flat[1], np.nan, values),
    "short": lambda values: values[..., :-1],
    "of_three_axes": lambda values: values[None, None],
    "text": lambda values: values.astype(str),
    "complex": lambda values: values.astype(complex),
}.items():
    MUTATIONS[f"medians_{name}"] = _array(change, "preparation_", "medians_")
    MUTATIONS[f"interval_rows_{name}"] = _array(change, "interval_", "rows_")


def _gp(regressor: Any) -> Any:
    return regressor.learners_["gp"][-1]


def _set(target: Callable[[Any], Any], name: str, change: Callable[[Any], Any]) -> Mutation:
    def mutate(folder: Path) -> None:
        resaved(
            folder, lambda stack: setattr(target(stack), name, change(getattr(target(stack), name)))
        )

    return mutate


def _whole(stack: Any) -> Any:
    return stack


for kind, mutate in {
    "dual_nan": _set(_gp, "dual_", lambda values: values * np.nan),
    "dual_1e300": _set(_gp, "dual_", lambda values: values + 1e300),
    "dual_short": _set(_gp, "dual_", lambda values: values[:-3]),
    "gp_mean_nan": _set(_gp, "target_mean_", lambda _: float("nan")),
    "gp_scales": _set(_gp, "n_scales", lambda _: 7),
    "gp_length_text": _set(_gp, "length", lambda _: "long"),
    "range_nan": _set(_whole, "label_range_", lambda _: (0.0, float("nan"))),
    "range_turned": _set(_whole, "label_range_", lambda _: (5.0, 0.0)),
    "range_of_text": _set(_whole, "label_range_", lambda _: ("0", "5")),
    "range_of_three": _set(_whole, "label_range_", lambda _: (0.0, 1.0, 5.0)),
    "range_1e300": _set(_whole, "label_range_", lambda _: (-1e308, 1e308)),
    "features_twice": _set(_whole, "features_", lambda names: [names[0], *names]),
    "features_numbers": _set(_whole, "features_", lambda names: list(range(len(names)))),
    "features_none": _set(_whole, "features_", lambda _: []),
    "learners_none": _set(_whole, "learners_", lambda _: {}),
    "learners_scaler": _set(_whole, "learners_", lambda held: dict.fromkeys(held, held["gp"][0])),
    "learners_renamed": _set(
        _whole, "learners_", lambda held: dict(zip("abc", held.values(), strict=True))
    ),
}.items():
    MUTATIONS[kind] = mutate
