"""The table of a person's choices for a training run.

`drivetrain train` has its options from here, `drivetrain.train` its keyword arguments and their documentation, and a settings
file its names; see `core.option`. Nothing heavy may be imported here: ``--help`` is built from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..core.option import Option, Row, by_colon, option, part, rows, switched
from ..learn.balance import Balance
from ..learn.target_options import TargetOptions

if TYPE_CHECKING:
    from ..embed.recipe import View

AUTO = "auto"
Resize = Literal["crop", "pad", "squish"]
GateMode = Literal["marginal", "training-conditional"]

_WITH_DEEP = "With --deep: "


@dataclass(frozen=True)
class Tuning:
    """Choices on how far and how fast the network itself is trained."""

    epochs: int = option(
        4,
        Option(
            _WITH_DEEP + "passes over the images ({default} unless given).",
            about="passes over the images while doing so, {default} by default.",
            low=1,
        ),
    )
    stages: int | None = option(
        None,
        Option(
            _WITH_DEEP + "train only the last so many stages (all on a GPU, 3 on a CPU).",
            about="train only the last so many stages; by default all on a GPU, 3 on a CPU.",
            low=1,
        ),
    )
    rate: float = option(
        1e-3,
        Option(
            about="peak learning rate of the head, {default} by default; the first trained stage gets a tenth.",
            above=0,
        ),
    )
    batch_size: int | None = option(
        None, Option(about="images a step; 32 by default, fewer where there are few images.", low=1)
    )
    turns: bool = option(
        False,
        Option(
            _WITH_DEEP + "pictures have no up; vary them by turning and flipping.",
            about="pictures have no up: vary them by all flips and quarter turns.",
        ),
    )
    flip_vertical: bool = option(
        False,
        Option(
            _WITH_DEEP + "top and bottom may be exchanged, but pictures never lie across.",
            about="pictures have no up, but always lie along the same axis: vary them by exchanging top and bottom.",
        ),
    )
    maxima: bool = option(
        False,
        Option(
            _WITH_DEEP + "pool features by their largest value too; for small marks, like cracks.",
            about="pool features by their largest value over the picture too, as fastai's concat pooling does: for small marks "
            "that a mean would drown.",
        ),
    )
    tta: bool = option(
        False,
        Option(
            _WITH_DEEP
            + "answer by the mean over mirror images (test-time augmentation): a little more accurate, 2 times the "
            "work, 4 with --turns or --flip-vertical.",
            about="with ``deep``, answer by the mean over the image and its mirror image (over all four mirror images with "
            "``turns`` or ``flip_vertical``), test-time augmentation: a little more accurate, and two or four times the work of "
            "every prediction.",
        ),
    )
    swa: bool = option(
        False,
        Option(
            _WITH_DEEP
            + "keep the mean of the weights over the later part of training (stochastic weight averaging), not the "
            "last ones.",
            about="with ``deep``, keep the mean of the weights over the later part of training (stochastic weight averaging) "
            "instead of the last ones: steadier on images unlike those trained on, and no more work.",
        ),
    )
    device: str | None = option(None, Option(about="as torch names it; the best there is by default."))

    @property
    def views(self) -> tuple[View, ...]:
        """The views that an answer is the mean of: the image, and with ``tta`` its mirror images that training showed too."""
        from ..embed.recipe import View

        if not self.tta:
            return (View.PLAIN,)
        if self.flip_vertical or self.turns:
            return (View.PLAIN, View.MIRROR, View.FLIP, View.HALF_TURN)
        return (View.PLAIN, View.MIRROR)


@dataclass(frozen=True)
class TrainOptions:
    """Choices with their defaults, in the order in which help lists them."""

    backbone: str = option(
        AUTO,
        Option(
            "efficientnet-lite0, -lite1, -lite2, FILE.onnx, hub:OWNER/NAME, or auto.",
            about="``efficientnet-lite0``, ``-lite1``, ``-lite2``, ``FILE.onnx``, ``hub:owner/name`` or ``auto``.",
            shown=True,
        ),
    )
    targets: TargetOptions = part(TargetOptions)
    """The choices on how targets are read."""
    deep: Tuning | None = switched(
        Tuning,
        Option(
            "Also train the network itself: minutes; the extra “deep”. It can be interrupted.",
            about="train the network itself as well, beginning at the fitted head; kept where its held-out loss is lower.",
        ),
    )
    """Fine-tune the network itself; None: a head on the frozen one."""
    budget_s: float = option(
        60.0,
        Option(
            "Seconds that embedding may take on two laptop cores ({default} unless given), counted, not timed: what is tried "
            "within it is the same on every machine.",
            about="seconds (0 or more) that embedding may take on two laptop cores, {default} by default; counted, not timed. "
            "What is tried (networks with ``auto``, a mirrored view) fits in it, and is the same on every machine.",
            low=0,
            high=float("inf"),
        ),
    )
    balance: Balance = option(
        "none",
        Option(
            "How classes weigh: by their numbers (unless given), half way, all the same, or all the same in every group.",
            about="``none`` (the default): classes weigh by their numbers; ``classes``: all the same; ``sqrt``: half way; "
            "``groups``: all the same within every group, so that where an image comes from says nothing about its class.",
        ),
    )
    resize: Resize | None = option(
        None,
        Option(
            "How an image becomes the network's square (the backbone's own way unless given).",
            about="how an image becomes the network's square; the backbone's own way by default.",
        ),
    )
    range: tuple[float, float] | None = option(
        None,
        Option(
            "Images of more than 8 bits: the values of black and white, such as 0:4095 (fitted to the images unless given).",
            about="(low, high): of images of more than 8 bits a value, those that become black and white, such as (0, 4095) for "
            "12 bits; fitted to the training images by default.",
            metavar="LOW:HIGH",
            read=by_colon,
        ),
    )
    size: int | None = option(
        None,
        Option(
            "Side of the network's input in pixels: larger sees finer detail.",
            about="side of a packaged network's input in pixels, 32 to 1024: a larger one sees finer detail and takes longer.",
            low=32,
            high=1024,
        ),
    )
    accept: float = option(
        0.9,
        Option(
            "Confidence (0 to 1) from which on an answer needs no review ({default} unless given).",
            about="confidence (0–1) from which on a prediction's verdict is ``accept``, {default} by default; numbers have none.",
            low=0,
            high=1,
        ),
    )
    max_error: float | None = option(
        None,
        Option(
            "Find the threshold from the data instead: the share of accepted answers that may be wrong, such as 0.02. A "
            "cross-fitted estimate; “drivetrain certify” certifies on fresh images.",
            about="the share of accepted answers that may be wrong, such as 0.02: the threshold is then found from out-of-fold "
            "answers (a cross-fitted estimate, no certificate) instead of stated by ``accept``; where this error cannot be "
            "shown, nothing is accepted.",
            low=0.0001,
            high=0.5,
        ),
    )
    confidence: float | None = option(
        None,
        Option(
            "With --max-error: the probability with which it has to be kept to (0.95 unless given).",
            about="with ``max_error``, the probability with which it has to be kept to, 0.95 by default.",
            low=0.5,
            high=0.9999,
        ),
    )
    accept_width: float | None = option(
        None,
        Option(
            "Numbers are accepted where every interval is at most ± this, in their unit (never unless given).",
            about="numbers are accepted where half the width of every interval is at most this, in their unit; never by default.",
            above=0,
        ),
    )
    false_alarm: float = option(
        0.05,
        Option(
            "Share (0 to 0.5) of images like those trained on that may be turned away as unlike them ({default} unless given); "
            "0: nothing is turned away.",
            about="share (0–0.5) of images like those trained on that may get the verdict ``out_of_domain``, {default} by "
            "default; 0 leaves the gate out. A smaller share needs more images.",
            low=0,
            high=0.5,
        ),
    )
    gate_mode: GateMode = option(
        "marginal",
        Option(
            "That share holds on average over data sets like this one (unless given), or for this one with a probability of 95 % "
            "(training-conditional).",
            about="``marginal`` (the default): that share holds on average over data sets like this one; "
            "``training-conditional``: for this one, with a probability of 95 %, which turns away less.",
        ),
    )
    subjects: bool = option(
        False,
        Option(
            "Also look at how small or cut-off subjects fare, by heat maps of 200 of the images: some seconds.",
            about="judge images with a small or cut-off subject by themselves, by heat maps of at most 200 images; some seconds.",
        ),
    )
    seed: int = option(
        0,
        Option(
            "Everything random follows from it; 0 or more.",
            about="everything random follows from it; 0 or more.",
            low=0,
            shown=True,
        ),
    )
    name: str | None = option(
        None,
        Option("What the bundle calls itself (the source's name unless given).", about="what the bundle calls itself."),
    )
    gallery: int = option(
        300,  # enough to show something similar, about a megabyte
        Option(
            "Pictures of the training set to keep in the bundle, for showing similar ones; whoever gets the bundle can see "
            "them; 0 keeps none.",
            about="pictures of the training set to keep in the bundle, for showing similar ones: 128 pixels, without metadata, "
            "seen by whoever gets the bundle; 0 keeps none.",
            low=0,
            shown=True,
        ),
    )
    cache: Path | None = option(
        None,
        Option(
            "Folder of the embedding cache, where archives are unpacked, too (the user's cache folder unless given).",
            about="folder of the embedding cache; archives, and pictures in tables, are unpacked there too.",
            metavar="FOLDER",
        ),
    )
    use_cache: bool = option(
        True,
        Option(
            "Keep embeddings in memory only, and unpack archives in a temporary folder.",
            about="False keeps embeddings in memory only, and unpacks archives in ``cache``, or without one in a temporary "
            "folder that is removed at the end.",
            flag="--no-cache",
        ),
    )
    ignore: tuple[str, ...] = option(
        (),
        Option(
            "Leave findings of this code out of what is said and written; see docs/findings. Several times for several.",
            about="codes of findings to leave out of warnings and report, such as ``too-few-images``; see docs/findings.",
            metavar="CODE",
            repeated=True,
        ),
    )
    workers: int | None = option(
        None,
        Option(
            "Threads (one more than cores unless given).",
            about="threads that decode and run the network; by default one more than cores.",
            low=1,
        ),
    )


@cache
def table() -> tuple[Row, ...]:
    """Every choice, those about targets and about training the network itself among them."""
    return rows(TrainOptions)
