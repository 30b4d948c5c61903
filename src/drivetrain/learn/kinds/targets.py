"""Targets, which are to be predicted: all that differs between their kinds in a training run, an evaluation and a report.

Each kind is one module beside this one, and one line of `registry`. Nobody else asks of which kind targets are: what a kind
has to say for itself is asked of it here. Shapes: N items, J of them judged, D features, W columns of the graph's logits,
O outputs that people read (classes, labels or numbers). W is not always O.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ...core.finding import Finding
from ...core.types import FloatArray, IntArray, Item
from ...data.block.blocks import InputBlock, TargetBlock
from ...data.block.datablock import DataBlock
from ...data.block.sample import Sample
from ...model.kinds.kind import Answer, Kind
from ...model.kinds.tasks import TaskName
from ...model.part import Calibration
from ...stats.metrics import Floats
from ..balance import Balance
from ..crossval import OutOfFold, Validation, quick_look
from ..figures import Figures
from ..head import FittedHead
from ..interpretation import Interpretation
from ..label_interpretation import LabelInterpretation
from ..logistic import Axes
from ..number_interpretation import NumberInterpretation
from ..scale import Scale
from ..sections import AnswerSections, ConfidentFrom
from ..suspicion import Suspicion
from ..target_options import TargetOptions
from ..worst import Worst
from .answered import Answered

if TYPE_CHECKING:
    from ..deep.objective import Objective

Rows = NDArray[np.intp] | NDArray[np.bool_]

AnyInterpretation = Interpretation[Item] | LabelInterpretation[Item] | NumberInterpretation[Item]


class Targets(ABC):
    """The targets of N items. What every kind says of itself stands first, then reading, learning, judging and showing."""

    answered_as: ClassVar[type[Kind]]
    """The half of the kind that answers: what both halves have to say, that one says."""
    one: ClassVar[str]
    """The word for one of the outputs: ``class``."""
    many: ClassVar[str]
    said: ClassVar[str] = "labels"
    """The word for what people wrote beside the images."""
    delimited: ClassVar[bool] = False  # True where several labels may stand in one cell, with a delimiter between them
    competing: ClassVar[bool] = False
    """Tells whether outputs compete, so that they can be balanced against each other."""
    compared: ClassVar[tuple[str, ...]]
    """Slugs of the figures by which an evaluation is compared with training: their intervals have to hold on few images."""
    loss_is: ClassVar[tuple[str, str]]
    """The loss that features are compared by, and a sentence that says what it is."""
    one_label: ClassVar[bool] = False
    """Tells whether an answer is one label of several, so that there is a confusion matrix."""
    measured: ClassVar[bool] = False  # True of measurements, which may differ a little between copies of a picture
    counted: ClassVar[bool] = True  # where only some of the images have an output, so that counts are worth telling
    none_accepted: ClassVar[str] = "no error has been named that may pass without a person"
    """The reason why no answer stands without a person, where none does."""
    few_groups: ClassVar[str] = "The images stand"
    """The beginning of the sentence that says why there are few folds."""

    names: tuple[str, ...]
    """The names of the outputs, in their order."""
    values: NDArray[Any]
    """The targets as the bundle keeps them, (N,) or (N, O)."""

    @property
    def task(self) -> TaskName:
        """The manifest's name for the kind."""
        return self.answered_as.task

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Rows) -> Self:
        """Return the targets at ``rows``."""
        return self.with_values(self.values[rows])

    def with_values(self, values: NDArray[Any]) -> Self:
        """Return other targets with the same names."""
        return replace(self, values=values)  # type: ignore[type-var]  # every kind is a dataclass

    # Reading.

    @classmethod
    @abstractmethod
    def data_block(cls, options: TargetOptions, inputs: InputBlock) -> DataBlock:
        """The DataBlock of a run that was given none: ``inputs``, with targets from `open_source` read as this kind has them."""

    @classmethod
    @abstractmethod
    def reads(cls, block: TargetBlock[Any] | None) -> bool:
        """Tells whether a DataBlock's target block gives targets of this kind."""

    @classmethod
    @abstractmethod
    def of_block(cls, block: TargetBlock[Any], values: NDArray[Any], options: TargetOptions) -> Self:
        """Make targets from those that ``block``, which knows the vocabulary, has read.

        Raises:
            UsageError: the options name outputs that do not fit.
        """

    @classmethod  # noqa: B027  # most kinds take any label
    def check_labels(cls, items: Sequence[Item]) -> None:
        """Check that the labels of a source can be read without a DataBlock.

        Raises:
            DataError: one of them cannot, in the words of somebody who has never heard of blocks.
        """

    @classmethod
    def settled(
        cls,
        options: TargetOptions,
        items: Sequence[Item],  # noqa: ARG003
        vocabulary: Collection[str] = (),  # noqa: ARG003
    ) -> tuple[TargetOptions, tuple[str, ...]]:
        """Settle from the items what the options leave open, and say so; ``vocabulary`` are the labels known already."""
        return options, ()

    @classmethod  # noqa: B027  # most kinds read something from any cell
    def check_samples(cls, source: str, samples: Sequence[Sample], options: TargetOptions) -> None:
        """Check that targets read without a DataBlock say anything.

        Raises:
            DataError: it does not.
        """

    @classmethod
    def known(cls, block: TargetBlock[Any], samples: Sequence[Sample]) -> TargetBlock[Any]:
        """The block with the vocabulary of all samples, unless it has one.

        Raises:
            DataError: a target cannot be reckoned with.
        """
        return block.setup([sample.target for sample in samples])

    @classmethod
    def with_outputs(cls, block: TargetBlock[Any], outputs: tuple[str, ...]) -> TargetBlock[Any]:  # noqa: ARG003
        """The block with a bundle's outputs for its vocabulary."""
        return block

    @classmethod
    @abstractmethod
    def block_for_outputs(cls, outputs: tuple[str, ...]) -> str:
        """The target block that reads targets for a bundle with these outputs, as it is written in Python."""

    @classmethod
    def misread(cls, block: TargetBlock[Any], outputs: tuple[str, ...]) -> str | None:  # noqa: ARG003
        """Say what the block reads where that cannot be compared with a bundle's answers; None where it can."""
        return None if cls.reads(block) else type(block).__name__

    @classmethod
    def labels_in(cls, target: Any) -> tuple[str, ...]:  # noqa: ARG003
        """The labels in a target, as they are written; none where it is no label."""
        return ()

    @classmethod
    def renamed(cls, target: Any, names: Mapping[str, str]) -> Any:  # noqa: ARG003
        """Return the target with other labels for those in ``names``."""
        return target

    @classmethod
    def foreign(cls, target: Any, outputs: frozenset[str]) -> list[str]:
        """A target's labels that a bundle does not know."""
        return [] if target in outputs else [str(target)]

    @classmethod
    def nothing_known(cls, source: str, known: str, found: str) -> str:
        """Write the error for a source of which no image has labels that the bundle knows; both lists are in words."""
        return (
            f"no image of {source} has a {cls.one} of the bundle ({known}); found {found}; name the folders as the bundle "
            f"names its {cls.many}"
        )

    @classmethod
    def of_unknown(cls) -> str:
        """Say, within a sentence, what images have that a bundle does not know."""
        return f"of a {cls.one}"

    # Checking that anything can be learned.

    def check_read(self, source: str, closed: str) -> None:  # noqa: ARG002
        """Check that there is anything to learn, as read; ``closed``: a remark on a folder that could not be read.

        Raises:
            DataError: there is not.
        """
        self.check()

    @abstractmethod
    def check(self, where: str = "", unusable: str = "") -> None:
        """Check that there is anything to learn; ``where`` and ``unusable`` are parts of the sentence that says so.

        Raises:
            DataError: there is not.
        """

    def judgeable(self, groups_N: IntArray) -> NDArray[np.bool_]:  # noqa: ARG002
        """(N,) which items the others can judge; the rest stands in the way of learning. Raises what `check` does."""
        self.check()
        return np.ones(len(self), np.bool_)

    def counts(self) -> dict[str, int]:
        """Count the images that have each output, by name; for numbers, all images for each."""
        return dict.fromkeys(self.names, len(self))

    def per_class(self) -> dict[str, int]:
        """Return the counts that the manifest keeps; empty where they are not worth telling."""
        return self.counts() if self.counted else {}

    def about_counts(self, balance: Balance) -> list[Finding]:  # noqa: ARG002
        """Make findings on the numbers of images of each output."""
        return []

    def occurring(self) -> frozenset[int]:
        """Return the class numbers that have to stand on both sides of a split, to be both learned and checked."""
        return frozenset()

    # Learning.

    @property
    @abstractmethod
    def strata_N(self) -> IntArray:
        """The (N,) strata, whose proportions folds and samples keep."""

    @property
    def width(self) -> int:
        """W, columns of the logits."""
        return self.answered_as.width_of(len(self.names))

    def text(self, row: int) -> str:
        """One item's target, as people read it."""
        return self.answered_as.text_of(self.names, self.values[row])

    @abstractmethod
    def fingerprint(self, row: int) -> str:
        """Write one item's target in full, to be hashed; the text for people may be ambiguous or rounded."""

    def weights(self, weights_N: FloatArray, balance: Balance, groups_N: IntArray) -> FloatArray:  # noqa: ARG002
        """Return (N,) item weights of mean 1; only classes compete, and so are balanced."""
        return np.asarray(weights_N / weights_N.mean(), np.float32)

    def balanced(self, balance: Balance) -> Balance:
        """Return the way outputs were balanced, for the manifest."""
        return balance if self.competing else "none"

    @abstractmethod
    def fit(
        self, features_ND: FloatArray, groups_N: IntArray, weights_N: FloatArray, *, seed: int, threads: int
    ) -> FittedHead:
        """Fit the head, with its out-of-fold evidence.

        Raises:
            DataError: fewer than two groups.
        """

    @abstractmethod
    def validation(self, axes: Axes, folds_N: IntArray, weights_N: FloatArray, threads: int) -> Validation:
        """The head cross-validated at any penalty on features in their axes; what weighs 0 is judged, and not learned of."""

    def quick_fit(self, features_ND: FloatArray, folds_N: IntArray, weights_N: FloatArray) -> OutOfFold:
        """A quick out-of-fold result: enough to compare features."""
        return quick_look(self.validation(Axes.of(features_ND), folds_N, weights_N, threads=1))

    def answers(self, logits_NW: FloatArray, beta: float) -> Floats:
        """(N, O) probabilities or numbers."""
        return self.answered_as.calibrated_answers(logits_NW, beta)

    @abstractmethod
    def losses(self, answers_NO: Floats) -> Floats:
        """Compute the (N,) losses of the answers."""

    @abstractmethod
    def beta(self, logits_NW: FloatArray) -> float:
        """Fit the β that calibrates these logits; 1 where there is nothing to calibrate."""

    @abstractmethod
    def objective(self) -> Objective:
        """The loss of a network that is trained itself, and the figures shown meanwhile. Needs torch."""

    def scale(self) -> Scale:
        """Return the scale on which a network learns the targets; as they are unless a kind says otherwise."""
        return Scale()

    def head_in_words(self, penalty: str, balance: Balance) -> str:  # noqa: ARG002
        """Say what the head is; ``penalty`` says in words how much it is regularised."""
        return f"a logistic regression a {self.one}, {penalty}"

    # Judging. Targets are then those of the J items.

    @abstractmethod
    def figures(
        self, answered: Answered, settings: Sequence[float] | None = None, random_split: float | None = None
    ) -> Figures:
        """The figures of the answers; ``settings`` are set on them where none are given.

        ``random_split``: what the headline would be with random folds.

        Raises:
            DataError: there is too little to set them on.
        """

    @classmethod
    @abstractmethod
    def document(cls, figures: Figures) -> dict[str, Any]:
        """The figures as ``docs/json.md`` describes them for this kind."""

    def document_of_answers(self, figures: Figures, answers_JO: Floats) -> dict[str, Any]:  # noqa: ARG002
        """Return the fields beside the figures that ``docs/json.md`` describes for an evaluation of this kind."""
        return {}

    def wrong(self, answers_JO: Floats, settings: Sequence[float]) -> NDArray[np.bool_] | None:  # noqa: ARG002
        """(J,) whether each answer is wrong; None of a kind whose answers never stand without a person."""
        return None

    @abstractmethod
    def about_guessing(self, figures: Figures) -> list[Finding]:
        """Make findings on whether the model learned more than always giving the same answer achieves."""

    def about_leakage(self, figures: Figures) -> list[Finding]:  # noqa: ARG002
        """Make findings on whether a random split would have flattered the figures."""
        return []

    @abstractmethod
    def suspicion(self, answered: Answered) -> Suspicion:
        """Return how likely each target is wrong, by an answer that has not seen its group."""

    @abstractmethod
    def worst(self, answered: Answered) -> Worst | None:
        """The class, label or range that is answered worst; None where there is nothing to compare."""

    def golden(self, answers_JO: Floats, count: int) -> list[int]:
        """Order the J answers to be tried for ``count`` golden ones: from the whole range of losses."""
        order = np.argsort(self.losses(answers_JO), kind="stable")
        spaced = order[np.linspace(0, len(order) - 1, count).astype(int)].tolist()
        return list(dict.fromkeys([*spaced, *order.tolist()]))

    # Showing.

    @abstractmethod
    def interpretation(self, items: Sequence[Item], answered: Answered, settings: Sequence[float]) -> AnyInterpretation:
        """Return the mistakes, to look at."""

    @abstractmethod
    def sections(
        self, items: Sequence[Item], answered: Answered, settings: Sequence[float], confident: ConfidentFrom
    ) -> AnswerSections:
        """Make what a report shows of the answers; ``confident``: which of its mistakes were made with confidence."""

    def confusion_CC(self, answers_JO: Floats) -> IntArray:  # noqa: ARG002
        """Return the confusion matrix: counts, labels in rows and answers in columns.

        Raises:
            DataError: answers are not one label of several.
        """
        raise DataError(f"answers for {self.task} have no confusion matrix")

    def calibration_note(self, beta: float, on: str) -> str:  # noqa: ARG002
        """Say how confidences were calibrated, where a report shows them; ``on`` says by which images."""
        return ""

    def method_notes(self, balance: Balance) -> tuple[str, ...]:  # noqa: ARG002
        """Methods of this kind in words, for the foot of a report."""
        return ()

    def moved(self, one_JO: Floats, other_JO: Floats) -> str:
        """Say how far two ways of preparing the same J images differ in their answers."""
        return f"moved probabilities by at most {np.abs(one_JO - other_JO).max():.3f}"

    @abstractmethod
    def answer(self, answers_O: Floats) -> Answer:
        """One picture's answer by a network that was not judged yet, so that nothing is set on its answers."""

    # Into the bundle and back.

    @abstractmethod
    def described(self, figures: Figures, calibration: Calibration) -> Kind:
        """Return the manifest's kind; targets are those trained on."""

    @classmethod
    @abstractmethod
    def settings_of(cls, kind: Kind) -> tuple[float, ...]:
        """Return the settings chosen on the answers judged in training, see `Figures.settings`."""
