"""What a person may choose about a training run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..embed.recipe import View
from ..learn.head import Balance
from ..learn.reading import TargetOptions, Task

AUTO = "auto"
# Enough to show something similar, about a megabyte.
GALLERY = 300


@dataclass(frozen=True)
class Tuning:
    """How far and how fast the network itself is trained."""

    epochs: int = 4
    stages: int | None = None
    """Train only the last so many stages; None: as suits the device (`training.tuning`)."""
    rate: float = 1e-3
    """Peak learning rate of the head; the first trained stage gets a tenth."""
    batch_size: int | None = None
    """Images a step; None: 32, fewer where an epoch would have few steps."""
    turns: bool = False
    """Vary images by all eight flips and quarter turns: for pictures without an up."""
    device: str | None = None
    flip_vertical: bool = False
    """Vary images by exchanging top and bottom too: for pictures without an up that always lie along the same axis."""
    maxima: bool = False
    """Pool each block of features by its largest value over the places too, not by the mean alone (as fastai's concat
    pooling does): for small marks, such as cracks, that a mean over the picture drowns."""
    tta: bool = False
    """Answer by the mean over `views`: test-time augmentation."""
    swa: bool = False
    """Keep the mean of the weights over the later part of training: stochastic weight averaging."""

    @property
    def views(self) -> tuple[View, ...]:
        """What an answer is the mean of: the image, and with ``tta`` its mirror images that training showed too."""
        if not self.tta:
            return (View.PLAIN,)
        if self.flip_vertical or self.turns:
            return (View.PLAIN, View.MIRROR, View.FLIP, View.HALF_TURN)
        return (View.PLAIN, View.MIRROR)


@dataclass(frozen=True)
class TrainOptions:
    """Choices with their defaults; the command line and `drivetrain.train` both fill this in."""

    backbone: str = AUTO
    """A packaged backbone's name, ``FILE.onnx``, ``hub:owner/name``, or ``auto``."""
    budget_s: float = 60.0
    """Seconds that embedding may take on the nominal machine of `training.budget`, counted, not timed; what is tried fits."""
    resize: Literal["crop", "pad", "squish"] | None = None
    """How an image becomes the network's square; the backbone's own way by default."""
    size: int | None = None
    """Side of the network's input in pixels; its own by default."""
    balance: Balance = "none"
    accept: float = 0.9
    """Confidence from which on an answer is marked ``accept``."""
    seed: int = 0
    name: str | None = None
    """What the bundle calls itself; by default the name of the source."""
    cache: Path | None = None
    """Folder of the embedding cache; the user's cache folder by default."""
    use_cache: bool = True
    workers: int | None = None
    task: Task = "classification"
    delimiter: str = TargetOptions.delimiter
    """Between the labels of one image, for ``multi-label``."""
    target_names: tuple[str, ...] = ()
    """What numbers are called, for ``regression``."""
    gallery: int = GALLERY
    """Training images of which the bundle keeps a small picture; 0 keeps none."""
    deep: Tuning | None = None
    """Fine-tune the network itself; None: a head on the frozen one."""

    @property
    def targets(self) -> TargetOptions:
        """How targets are read."""
        return TargetOptions(self.task, self.delimiter, self.target_names)
