"""The pictures a model did worst on, on one sheet with a line below each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from PIL import Image, ImageFont

from ..core.errors import InputError
from ..core.reference import Reference, read_reference
from ..data.image.contact_sheet import CELL, FONT_SIZE, contact_sheet
from ..data.image.decode import decode
from ..data.image.preprocess import render_of
from ..data.image.render import SRGB, Render
from ..data.preparation import Preparation
from ..draw.charts import shorten

# Letters for other scripts are this much wider than the sheet's own.
WIDE_LETTERS = 1.1
# The sign between truth and answer, which every font has, unlike an arrow.
CALLED = "›"
MISSING = (236, 238, 241)


class Pictured(Protocol):
    """A picture's place, with the name people know it by; `core.types.Item` is one."""

    @property
    def reference(self) -> Reference: ...

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Pictured)


def loss_sheet(
    items: Sequence[T],
    captions: Sequence[str],
    nrows: int | None = None,
    heat: Callable[[T], Image.Image] | None = None,
    preparation: Preparation | None = None,
) -> Image.Image:
    """Draw the items' pictures, or ``heat``'s drawings of them; a file that can no longer be read is a grey square.

    Values and colours become levels as in ``preparation``, a network's.

    Raises:
        UsageError: there is nothing to show, or ``nrows`` is no number of rows.
    """
    render = SRGB if preparation is None else render_of(preparation)
    return contact_sheet([heat(item) if heat else _picture(item, render) for item in items], captions, nrows)


def _picture(item: Pictured, render: Render) -> Image.Image:
    try:
        return decode(read_reference(item.reference), _thumbnail, render=render).image
    except (InputError, OSError):
        return Image.new("RGB", (CELL, CELL), MISSING)


def _thumbnail(width: int, height: int) -> tuple[int, int] | None:
    """The size that a large JPEG may be decoded at: twice what is shown."""
    scale = 2 * CELL / max(width, height)
    return (round(width * scale) + 1, round(height * scale) + 1) if scale < 1 else None


def named(names: Sequence[str], figures: str) -> str:
    """Write ``name › name figures`` in one caption; where there is no room, the longest name is cut."""
    columns = max(map(len, names))
    while True:
        short = [shorten(" ".join(name.split()), columns) for name in names]
        caption = f"{f' {CALLED} '.join(short)} {figures}"
        if columns <= 4 or fits(caption):
            return caption
        columns -= 1


def fits(caption: str) -> bool:
    """Tells whether a caption fits below a picture in full."""
    return bool(ImageFont.load_default(FONT_SIZE).getlength(caption) * WIDE_LETTERS <= CELL)
