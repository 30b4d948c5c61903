"""Photos that another package of the installation brings along: two of scikit-learn's, if it happens to be there.

``china.jpg`` (a temple, by danielbuechele) and ``flower.jpg`` (by vultilion) are published under CC BY 2.0. They are looked at
where they lie, and neither kept nor shown.
"""

from __future__ import annotations

import io
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

NAMES = ("china.jpg", "flower.jpg")


def packaged_photos() -> tuple[tuple[bytes, ...], ...]:
    """Return the files of each photo, as a whole and in halves, as PNG; none where there are none."""
    found = find_spec("sklearn")  # which does not import it
    if found is None or found.origin is None:
        return ()
    folder = Path(found.origin).parent / "datasets" / "images"
    return tuple(views for name in NAMES if (views := _views(folder / name)))


def _views(path: Path) -> tuple[bytes, ...]:
    try:
        with Image.open(path) as opened:
            photo = opened.convert("RGB")
    except OSError:
        return ()
    width, height = photo.size
    left, right = (0, 0, width // 2, height), (width // 2, 0, width, height)
    return tuple(_png(view) for view in (photo, photo.crop(left), photo.crop(right)))


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=0)  # read once and kept nowhere
    return buffer.getvalue()
