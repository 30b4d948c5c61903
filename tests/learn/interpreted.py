"""Answers with known mistakes, and drawings taken apart. Shapes: N items, C classes."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from drivetrain.core.types import IntArray, Item
from drivetrain.draw.svg import Svg
from drivetrain.stats.metrics import Floats, softmax

SVG = "{http://www.w3.org/2000/svg}"


def items(count: int) -> list[Item]:
    """Files that do not exist."""
    return [Item(Path(f"/nowhere/{i:04}.jpg"), f"folder/{i:04}.jpg") for i in range(count)]


def pictured(folder: Path, colours: list[tuple[int, int, int]]) -> list[Item]:
    """Files of one colour each."""
    made = []
    for i, colour in enumerate(colours):
        path = folder / f"{i}.png"
        Image.new("RGB", (60, 40), colour).save(path)
        made.append(Item(path, path.name))
    return made


def answers(count: int, classes: int, seed: int = 0) -> tuple[IntArray, Floats]:
    """Labels and probabilities of a model that is right more often than not."""
    rng = np.random.default_rng(seed)
    labels_N = rng.integers(0, classes, count)
    logits_NC = rng.normal(size=(count, classes))
    logits_NC[np.arange(count), labels_N] += rng.exponential(2, count)
    return labels_N.astype(np.int64), softmax(logits_NC)


def texts(svg: Svg) -> list[str]:
    """Every line of text; the drawing must be well-formed."""
    return [node.text or "" for node in ElementTree.fromstring(svg.text).iter(f"{SVG}text")]


def stands_alone(svg: Svg) -> bool:
    """Has its own paper, and takes nothing from a page."""
    root = ElementTree.fromstring(svg.text)
    return (
        root[0].tag == f"{SVG}rect"
        and root[0].get("fill") == "#ffffff"
        and "var(" not in svg.text
        and "class=" not in svg.text
    )
