"""Things that tell items apart before anybody looks at the picture: its traits, folder and columns of its table, in cells."""

from __future__ import annotations

import colorsys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from ..core.types import Item
from ..data.image.traits import Traits
from .cells import CATEGORIES, Cells, categories, ranges

# Modes of Pillow → words beside the format.
MODES = {"L": "grey", "LA": "grey", "1": "black and white", "P": "of a palette", "RGBA": "with transparency"}
# Hues in degrees up to which a colour has its name.
HUES = ((15, "red"), (45, "orange"), (70, "yellow"), (165, "green"), (200, "cyan"), (260, "blue"), (330, "purple"))
# A colour below the first share of full saturation or brightness has no hue; lighter than the second, it is white.
PALE, DARK, LIGHT = 0.15, 0.2, 0.85
# A border whose colour varies by less is one plain colour.
PLAIN = 0.04


@dataclass(frozen=True, eq=False)
class Told:
    """The words of one thing about each of N items."""

    slug: str
    """The name in files and programs, which never changes: ``file-type``."""
    name: str
    """The name people read, in the middle of a sentence: “file type”."""
    parts: tuple[Cells, ...]


def told_of(
    items: Sequence[Item], traits: Sequence[Traits], columns: Mapping[str, Mapping[str, str]]
) -> tuple[Told, ...]:
    """Tell items apart by everything that does; ``columns``: values by item name of each column of the table.

    What is the same for all items is left out.
    """
    found = {
        ("size", "image size"): _size(traits),
        ("aspect", "shape"): _aspect(traits),
        ("file-type", "file type"): [categories([file_type(one) for one in traits], "")],
        ("compression", "compression"): _compression(traits),
        ("sharpness", "sharpness"): [
            ranges([one.sharpness for one in traits], "sharpness", "{:.2f}".format, "nothing to be sharp")
        ],
        ("border", "border or background colour"): _border(traits),
        ("camera", "camera"): [categories([one.camera for one in traits], "no camera named")],
        ("date", "date"): _date(traits),
        ("folder", "folder"): [categories(folders_of(items), "no folder")],
        **{
            (f"column {column}", f"column “{column}”"): [categories([of.get(item.name) for item in items], "nothing")]
            for column, of in columns.items()
        },
    }
    told = []
    for (slug, name), cells in found.items():
        parts = tuple(one for one in cells if one is not None)
        if parts and not (slug.startswith("column ") and _names_labels(parts[0], items)):
            told.append(Told(slug, name, parts))
    return tuple(told)


def file_type(traits: Traits) -> str:
    """The format, and what is unusual about how it is stored: ``PNG with transparency``."""
    return " ".join(filter(None, (traits.format, MODES.get(traits.mode, ""))))


def folders_of(items: Sequence[Item]) -> list[str | None]:
    """Return the folder of each item without the parts that are the labels' own; None where nothing is left.

    >>> folders_of([Item(None, "north/bear/1.jpg", "bear"), Item(None, "bear/2.jpg", "bear")])
    ['north', None]
    """
    labels = {text.casefold() for item in items for text in (item.labels or (item.label or "",))}
    left = []
    for item in items:
        parts = [part for part in PurePosixPath(item.name).parts[:-1] if part.casefold() not in labels]
        left.append("/".join(parts) or None)
    # A folder an item, or a few, says nothing of the others.
    return left if len(set(left)) <= max(CATEGORIES, len(left) // 10) else [None] * len(left)


def colour_name(red: float, green: float, blue: float) -> str:
    """Return the plain name of a colour.

    >>> colour_name(1, 1, 1), colour_name(0.1, 0.1, 0.1), colour_name(0.2, 0.4, 0.9)
    ('white', 'black', 'blue')
    """
    hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
    if value < DARK:
        return "black"
    if saturation < PALE:
        return "white" if value > LIGHT else "grey"
    degrees = 360 * hue
    name = next((name for limit, name in HUES if degrees < limit), "red")
    return "brown" if name == "orange" and value < 1 - DARK else name


def _names_labels(cells: Cells, items: Sequence[Item]) -> bool:
    """Tells whether a column says the same as the labels in other words, as an identifier of them does."""
    pairs = set(zip(cells.cells_N.tolist(), (item.label for item in items), strict=True))
    values, labels = Counter(value for value, _ in pairs), Counter(label for _, label in pairs)
    return max(values.values()) == 1 and max(labels.values()) == 1


def _size(traits: Sequence[Traits]) -> list[Cells | None]:
    return [ranges([one.shorter for one in traits], "shorter side", "{:.0f}".format, "", " pixels")]


def _aspect(traits: Sequence[Traits]) -> list[Cells | None]:
    return [ranges([one.aspect for one in traits], "width", "{:.2f}".format, "", " times the height")]


def _compression(traits: Sequence[Traits]) -> list[Cells | None]:
    return [
        ranges([one.quality for one in traits], "JPEG quality", "{:.0f}".format, "no JPEG"),
        ranges([one.bytes_a_pixel for one in traits], "file size", "{:.2f}".format, "", " bytes a pixel"),
    ]


def _border(traits: Sequence[Traits]) -> list[Cells | None]:
    named = [f"{'plain ' * (one.border_spread < PLAIN)}{colour_name(*one.border)} border" for one in traits]
    light = [0.299 * red + 0.587 * green + 0.114 * blue for red, green, blue in (one.border for one in traits)]
    spread = [one.border_spread for one in traits]
    return [
        categories(named, ""),
        ranges(light, "border brightness", "{:.2f}".format, ""),
        ranges(spread, "unevenness of the border", "{:.2f}".format, ""),
    ]


def _date(traits: Sequence[Traits]) -> list[Cells | None]:
    moments = [None if one.taken_at is None else datetime.fromisoformat(one.taken_at) for one in traits]
    days = [None if at is None else at.timestamp() for at in moments]
    hours = [None if at is None else f"taken from {at.hour // 6 * 6} to {at.hour // 6 * 6 + 6} h" for at in moments]
    if all(at is None for at in moments):
        return []
    return [ranges(days, "taken", _day, "no date"), categories(hours, "no date")]


def _day(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp).astimezone().date().isoformat()
