"""A kind of answer: the part of a manifest that says what is predicted, with the way from logits to people's words.

Whoever answers, explains, shows or serves asks the manifest's kind, and never which kind it is; a further one is a module
beside this one and a line of `registry`. Its half that learns stands in `drivetrain.learn.kinds`.

Shapes: N items, W columns of the graph's ``logits``, C outputs. W and C need not be equal.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ...core.figure import Figure
from ...core.types import FloatArray, Interval
from ...stats.metrics import Floats
from ..part import Part
from .old_figures import how_of, metric_of
from .tasks import TaskName

NAMES_SHOWN = 12


@dataclass(frozen=True)
class Answer:
    """A model's answer for one item, before any verdict; the fields are those of a `Prediction`."""

    label: str | None = None
    confidence: float = 0.0
    probs: Mapping[str, float] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    values: Mapping[str, Interval] = field(default_factory=dict)


class Said(Protocol):
    """The part that `Answer` and `Prediction` have in common: the answer itself."""

    @property
    def label(self) -> str | None:
        """One label of several."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """Any number of them."""
        ...

    @property
    def values(self) -> Mapping[str, Interval]:
        """Numbers with their intervals."""
        ...


@dataclass(frozen=True)
class Words:
    """The words for a kind where people read of it; ``{names}`` and ``{count}`` stand for its outputs."""

    model: str
    """The noun for a model of this kind, as the beginning of a sentence."""
    tells: str
    """A sentence on what such a model does."""
    asks: str
    """The same as a question about a picture, or nearly one."""
    output: str
    """The word for one output: ``class``."""
    outputs: str
    """The word for several outputs, as a heading: ``Classes``."""
    gives: str
    """An answer in a few words: ``One label of several``."""
    hub_tag: str
    """Hugging Face's tag for such models."""
    hub_metric: str
    """Hugging Face's name for the kind's first figure."""


@dataclass(frozen=True)
class Tensor:
    """One output of the Open Inference Protocol, of N items."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    """The shape of one item's part."""


