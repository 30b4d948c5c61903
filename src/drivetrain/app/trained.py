"""What a training run found out: in full while it is in memory, and the part a person asks for first."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from ..core.types import Dataset, IntArray, Interval, Item, Skipped
from ..curate.duplicates import Duplicates
from ..learn.head import FittedHead
from .features import Chosen
from .holdout import HeldOut
from .options import TrainOptions


@dataclass(frozen=True)
class Figures:
    """The headline figures, and in words how they were obtained."""

    accuracy: Interval
    random_split: float
    log_loss: float
    ece: float
    auc: float | None
    balanced_accuracy: float
    how: str


@dataclass(frozen=True)
class Trained:
    """Everything a training run found out, in memory. Shapes: N images the head was fitted on, C classes."""

    dataset: Dataset
    options: TrainOptions
    classes: tuple[str, ...]
    items: tuple[Item, ...]
    """The N images, in the source's order."""
    labels_N: IntArray
    groups_N: IntArray
    user_groups: int
    """Groups of two and more images given with the data."""
    duplicates: Duplicates
    """Over all usable images, those of a held-out split included."""
    all_items: tuple[Item, ...]
    """What ``duplicates`` numbers."""
    chosen: Chosen
    fitted: FittedHead
    held_out: HeldOut | None
    skipped: tuple[Skipped, ...]
    figures: Figures
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class TrainResult:
    """What `train` returns: where the bundle is and the figures a person asks for first."""

    bundle: Path
    report: Path | None
    images_used: int
    skipped: tuple[Skipped, ...]
    classes: dict[str, int]
    figures: Figures
    groups_duplicates: int
    groups_user: int
    leak: str | None
    features: str
    warnings: tuple[str, ...]
    seconds: dict[str, float]

    @property
    def images_skipped(self) -> int:
        """Files and rows that could not be used."""
        return len(self.skipped)

    def to_json(self) -> dict[str, object]:
        """The document that ``train --json`` prints."""
        figures = self.figures
        document: dict[str, object] = {
            "bundle": str(self.bundle),
            "report": str(self.report) if self.report else None,
            "images": {"used": self.images_used, "skipped": len(self.skipped)},
            "skipped_files": [asdict(skipped) for skipped in self.skipped],
            "classes": self.classes,
            "accuracy": {
                "value": figures.accuracy.value,
                "low": figures.accuracy.low,
                "high": figures.accuracy.high,
                "method": f"{figures.how}; {figures.accuracy.method}",
            },
            "accuracy_random_split": {"value": figures.random_split},
            "log_loss": figures.log_loss,
            "ece": figures.ece,
            "groups": {"duplicates": self.groups_duplicates, "user": self.groups_user},
            "features": self.features,
            "leak": self.leak,
            "warnings": list(self.warnings),
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
        }
        if figures.auc is not None:
            document["auc"] = figures.auc
        return document
