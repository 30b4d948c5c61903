"""The result of an evaluation. Shapes: J images judged, C classes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from ..core.errors import DataError
from ..core.finding import Finding
from ..core.scratch import Into
from ..core.types import IntArray, Interval, Item, Skipped
from ..data.preparation import Preparation
from ..learn.accept_rule import Accepted
from ..learn.figures import Figures, interval_of
from ..learn.judged import Judged
from ..learn.kinds.targets import AnyInterpretation
from ..model.seen import SeenItems
from .against_training import Comparison


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Figures of a bundle on a source. ``near_duplicates_of_training`` images were left out of every figure."""

    source: str
    items: tuple[Item, ...] = field(repr=False)
    judged: Judged = field(repr=False)
    """Answers with the truth, in the order of ``items``."""
    skipped: tuple[Skipped, ...] = field(repr=False)
    notes: tuple[str, ...] = field(repr=False)
    """Sentences about how the source was taken, where that was not the only way."""
    near_duplicates_of_training: int
    figures: Figures
    accepted: Accepted | None
    """The answers that would have passed without a person; None for numbers, which never do."""
    against_training: tuple[Comparison, ...]
    """The claims of training, each beside the figure found here."""
    seconds: float
    findings: tuple[Finding, ...]
    """Findings that a reader must not miss, most important first."""
    preparation: Preparation = field(repr=False)
    """The preparation of the bundle's network, by which pictures are shown as it sees them."""
    ignored: tuple[str, ...]
    """Codes of findings that were left out as asked."""
    seen: SeenItems | None = field(default=None, repr=False)
    """All that the policy's rules look at, in the order of ``items``."""
    place: Into | None = field(default=None, repr=False)
    """The folder of files that were unpacked; where no cache is used it goes with this object, so reports come before."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """The findings' sentences."""
        return tuple(one.sentence for one in self.findings)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, labels or numbers."""
        return self.judged.targets.names

    @property
    def accuracy(self) -> Interval:
        """Share of right answers with its 95 % interval.

        Raises:
            AttributeError: the model does not give one label of several; see ``figures``.
        """
        found = self.figures.find("accuracy")
        if found is None:
            raise self._lacking("accuracy")
        return interval_of(found)

    @property
    def auc(self) -> float | None:
        """With two classes, both of them present; else None. Raises what ``accuracy`` does."""
        found = self.figures.find("auc")
        if found is None and self.figures.find("accuracy") is None:
            raise self._lacking("auc")
        return found.value if found else None

    @property
    def none_accepted(self) -> str:
        """The reason why no answer stands without a person, in words, where ``accepted`` is None."""
        return self.judged.targets.none_accepted

    @property
    def log_loss(self) -> float:
        """Mean loss of the answers, see `Targets.losses`."""
        return float(self.judged.losses_J.mean())

    @property
    def confusion_CC(self) -> IntArray:
        """The confusion matrix: counts, labels in rows and answers in columns. Raises what ``accuracy`` does."""
        try:
            return self.judged.targets.confusion_CC(self.judged.answers_JO)
        except DataError:
            raise self._lacking("confusion matrix") from None

    @property
    def has_confusion(self) -> bool:
        """Tells whether answers are one label of several."""
        return self.judged.targets.one_label

    def interpretation(self) -> AnyInterpretation:
        """Return the mistakes to look at: tables, plots, top losses and slices, as the task has them."""
        return self.judged.interpretation(self.items, self.figures.settings, self.preparation)

    def _lacking(self, what: str) -> AttributeError:
        return AttributeError(self.figures.lacking(self.judged.targets.task, what))

    def to_json(self) -> dict[str, object]:
        """Return the document that ``evaluate --json`` prints."""
        targets = self.judged.targets
        return {
            "n": len(self.items),
            "skipped": len(self.skipped),
            "skipped_files": [asdict(skipped) for skipped in self.skipped],
            "notes": list(self.notes),
            "near_duplicates_of_training": self.near_duplicates_of_training,
            "task": targets.task,
            **targets.document(self.figures),
            "figures": self.figures.to_json(),
            "accepted": self.accepted.to_json() if self.accepted else None,
            "against_training": [comparison.to_json() for comparison in self.against_training],
            "warnings": list(self.warnings),
            "findings": [asdict(one) for one in self.findings],
            "ignored": list(self.ignored),
            "seconds": round(self.seconds, 3),
            **targets.document_of_answers(self.figures, self.judged.answers_JO),
        }
