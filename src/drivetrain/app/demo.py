"""The demo: is this solar cell defective? Real electroluminescence photos, from the package ``elpv-dataset``."""

from __future__ import annotations

import csv
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from ..core.errors import UsageError
from ..core.ports import Progress
from ..core.types import Dataset, Item
from .options import TrainOptions
from .train import train
from .trained import TrainResult

LICENCE_NOTICE = (
    "Solar-cell photos: ELPV dataset (Buerhop-Lutz et al. 2018; Deitsch et al. 2019, 2021), "
    "CC BY-NC-SA 4.0: for non-commercial use, with attribution, shared alike."
)

# A cell counts as defective when its annotated probability of a defect exceeds this.
DEFECTIVE_ABOVE = 0.5

# The photos are numbered module by module, and a module has 60 or 72 cells. Which cell belongs to which module is not
# published, so runs of cells stand in for modules: long enough that few modules are cut, short enough to give 44 groups.
CELLS_PER_GROUP = 60


def demo_dataset() -> Dataset:
    """The 2,624 cells, labelled ``defective`` or ``functional``, grouped by runs of neighbours.

    Raises:
        UsageError: the package with the photos is not installed.
    """
    spec = find_spec("elpv_dataset")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders:
        raise UsageError("the demo needs the package elpv-dataset; pip install 'drivetrain[demo]'")
    root = Path(folders[0]) / "data"
    with (root / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file, delimiter=" ", skipinitialspace=True) if row]
    items = tuple(
        Item(
            path=root / row[0],
            name=Path(row[0]).name,
            label="defective" if float(row[1]) > DEFECTIVE_ABOVE else "functional",
            group=f"cells {index // CELLS_PER_GROUP * CELLS_PER_GROUP + 1}–{(index // CELLS_PER_GROUP + 1) * CELLS_PER_GROUP}",
        )
        for index, row in enumerate(rows)
    )
    return Dataset(f"elpv-dataset {version('elpv-dataset')}", items)


def train_demo(out: Path, cache: Path | None, progress: Progress) -> TrainResult:
    """Train on the solar cells; the bundle goes to ``out/solar-cells.bundle``."""
    options = TrainOptions(cache=cache, name="Solar cells")
    return train(demo_dataset(), out / "solar-cells.bundle", options, progress)
