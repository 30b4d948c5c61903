"""Labelled pictures for the committed bundle of colours (blau, grün, rot), as they might come from the field."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"blau": (30, 40, 210), "grün": (20, 190, 60), "rot": (210, 60, 30)}


def draw_field(root: Path, each: int) -> Path:
    """``<colour>/NN.png``, every one of another pattern, and ``field.csv`` with the camera of each; two are copies."""
    rng, rows = np.random.default_rng(5), []
    for name, colour in COLOURS.items():
        (root / name).mkdir()
        for index in range(each):
            patches = np.clip(np.array(colour) + rng.integers(-28, 29, (6, 6, 3)), 0, 255).astype(np.uint8)
            path = root / name / f"{index:02}.png"
            Image.fromarray(patches).resize((48, 48), Image.Resampling.NEAREST).save(path)
            rows.append((f"{name}/{path.name}", name, "north" if index % 2 else "south"))
    shutil.copy(root / "rot" / "00.png", root / "rot" / "copy.png")
    rows.append(("rot/copy.png", "rot", "south"))
    with (root / "field.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "label", "camera"), *rows])
    return root
