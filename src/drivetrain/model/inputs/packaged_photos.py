"""Photos that another package of the installation brings along: two of scikit-learn's, if it happens to be there.

``china.jpg`` (a temple, by danielbuechele) and ``flower.jpg`` (by vultilion) are published under CC BY 2.0. They are looked at
where they lie, and neither kept nor shown.
"""

from __future__ import annotations

import io
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from PIL import Image

from ...core.errors import ImageError
from ...core.plain_file import read_plain
from ...data.image.decode import decode

NAMES = ("china.jpg", "flower.jpg")


def packaged_photos() -> tuple[tuple[bytes, ...], ...]:
    """Return the files of each photo, as a whole and in halves, as PNG; none where there are none."""
    try:
        folder = Path(str(distribution("scikit-learn").locate_file("sklearn/datasets/images")))
    except PackageNotFoundError:
        return ()
    return tuple(views for name in NAMES if (views := _views(folder / name)))


def _views(path: Path) -> tuple[bytes, ...]:
    try:
        photo = decode(read_plain(path)).image
    except (OSError, ImageError):
        return ()
    width, height = photo.size
    left, right = (0, 0, width // 2, height), (width // 2, 0, width, height)
    return tuple(_png(view) for view in (photo, photo.crop(left), photo.crop(right)))


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=0)  # read once and kept nowhere
    return buffer.getvalue()
