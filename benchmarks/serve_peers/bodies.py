"""The requests: 64 JPEGs of at most 400 pixels a side, made from photos, and each as a multipart body."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from .work import FIELD

COUNT = 64
SIDE = 400
QUALITY = 90
BOUNDARY = "drivetrain-benchmark"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def jpegs(photos: Path) -> list[bytes]:
    """64 different files, the same in every run: photos at equal distances in the sorted folder."""
    paths = [path for path in sorted(photos.rglob("*.jpg")) if _is_large(path)]
    return [_jpeg(path) for path in paths[:: len(paths) // COUNT][:COUNT]]


def body(name: str, data: bytes) -> bytes:
    """A multipart body with one file."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{FIELD}"; filename="{name}"\r\n'
    return f"{head}Content-Type: image/jpeg\r\n\r\n".encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()


def write(folder: Path, images: Sequence[bytes]) -> None:
    """The bodies as files ``00.body`` …, for clients in other processes."""
    folder.mkdir(parents=True)
    for number, data in enumerate(images):
        (folder / f"{number:02}.body").write_bytes(body(f"{number:02}.jpg", data))


def _is_large(path: Path) -> bool:
    with Image.open(path) as image:
        return max(image.size) >= SIDE


def _jpeg(path: Path) -> bytes:
    with Image.open(path) as image:
        small = image.convert("RGB")
    small.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
