"""Formats: which files are decoded, by which decoder, and the messages for other files.

Pillow is always restricted to this list. Its other decoders are for documents and format stubs: the
one for PostScript starts Ghostscript, and an icon contains several pictures.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from PIL import Image, features

from seiqa_features.pictures import boxes
from seiqa_features.pictures.boundary import needs


@dataclass(frozen=True)
class Extra:
    """A format that a package of the extra ``formats`` adds to Pillow."""

    format: str
    suffixes: tuple[str, ...]
    package: str
    module: str
    opener: str | None = None
    """The function that registers the decoder if importing the package does not."""


EXTRAS = (
    Extra("HEIF", (".heic", ".heif", ".hif"), "pillow-heif", "pillow_heif", "register_heif_opener"),
    Extra(boxes.JXL, (".jxl",), "pillow-jxl-plugin", "pillow_jxl"),
)

_BUILT_IN = {"WEBP": "webp", "AVIF": "avif", "JPEG2000": "jpg_2000"}
"""Decoders that a build of Pillow may lack, and their names in `PIL.features`."""

FORMATS = tuple(
    name
    for name in (
        "PNG", "JPEG", "WEBP", "AVIF", "JPEG2000", "TIFF", "GIF", "BMP", "DIB", "PPM", "QOI",
        "SGI", "PCX", "TGA",
    )
    if name not in _BUILT_IN or features.check(_BUILT_IN[name])
)  # fmt: skip
"""Formats decoded without an extra, by Pillow's names; TGA, which has no signature, is last."""

_SHARED = {"MPO": "JPEG"}  # a JPEG with a second picture after the first, opened as a JPEG
SUFFIXES = frozenset(
    suffix
    for suffix, name in Image.registered_extensions().items()
    if _SHARED.get(name, name) in FORMATS
) | {suffix for extra in EXTRAS for suffix in extra.suffixes}
"""Suffixes of picture files, in lower case."""

ACCEPTED = "PNG, JPEG, WebP, AVIF, JPEG 2000, TIFF, GIF, BMP, PPM, QOI, SGI, PCX or TGA"

_SIGNATURES = (
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"%PDF", "a PDF"),
    (b"8BPS", "a Photoshop document"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile"),
    (b"DDS ", "a DirectDraw surface"),
    (b"SIMPLE  =", "FITS"),
    (b"<svg", "SVG"),
    (b"<?xml", "XML"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
    (b"PK\x03\x04", "a zip"),
    (b"\x1f\x8b", "gzip"),
    (b"version https://git-lfs", "a Git LFS pointer; fetch the file itself"),
    (b"v/1\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"II\xbc\x01", "JPEG XR"),
    (b"gimp xcf", "a GIMP document"),
    (b"P7\n", "PAM"),
    (b"PF\n", "a PFM of colours"),
    (b"RIFF", "a sound or video (RIFF)"),
)
_PICTURES = (
    b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+",
    b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ", b"qoif",
)  # fmt: skip
"""Signatures of the listed formats: a file with one that no decoder accepts is damaged."""

HEAD_BYTES = 64
"""Number of bytes read to determine the format of a file."""

_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})


def decoders_for(head: bytes, name: str) -> tuple[str, ...]:
    """Pillow's names of the decoders to try for a file that begins with `head`.

    Raises
    ------
    DataError
        The format needs the extra, and the package that decodes it is not installed.
    """
    extra = _extra(head)
    if extra is None:
        return FORMATS
    try:
        module = importlib.import_module(extra.module)
    except ImportError:
        raise needs(name, f"a {extra.format} picture", extra.package) from None
    if extra.opener and extra.format not in Image.OPEN:
        getattr(module, extra.opener)()
    return (extra.format,)


def _extra(head: bytes) -> Extra | None:
    heif, jpeg_xl = EXTRAS
    if brands := _brands(head):
        return heif if brands & _HEIF_BRANDS and not brands & _AVIF_BRANDS else None
    return jpeg_xl if head.startswith((boxes.CODESTREAM, boxes.CONTAINER)) else None


def _brands(head: bytes) -> set[bytes]:
    """The brands of an ISO media file; empty for other files."""
    if head[4:8] != b"ftyp":
        return set()
    return {head[at : at + 4] for at in (8, *range(16, len(head), 4))}


def unknown(head: bytes) -> str:
    """The message for a file that no listed decoder accepts."""
    brands = _brands(head)
    webp = head.startswith(b"RIFF") and b"WEBP".startswith(head[8:12])
    if head.startswith(_PICTURES) or webp or brands & (_AVIF_BRANDS | _HEIF_BRANDS):
        return "damaged or truncated image (its header is invalid); copy it again"
    if brands:
        return f"not an image but a video or other ISO media file; expected {ACCEPTED}"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for signature, kind in _SIGNATURES:
        if start.lower().startswith(signature.lower()):
            return f"not an image but {kind}, despite its name; expected {ACCEPTED}"
    return f"not an image, despite its name; expected {ACCEPTED}"
