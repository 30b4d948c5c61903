"""One of each kind in the registry, made by hand, for the tests that every kind has to pass. A further kind adds its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.model.kinds.classes import ClassKind
from drivetrain.model.kinds.kind import Kind
from drivetrain.model.kinds.labels import LabelKind
from drivetrain.model.kinds.numbers import NumberKind
from drivetrain.model.kinds.ordinal import OrdinalKind
from drivetrain.model.part import Calibration

BUNDLES = Path(__file__).parent.parent / "bundles"
CALIBRATION = Calibration(beta=1.25, fitted_on="some logits")


@dataclass(frozen=True)
class Example:
    """A kind, and what its items are labelled with."""

    kind: Kind
    targets: NDArray[Any]
    """As ``arrays.safetensors`` keeps them: at least two items that differ."""
    texts: tuple[str, ...]
    """The first of them, as people read them."""
    faulty: NDArray[Any] | None
    """Finite targets of the right type and shape that cannot be; None where all can."""
    old: str | None = None
    """A bundle of an old schema version."""

    @property
    def document(self) -> dict[str, Any]:
        """The manifest of the old bundle, as it stands on disk."""
        assert self.old is not None
        return dict(json.loads((BUNDLES / self.old / "manifest.json").read_bytes()))


EXAMPLES = {
    "classification": Example(
        ClassKind(classes=("cat {0}", "dog", "fox"), calibration=CALIBRATION),
        np.array([0, 2, 1]),
        ("cat {0}", "fox"),
        np.array([0, 3, 1]),
        "v2-classes",
    ),
    "multi-label": Example(
        LabelKind(labels=("big", "red"), thresholds=(0.5, 0.25), calibration=CALIBRATION),
        np.float32([[1, 1], [0, 0], [0, 1]]),
        ("big, red", "–"),
        np.float32([[1, 0.5], [0, 0], [0, 1]]),
        "v2-labels",
    ),
    "regression": Example(
        NumberKind(targets=("size", "light"), half_widths=(2.0, 30.0), coverage=0.9, spreads=(4.0, 50.0)),
        np.float32([[12.5, 180], [3, 240], [8, 120]]),
        ("size 12.5, light 180", "size 3, light 240"),
        None,
        "v2-numbers",
    ),
    "ordinal": Example(
        OrdinalKind(grades=("low", "middle {0}", "high"), calibration=CALIBRATION),
        np.array([0, 2, 1]),
        ("low", "high"),
        np.array([0, 3, 1]),
    ),
}
