"""The demo: is this solar cell defective? Real electroluminescence photos, from the package ``elpv-dataset``."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from ..core.errors import UsageError
from ..core.installation import install_command
from ..core.ports import Progress
from ..core.types import Dataset, Item
from ..training.options import TrainOptions
from ..training.trained import TrainResult
from .run import train

LICENCE_NOTICE = (
    "Solar-cell photos: ELPV dataset (Buerhop-Lutz et al. 2018; Deitsch et al. 2019, 2021), "
    "CC BY-NC-SA 4.0: for non-commercial use, with attribution, shared alike."
)

# A cell counts as defective where its annotated probability of a defect exceeds this.
DEFECTIVE_ABOVE = 0.5

# The photos are numbered module by module, and a module has 60 or 72 cells. Which cell belongs to which module is not
# published, so runs of cells stand in for modules: long enough that few modules are cut, short enough to give 44 groups.
CELLS_PER_GROUP = 60

# Runs of cells that are kept out of training, to try the model on: one of each half, with monocrystalline and polycrystalline
# cells.
SAMPLE_GROUPS = frozenset({"cells 541–600", "cells 1681–1740"})
SAMPLES_PER_CLASS = 12


def demo_dataset() -> Dataset:
    """Return the 2,624 cells, labelled ``defective`` or ``functional``, grouped by runs of neighbours.

    Raises:
        UsageError: the package with the photos is not installed.
    """
    spec = find_spec("elpv_dataset")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders:
        raise UsageError(f"the demo needs the package elpv-dataset; {install_command('demo')}")
    root = Path(folders[0]) / "data"
    with (root / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file, delimiter=" ", skipinitialspace=True) if row]
    items = tuple(
        Item(
            reference=root / row[0],
            name=Path(row[0]).name,
            label="defective" if float(row[1]) > DEFECTIVE_ABOVE else "functional",
            group=f"cells {index // CELLS_PER_GROUP * CELLS_PER_GROUP + 1}–{(index // CELLS_PER_GROUP + 1) * CELLS_PER_GROUP}",
        )
        for index, row in enumerate(rows)
    )
    return Dataset(f"elpv-dataset {version('elpv-dataset')}", items)


def train_demo(out: Path, cache: Path | None, progress: Progress) -> TrainResult:
    """Train on the solar cells; the bundle goes to ``out/solar-cells.bundle``, pictures to try to ``out/samples``.

    The pictures to try are of groups that the model has not seen.
    """
    whole = demo_dataset()
    kept = tuple(item for item in whole.items if item.group not in SAMPLE_GROUPS)
    result = train(replace(whole, items=kept), bundle_in(out), TrainOptions(cache=cache, name="Solar cells"), progress)
    write_samples([item for item in whole.items if item.group in SAMPLE_GROUPS], samples_in(out))
    return result


def bundle_in(out: Path) -> Path:
    """The place of the demo's bundle."""
    return out / "solar-cells.bundle"


def samples_in(out: Path) -> Path:
    """The folder of the demo's pictures to try."""
    return out / "samples"


def write_samples(items: Sequence[Item], folder: Path) -> None:
    """Copy the first pictures of each class, in folders named after it."""
    for label in sorted({item.label for item in items if item.label}):
        (folder / label).mkdir(parents=True, exist_ok=True)
        for item in [item for item in items if item.label == label][:SAMPLES_PER_CLASS]:
            shutil.copyfile(item.path, folder / label / item.name)
