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
    """Return the files of each photo, as a whole and in quarters, as PNG; none where there are none."""
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
    halves = (0, width // 2), (0, height // 2)
    boxes = [(left, top, left + width // 2, top + height // 2) for left in halves[0] for top in halves[1]]
    return tuple(_png(view) for view in (photo, *(photo.crop(box) for box in boxes)))


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=False, compress_level=1)
    return buffer.getvalue()
