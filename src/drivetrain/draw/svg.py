"""A drawing that a notebook shows by itself, and the frame and colours that such drawings share.

Unlike the report's charts these stand alone: on a notebook's white or dark page, in a mail, in a slide. So they bring
their own background, and colours instead of class names. Blue for what is right and for figures, orange for what is
wrong: the report's pair, which colour-blind readers tell apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path

PAPER, INK, MUTED, GRID, EDGE = "#ffffff", "#1b232d", "#586371", "#e6eaee", "#d3dae1"
BLUE, ORANGE, BAND = "#1d5fa6", "#c25a06", "#dbe8f6"

# The report's steps from nearly nothing to nearly all, and the ink that can be read on each.
BLUES = ("#f7f9fb", "#eff5fb", "#dbe8f6", "#bad3ee", "#8cb4e0", "#3672b4", "#174a82")
ORANGES = ("#f7f9fb", "#fdf2e6", "#fbe2c6", "#f5c795", "#eca963", "#ad5509", "#7f3a04")
DARK_FROM = 5

# The widest drawing that is fitted to the page; wider ones keep their size, so that names stay legible, and can be scrolled.
WIDEST_FITTED = 1300

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', sans-serif"


@dataclass(frozen=True)
class Svg:
    """SVG text, which a notebook draws."""

    text: str

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Svg of {len(self.text):,} characters>"

    def _repr_svg_(self) -> str:
        return self.text

    def save(self, path: str | Path) -> None:
        """Write the drawing to a file.

        Raises:
            OSError: the file cannot be written.
        """
        Path(path).write_text(self.text, encoding="utf-8")


def drawing(parts: Iterable[str], width: float, height: float, label: str) -> Svg:
    """Put the parts on white paper; ``label`` is the text for screen readers."""
    style = ' style="max-width:100%;height:auto"' if width <= WIDEST_FITTED else ""
    return Svg(
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(label)}" width="{width:g}" '
        f'height="{height:g}" viewBox="0 0 {width:g} {height:g}"{style} '
        f'font-family="{FONT}" font-size="12" fill="{INK}">'
        f'<rect width="{width:g}" height="{height:g}" rx="6" fill="{PAPER}"/>{"".join(parts)}</svg>'
    )


def text(
    x: float,
    y: float,
    content: str,
    *,
    anchor: str = "start",
    size: float = 12,
    fill: str = INK,
    bold: bool = False,
    turn: float = 0,
) -> str:
    """Draw a line of text at a baseline; ``turn`` in degrees around (x, y)."""
    turned = f' transform="rotate({turn:g} {x:.1f} {y:.1f})"' if turn else ""
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size:g}" fill="{fill}"{weight}{turned}>'
        f"{escape(content)}</text>"
    )
