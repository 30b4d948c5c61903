"""Accuracy on photos the model has not seen: another source, a given split, other modules.

    python -m benchmarks.accuracy --out benchmarks/results/accuracy.json

Bears: trained on one search engine's photos, judged on another's thumbnails (polar bears, a class the model does not
know, left out). Clothing: train split → validation split. Solar cells: five contiguous runs of cells as folds, so that
cells of one module stay together.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import drivetrain as dt
from drivetrain.app.demo import demo_dataset
from drivetrain.core.types import Dataset

from .record import data_root, parser, record


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--backbone", default="auto")
    arguments.add_argument("--cache", type=Path)
    options = arguments.parse_args()
    root = data_root()
    with tempfile.TemporaryDirectory() as folder:
        common = {"backbone": options.backbone, "cache": options.cache or Path(folder) / "cache"}
        out = Path(folder)
        bears = dt.train(root / "bears", out / "bears", **common)
        lowres = dt.evaluate(bears.bundle, root / "bears_lowres")
        clothing = dt.train(root / "clothing" / "train", out / "clothing", **common)
        validation = dt.evaluate(clothing.bundle, root / "clothing" / "validation", keep_leaks=True)
        cells = demo_dataset()
        count = len(cells.items)
        runs = tuple(replace(item, group=f"run {row * 5 // count}") for row, item in enumerate(cells.items))
        solar = dt.train(Dataset(cells.source, runs), out / "cells", **common)
        record(
            {
                "bears on bears_lowres": _of(bears, lowres.accuracy.value, 0.925),
                "clothing train on validation": _of(clothing, validation.accuracy.value, 0.885),
                "solar cells, contiguous folds, AUC": _of(solar, solar.figures["auc"].value or 0.0, 0.84),
            },
            options.out,
        )


def _of(result: dt.TrainResult, value: float, target: float) -> dict[str, object]:
    return {
        "value": round(value, 4),
        "target": target,
        "reached": value >= target,
        "features": result.features,
        "train_seconds": round(result.seconds["total"], 1),
        "own_estimate": round(result.accuracy, 4),
    }


if __name__ == "__main__":
    main()
