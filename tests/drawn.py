"""Made-up pictures whose labels and numbers can be seen: what is drawn on them, how large, and how bright."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SHAPES = ("disc", "square", "stripes")


@dataclass(frozen=True)
class Drawing:
    """One picture's file and what there is to be seen."""

    path: Path
    labels: tuple[str, ...]
    """Which of `SHAPES` are drawn."""
    size: float
    """Half the height of a shape, in pixels."""
    light: float
    """Grey level of the shapes' ink, 120 to 250."""


def draw_several(folder: Path, count: int, seed: int = 0) -> tuple[Drawing, ...]:
    """``NNN.png``, 72×64 pixels, every one different; each shape stands in about half of them, some hold none."""
    folder.mkdir(parents=True, exist_ok=True)
    return tuple(_draw(folder / f"{n:03}.png", np.random.default_rng((seed, n))) for n in range(count))


def _draw(path: Path, rng: np.random.Generator) -> Drawing:
    labels = tuple(shape for shape in SHAPES if rng.random() < 0.5)
    size, light = float(rng.uniform(3, 20)), float(rng.integers(120, 250))
    # A mottled ground, so that two pictures without a shape are no copies of one another.
    ground_HWK = rng.integers(0, 90, (8, 9, 3)).astype(np.uint8)
    image = Image.fromarray(ground_HWK).resize((72, 64), Image.Resampling.BICUBIC)
    pen, ink = ImageDraw.Draw(image), (int(light),) * 3
    for _ in range(2):
        for shape in labels:
            x, y = rng.integers(10, 62), rng.integers(10, 54)
            if shape == "disc":
                pen.ellipse((x - size, y - size, x + size, y + size), ink)
            elif shape == "square":
                pen.rectangle((x - size, y - size, x + size, y + size), ink)
            else:
                for step in range(-2, 3):
                    pen.line((x - 20, y + step * size / 2 - 6, x + 20, y + step * size / 2 + 6), ink)
    image.save(path)
    return Drawing(path, labels, round(size, 3), light)


def write_table(path: Path, rows: Iterable[Sequence[object]], columns: Sequence[str] = ("path", "label")) -> Path:
    """A CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def draw_deep(folder: Path) -> tuple[Path, ...]:
    """Pictures of more than 8 bits: 12 of 16 bits, floating point with a pixel above 1, and with a value for “no data”."""
    folder.mkdir(parents=True, exist_ok=True)
    grey_HW = np.linspace(0, 1, 24 * 20, dtype=np.float32).reshape(20, 24)
    hot_HW, empty_HW = grey_HW.copy(), grey_HW.copy()
    hot_HW[3, 4], empty_HW[:5] = 1.001, -9999
    pictures = {
        "12-bit.png": np.rint(grey_HW * 4095).astype(np.uint16),
        "float.tif": grey_HW,
        "hot.tif": hot_HW,
        "no-data.tif": empty_HW,
    }
    for name, pixels_HW in pictures.items():
        Image.fromarray(pixels_HW).save(folder / name)
    return tuple(folder / name for name in pictures)
