"""Accuracy on pictures of more than 8 bits, each way of writing them beside the same pictures in 8-bit grey.

    python -m benchmarks.ranges --out benchmarks/results/ranges.json

The bears, at most 320 pixels a side and in grey, are written anew as cameras and programs write such pictures. A model is trained
on each, and its out-of-fold accuracy told; ``by each picture``: the same by each picture's own extremes, as it was before ranges
were fitted. ``guessed``: the model of 8-bit pictures, which knows no range, asked with them; these are the pictures that it was
trained on, so that only the difference to ``guessed`` of 8-bit grey says anything.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import drivetrain as dt
from drivetrain.core.ports import Silent
from drivetrain.data.block.blocks import CategoryBlock, ImageBlock
from drivetrain.data.block.datablock import DataBlock
from drivetrain.data.block.labellers import parent_label
from drivetrain.data.image.preprocess import for_images
from drivetrain.data.image.render import Render
from drivetrain.data.sources.opening import open_source

from .record import data_root, parser, record

BACKBONE = "efficientnet-lite0"
SIDE = 320
TARGET = 0.01
"""The most that a way of writing may cost."""

Write = Callable[[NDArray[np.float64], np.random.Generator], tuple[NDArray[Any], str]]


def whole(full: float, offset: float = 0) -> Write:
    """Integers of 16 bits from ``offset`` on."""
    return lambda grey_HW, _: (np.rint(offset + grey_HW * full).astype(np.uint16), ".png")


def floats(grey_HW: NDArray[np.float64], _: np.random.Generator) -> tuple[NDArray[Any], str]:
    return grey_HW.astype(np.float32), ".tif"


def hot(grey_HW: NDArray[np.float64], rng: np.random.Generator) -> tuple[NDArray[Any], str]:
    """Floating point in 0–1, a tenth of the pictures with one pixel above."""
    values_HW = grey_HW.astype(np.float32)
    if rng.random() < 0.1:
        values_HW[rng.integers(values_HW.shape[0]), rng.integers(values_HW.shape[1])] = rng.choice([1.001, 3, 50])
    return values_HW, ".tif"


def no_data(grey_HW: NDArray[np.float64], rng: np.random.Generator) -> tuple[NDArray[Any], str]:
    """Floating point in 0–1, a quarter of the pictures with a corner of −9999."""
    values_HW = grey_HW.astype(np.float32)
    if rng.random() < 0.25:
        values_HW[: values_HW.shape[0] // 4, : values_HW.shape[1] // 4] = -9999
    return values_HW, ".tif"


def kelvins(grey_HW: NDArray[np.float64], _: np.random.Generator) -> tuple[NDArray[Any], str]:
    return (280 + grey_HW * 30).astype(np.float32), ".tif"


def signed(grey_HW: NDArray[np.float64], _: np.random.Generator) -> tuple[NDArray[Any], str]:
    return np.rint(grey_HW * 4000 - 1024).astype(np.int32), ".tif"


WAYS: dict[str, Write] = {
    "10 bits in 16": whole(1023),
    "12 bits in 16": whole(4095),
    "16 bits": whole(65535),
    "thermal, 7000 to 9000": whole(2000, 7000),
    "signed, -1024 to 2976": signed,
    "floats 0 to 1": floats,
    "floats with hot pixels": hot,
    "floats with -9999": no_data,
    "kelvins, 280 to 310": kelvins,
}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--per-class", type=int, default=120)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        grey = _grey(data_root() / "bears", folder / "grey", options.per_class)
        shallow = _trained(grey, folder / "8")
        result: dict[str, object] = {
            "8-bit grey": {
                "accuracy": round(shallow.accuracy, 4),
                "guessed": _asked(shallow, grey),
                "images": shallow.images_used,
            }
        }
        for name, write in WAYS.items():
            source = _written(grey, folder / name, write)
            found = _trained(source, folder / f"{name} bundle")
            before = _trained(source, folder / f"{name} before", by_picture=True)
            result[name] = {
                "accuracy": round(found.accuracy, 4),
                "range": for_images(dt.load(found.bundle).manifest.input.preprocess).render.known,
                "reached": found.accuracy >= shallow.accuracy - TARGET,
                "by each picture": round(before.accuracy, 4),
                "guessed": _asked(shallow, source),
            }
            print(name, result[name], file=sys.stderr, flush=True)
        record({"target": f"at most {TARGET:.0%} below 8-bit grey", **result}, options.out)


def _grey(source: Path, folder: Path, per_class: int) -> Path:
    """Write the pictures in grey, ``per_class`` of each."""
    counts: dict[str, int] = {}
    for item in open_source(source).items:
        label = item.label or ""
        if counts.get(label, 0) == per_class:
            continue
        try:
            with Image.open(item.path) as image:
                small = image.convert("L")
        except OSError:
            continue
        small.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC)
        place = folder / label / f"{counts.get(label, 0):04}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        small.save(place)
        counts[label] = counts.get(label, 0) + 1
    return folder


def _written(source: Path, folder: Path, write: Write) -> Path:
    rng = np.random.default_rng(0)
    for path in sorted(source.rglob("*.png")):
        with Image.open(path) as image:
            values_HW, ending = write(np.asarray(image) / 255, rng)
        place = (folder / path.parent.name / path.name).with_suffix(ending)
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values_HW).save(place)
    return folder


def _asked(shallow: dt.TrainResult, source: Path) -> float:
    """Return the accuracy of the model of 8-bit pictures on others."""
    return round(dt.evaluate(shallow.bundle, source, use_cache=False, keep_leaks=True).accuracy.value, 4)


def _trained(source: Path, out: Path, *, by_picture: bool = False) -> dt.TrainResult:
    block = None
    if by_picture:
        pictures = ImageBlock(render=Render(colour="stored", ranges="picture"))
        block = DataBlock((pictures, CategoryBlock), get_y=parent_label)
    return dt.train(source, out, backbone=BACKBONE, use_cache=False, block=block, progress=Silent())


if __name__ == "__main__":
    main()
