"""What a training run found out: in full while it is in memory, and the part a person asks for first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.types import Dataset, FloatArray, IntArray, Item, Skipped
from ..curate.duplicates import Duplicates
from ..embed.recipe import View
from ..learn.figures import AnyFigures, ClassFigures
from ..learn.head import FittedHead
from ..learn.judged import Judged
from ..learn.targets import Targets
from ..learn.worst import Worst
from .contradictions import Contradictory
from .features import Chosen
from .holdout import HeldOut
from .options import TrainOptions, Tuning


@dataclass(frozen=True, eq=False)
class Ready:
    """What fine-tuning starts from."""

    items: tuple[Item, ...]
    """All A usable images; ``targets``, groups and weights are theirs."""
    targets: Targets
    groups_A: IntArray
    weights_A: FloatArray
    training: NDArray[np.intp]
    held: HeldOut | None
    """A split given with the data."""
    judged: Judged
    chosen: Chosen
    fitted: FittedHead
    options: TrainOptions


@dataclass(frozen=True, eq=False)
class Tuned:
    """A network that was trained itself. Shapes: A usable images, D embedding, O outputs."""

    tuning: Tuning
    name: str
    fingerprint: str
    views: tuple[View, ...]
    """What an answer is the mean of."""
    model: bytes
    """The ONNX graph, head included."""
    embeddings_AD: FloatArray
    """Of all usable images, as the graph gives them."""
    beta: float
    judged: Judged
    loss: float
    frozen_loss: float
    """Of a head on the frozen network, trained and judged on the same images."""
    error: float
    """Standard error of the difference between the two."""
    trained: str
    """Which part, in words."""
    images: int
    """It was trained on."""
    curve: str
    """Losses over the run, as SVG."""


@dataclass(frozen=True, eq=False)
class Trained:
    """Everything a training run found out, in memory. Shapes: N images the head was fitted on, O outputs."""

    dataset: Dataset
    options: TrainOptions
    targets: Targets
    """Of the N images."""
    items: tuple[Item, ...]
    """The N images, in the source's order."""
    rows_N: IntArray
    """Their positions among ``all_items``."""
    groups_N: IntArray
    user_groups: int
    """Groups of two and more images given with the data."""
    duplicates: Duplicates
    """Over all usable images, those of a held-out split included."""
    contradictory: tuple[Contradictory, ...]
    """Pictures of these that occur with targets that differ."""
    all_items: tuple[Item, ...]
    """What ``duplicates`` numbers."""
    chosen: Chosen
    fitted: FittedHead
    """On the frozen network, whether or not that is what is used in the end."""
    judged: Judged
    """What the figures are about: the held-out split where there is one, else out-of-fold answers."""
    leak: str | None
    """A sentence, where a given split leaks."""
    with_leak: AnyFigures | None
    tuned: Tuned | None
    """Where the network itself was trained, and that is what is used."""
    verdict_on_tuning: str | None
    """What became of fine-tuning, in words; None where it was not asked for."""
    skipped: tuple[Skipped, ...]
    figures: AnyFigures
    worst: Worst | None
    """The class, label or range of numbers that is answered worst; None where there is nothing to compare."""
    warnings: tuple[str, ...]

    @property
    def on_given_split(self) -> bool:
        """Whether the figures are about a split that came with the data, or about one that fine-tuning held out."""
        return not np.array_equal(self.judged.rows_J, self.rows_N)

    @property
    def grouped(self) -> bool:
        """Whether some of the N images have to be kept together."""
        return len(np.unique(self.groups_N)) < len(self.groups_N)

    @property
    def beta(self) -> float:
        """Of the model in use."""
        return self.tuned.beta if self.tuned else self.fitted.head.beta


def verdict_on(attempt: Tuned | None, *, kept: bool) -> str | None:
    """What became of fine-tuning, in words; None where it was not asked for."""
    if attempt is None:
        return None
    losses = f"held-out loss {attempt.loss:.4f} against {attempt.frozen_loss:.4f} frozen"
    spread = f"(smaller is better; standard error of the difference {attempt.error:.4f})"
    if not kept:
        return f"left out: it did not help, {losses} {spread}; the frozen network stands"
    epochs = attempt.tuning.epochs
    return f"{attempt.trained}, {epochs} epoch{'s' * (epochs > 1)}: {losses} {spread}"


@dataclass(frozen=True)
class TrainResult:
    """What `train` returns: where the bundle is and the figures a person asks for first."""

    bundle: Path
    report: Path | None
    images_used: int
    skipped: tuple[Skipped, ...]
    task: str
    classes: Mapping[str, int]
    """Images of each class or label; of each number, all of them."""
    figures: AnyFigures
    groups_duplicates: int
    groups_user: int
    random_split: str | None
    """What a random split would have claimed and what to think of it, in words; None where that says nothing."""
    worst: Worst | None
    """The class, label or range of numbers that is answered worst."""
    contradictory: tuple[Contradictory, ...]
    """A pair for each picture that occurs with labels that contradict each other."""
    leak: str | None
    features: str
    fine_tuning: str | None
    """What became of it, in words; None where it was not asked for."""
    warnings: tuple[str, ...]
    seconds: dict[str, float]
    example: Path | None
    """One of the files it was trained on; None where they are none of this machine."""
    untouched_split: str | None
    """A split of the data that was neither trained on nor judged by."""

    @property
    def images_skipped(self) -> int:
        """Files and rows that could not be used."""
        return len(self.skipped)

    @property
    def accuracy(self) -> float:
        """Share of right answers, 0–1.

        Raises:
            AttributeError: the model does not give one label of several.
        """
        if not isinstance(self.figures, ClassFigures):
            raise AttributeError(f"a model for {self.task} has no accuracy; see figures")
        return self.figures.accuracy.value

    def to_json(self) -> dict[str, object]:
        """The document that ``train --json`` prints."""
        return {
            "bundle": str(self.bundle),
            "report": str(self.report) if self.report else None,
            "images": {"used": self.images_used, "skipped": len(self.skipped)},
            "skipped_files": [asdict(skipped) for skipped in self.skipped],
            "task": self.task,
            "classes": dict(self.classes),
            **self.figures.to_json(),
            "groups": {"duplicates": self.groups_duplicates, "user": self.groups_user},
            "features": self.features,
            "fine_tuning": self.fine_tuning,
            "worst": self.worst.to_json() if self.worst else None,
            "contradictions": [one.to_json() for one in self.contradictory],
            "leak": self.leak,
            "warnings": list(self.warnings),
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
        }