class Kind(Part, ABC):
    """A kind: what is predicted. The fields of a subclass stand in ``manifest.json`` beside ``task``."""

    task: ClassVar[TaskName]
    """The manifest's name for the kind."""
    words: ClassVar[Words]
    unit: ClassVar[str] = "probabilities"
    """The unit in which `comparable` answers differ, in words."""
    has_confidence: ClassVar[bool] = True
    """Tells whether answers have a confidence, by which they may be accepted."""
    overlapping: ClassVar[bool] = False
    """Tells whether an answer may give several of the outputs at once, so that their shares do not add up to 1."""
    one_label: ClassVar[bool] = False
    """Tells whether an answer is one of the outputs."""
    ordered: ClassVar[bool] = False
    """Tells whether the outputs stand in an order, from the least to the most."""
    one_scale: ClassVar[bool] = True
    """Tells whether the evidence for different outputs can be drawn on one scale."""
    rightly: ClassVar[str] = "right for"
    """Words between an answerer and the share of the items that are answered right."""
    old_metrics: ClassVar[type[Part] | None] = None
    """The form of ``metrics`` in schema versions 1 and 2; None for a kind that is younger."""

    @property
    @abstractmethod
    def outputs(self) -> tuple[str, ...]:
        """The C names that people read, each once."""

    @classmethod
    def width_of(cls, outputs: int) -> int:
        """W, the columns of the graph's ``logits`` for so many outputs."""
        return outputs

    @property
    def width(self) -> int:
        """W, the columns of the graph's ``logits``."""
        return self.width_of(len(self.outputs))

    @classmethod
    @abstractmethod
    def calibrated_answers(cls, logits_NW: FloatArray, beta: float) -> Floats:
        """(N, C) probabilities that ``beta`` calibrates, or the numbers themselves."""

    @property
    @abstractmethod
    def beta(self) -> float:
        """The β that calibrates the logits; 1 where there is nothing to calibrate."""

    def recalibrated(self, beta: float, fitted_on: str) -> Self:  # noqa: ARG002
        """Return the kind with another β, its labels, thresholds included, as they were; itself where nothing is calibrated."""
        return self

    def answers(self, logits_NW: FloatArray) -> Floats:
        """(N, C) calibrated probabilities, or the numbers themselves."""
        return self.calibrated_answers(logits_NW, self.beta)

    def comparable(self, logits_NW: FloatArray) -> Floats:
        """Return (N, C) answers in a unit in which a difference of 0.01 is small, see ``unit``."""
        return self.answers(logits_NW)

    @abstractmethod
    def answered(self, answers_C: Floats) -> Answer:
        """One item's answer, from its row of `answers`."""

    def answer(self, logits_W: FloatArray) -> Answer:
        """One item's answer."""
        return self.answered(self.answers(logits_W[None])[0])

    def confidences(self, answers_NC: Floats) -> Floats:
        """(N,) the confidence of each answer, from rows of `answers`; 0 of a kind that has none."""
        return np.zeros(len(answers_NC))

    @classmethod
    @abstractmethod
    def answer_text(cls, said: Said, *, none: str = "–", ranges: bool = False) -> str:
        """An answer as people read it, without how sure it is: the label, the labels or the numbers.

        ``none`` stands for no label at all; ``ranges`` puts each number's interval behind it.
        """

    @property
    @abstractmethod
    def calibrated(self) -> str:
        """The way from logits to `answers`, in a few words."""

    @property
    def evidence_WC(self) -> Floats | None:
        """The weight of each logit as evidence for each output; None where each output has a logit of its own."""
        return None

    # Targets, as ``arrays.safetensors`` keeps them

    @property
    @abstractmethod
    def target_type(self) -> tuple[type[np.generic], tuple[int, ...]]:
        """The type and shape of one item's target."""

    @classmethod
    def perfect_answers(cls, names: Sequence[str], targets_N: NDArray[Any]) -> Floats:  # noqa: ARG003  # for subclasses
        """(N, O) the answers of a model that is always right and quite sure: of labels ones and zeros."""
        return targets_N.astype(np.float64).reshape(len(targets_N), -1)

    @classmethod
    @abstractmethod
    def text_of(cls, names: Sequence[str], target: NDArray[Any]) -> str:
        """One item's target, as people read it, by the names of the outputs: “grizzly”, “cat, dog”, “years 31”."""

    def target_text(self, target: NDArray[Any]) -> str:
        """The same of this bundle's outputs."""
        return self.text_of(self.outputs, target)

    def target_fault(self, targets_N: NDArray[Any]) -> str | None:  # noqa: ARG002
        """Say what is wrong with finite targets of the right type and shape; None where nothing is."""
        return None

    # Golden examples

    def on_the_line(self, logits_W: FloatArray, rounding: float) -> bool:  # noqa: ARG002
        """Tells whether another machine's last digits, ``rounding``, may change the label or labels given."""
        return False

    # Words about the outputs for people

    def facts(self, counts: Mapping[str, int]) -> list[tuple[str, str]]:
        """List the outputs, with the training images of each, as lines of a name and a value."""
        counted = [f"{name} ({count})" for name, count in counts.items()]
        return [(self.words.outputs, f"{len(counted)}: {few(counted)}")]

    def remark(self, shown: Callable[[str], str]) -> str | None:  # noqa: ARG002
        """Write a sentence on how far the answers can be relied on, for the card; ``shown`` makes names safe to show."""
        return None

    @property
    def held(self) -> str:
        """The same as `remark` in plain words, for a single answer; empty where there is nothing to say."""
        return ""

    def marks(self) -> Mapping[str, float]:
        """Return the probability from which on each output is given; empty where answers have no such thresholds."""
        return {}

    def tensors(self) -> tuple[Tensor, ...]:
        """Return the outputs of the Open Inference Protocol, verdicts aside: numbers first, then labels."""
        return (Tensor("probabilities", "FP32", (len(self.outputs),)),)

    def tensor_row(self, name: str, answer: Answer) -> Sequence[float | str | None]:  # noqa: ARG002
        """Return one item's part of such outputs; an unreadable item has no numbers, as JSON has no NaN."""
        return [answer.probs.get(output) for output in self.outputs]

    # Figures, as versions 1 and 2 had them

    def guessed(
        self,
        figures: Sequence[Figure],  # noqa: ARG002
        counts: Mapping[str, int],  # noqa: ARG002
        shown: Callable[[str], str],  # noqa: ARG002
    ) -> tuple[str, float] | None:
        """Name always giving the same answer, and the share of training images that it is right for.

        None where the figures have a row of it, as all have since version 3, or where no one output is the answer.
        ``counts``: images trained on of each output; ``shown`` makes names safe to show.
        """
        return None

    def lifted(self, metrics: Part) -> tuple[Figure, ...]:
        """Turn the ``metrics`` of versions 1 and 2, read by ``old_metrics``, into rows.

        Raises:
            ValueError: they do not fit the outputs.
        """
        raise ValueError(f"there were no metrics of {self.task} before version 3; this is {type(metrics).__name__}")

    def metrics(self, figures: Sequence[Figure]) -> dict[str, Any]:
        """Return the ``metrics`` that ``inspect --json`` documents: the rows by their slugs, those of several outputs in a
        list."""
        how = how_of(figures)
        found: dict[str, Any] = {"how": how}
        for row in figures:
            name = row.slug.replace("-", "_")
            if row.of is not None:
                found.setdefault(name, []).append(metric_of(row, how))
            else:
                found[name] = metric_of(row, how)
        return found


def few(names: Sequence[str]) -> str:
    """List the first of many names.

    >>> few(["cat", "dog"])
    'cat, dog'
    """
    return ", ".join(names[:NAMES_SHOWN]) + (", …" if len(names) > NAMES_SHOWN else "")
