"""The result of a training run: in full while it is in memory, and the part a person asks for first.

Shapes: A usable images, N of them trained on, D embedding, O outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..core.finding import Finding
from ..core.types import Dataset, FloatArray, Skipped
from ..learn.figures import Figures
from ..learn.head import FittedHead
from ..learn.judged import Judged
from ..learn.kinds.registry import TARGETS
from ..learn.kinds.targets import Targets
from ..learn.risk import Independent
from ..learn.worst import Worst
from ..model.inputs.input import Input
from ..model.manifest import Accept, GateInfo
from ..model.seen import SeenItems
from ..stats.metrics import Floats
from .contradictions import Contradictory
from .features import Chosen, as_the_graph
from .gate_trial import GateTrial
from .gating import Planted
from .gotchas import Gotchas
from .options import TrainOptions
from .outcome import Outcome
from .ready import Tuned
from .sample import Sample
from .sides import Sides


@dataclass(frozen=True, eq=False)
class Trained:
    """Everything a training run found out, in memory."""

    dataset: Dataset
    options: TrainOptions
    sides: Sides
    contradictory: tuple[Contradictory, ...]
    """Pictures that occur with targets that differ."""
    chosen: Chosen
    fitted: FittedHead
    """The head on the frozen network, whether or not that network is used in the end."""
    judged: Judged
    """The answers that figures are about: the held-out split's where there is one, else out-of-fold answers."""
    leak: str | None
    """A sentence on the leak, where a given split leaks."""
    tuned: Tuned | None
    """The fine-tuned network, where it is used."""
    outcome: Outcome | None
    """The outcome of fine-tuning; None where it was not asked for."""
    gate: Planted | None
    """The gate; None where there are too few images for one, or none was asked for."""
    gate_trial: GateTrial | None
    """The sets made by machine that the gate was tried on; None without a gate."""
    figures: Figures
    worst: Worst | None
    """The class, label or range of numbers that is answered worst; None where there is nothing to compare."""
    gotchas: Gotchas | None
    """Shortcuts, and slices that are answered worse; None where there is nothing to look at."""
    findings: tuple[Finding, ...]
    """Findings that a reader must not miss, most important first."""
    ignored: tuple[str, ...]
    """Codes of findings that were left out as asked."""
    accept: Accept | None = None
    """The rule by which answers stand without a person; None where none does."""
    independent: Independent | None = None
    """The answers that a threshold can be tested on; None where answers have no confidence."""

    @property
    def sample(self) -> Sample:
        """All A usable images, those of a held-out split included; copies are in one group."""
        return self.sides.sample

    @property
    def trained_on(self) -> Sample:
        """The N images the head was fitted on."""
        return self.sides.trained_on

    @property
    def targets(self) -> Targets:
        """The targets of the N images."""
        return self.trained_on.targets

    @property
    def on_given_split(self) -> bool:
        """Tells whether the figures are about a split that came with the data, rather than one that fine-tuning held out."""
        return not np.array_equal(self.judged.rows_J, self.sides.training)

    @property
    def grouped(self) -> bool:
        """Tells whether some of the N images have to be kept together."""
        groups_N = self.trained_on.groups_N
        return len(np.unique(groups_N)) < len(groups_N)

    @property
    def embeddings_AD(self) -> FloatArray:
        """The embeddings of all usable images by the graph in use."""
        # The features of several blocks were scaled to unit length by one factor; the graph's are not.
        return self.sample.features_ND / self.scale if self.tuned is None else self.tuned.embeddings_AD

    @property
    def frozen_AF(self) -> FloatArray:
        """The embeddings of the same images by the frozen network. Without fine-tuning both are one."""
        return self.embeddings_AD if self.tuned is None else as_the_graph(self.sample.features_ND, self.chosen)

    @property
    def scale(self) -> np.float32:
        """Features are what the frozen network gives times this: of unit length, however many blocks there are."""
        return np.float32(1 / np.sqrt(len(self.chosen.features.blocks)))

    def seen(self, judged: Judged, form: Input) -> SeenItems:
        """Return what the model saw in the images that it is judged by; ``form`` is its input."""
        rows_J, facts = judged.rows_J, self.chosen.embeddings.facts
        return SeenItems(
            judged.logits_JW,
            lambda: self.embeddings_AD[rows_J],
            lambda: self.frozen_AF[rows_J],
            lambda j: form.facts_in(facts[rows_J[j]].details),
            None if self.gate is None else self._p_in_domain(self.gate)[rows_J],
        )

    def _p_in_domain(self, gate: Planted) -> Floats:
        """(A,) p-values by the gate, of the images that it was fitted on those out of fold."""
        p_A = gate.fitted.arrays.p_values(self.frozen_AF)
        p_A[self.sides.training] = gate.fitted.p_N
        return p_A

    @property
    def beta(self) -> float:
        """The calibration β of the model in use."""
        return self.tuned.beta if self.tuned else self.fitted.head.beta


@dataclass(frozen=True)
class TrainResult:
    """The result of `train`: the bundle's place and the figures a person asks for first."""

    bundle: Path
    report: Path | None
    images_used: int
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]
    """Sentences about how the source was taken, where that was not the only way."""
    task: str
    classes: Mapping[str, int]
    """The number of images of each class or label; for each number, that of all images."""
    figures: Figures
    groups_duplicates: int
    groups_user: int
    random_split: str | None
    """A random split's claim and what to think of it, in words; None where that says nothing."""
    worst: Worst | None
    """The class, label or range of numbers that is answered worst."""
    accept: Accept | None
    """The rule by which answers stand without a person; None where none does."""
    accepts: str
    """The same in words, with what is known of the error among such answers."""
    gate: GateInfo | None
    """The rule by which images unlike those trained on are turned away; None where none are."""
    turns_away: str
    """The same in words."""
    contradictory: tuple[Contradictory, ...]
    """A pair for each picture that occurs with labels that contradict each other."""
    leak: str | None
    features: str
    fine_tuning: str | None
    """The outcome of fine-tuning, in words; None where it was not asked for."""
    findings: tuple[Finding, ...]
    """Findings that a reader must not miss, most important first."""
    ignored: tuple[str, ...]
    """Codes of findings that were left out as asked."""
    seconds: dict[str, float]
    example: Path | None
    """One of the files trained on; None where they are not files of this machine."""
    untouched_split: str | None
    """A split of the data that was neither trained on nor judged by."""
    gotchas: Gotchas | None = None
    """Shortcuts, and slices that are answered worse; None where there is nothing to look at."""

    @property
    def images_skipped(self) -> int:
        """The number of files and rows that could not be used."""
        return len(self.skipped)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The findings' sentences."""
        return tuple(one.sentence for one in self.findings)

    @property
    def accuracy(self) -> float:
        """Share of right answers, 0–1.

        Raises:
            AttributeError: the model does not give one label of several.
        """
        found = self.figures.find("accuracy")
        if found is None or found.value is None:
            raise AttributeError(self.figures.lacking(self.task, "accuracy"))
        return found.value

    def to_json(self) -> dict[str, object]:
        """Return the document that ``train --json`` prints."""
        return {
            "bundle": str(self.bundle),
            "report": str(self.report) if self.report else None,
            "images": {"used": self.images_used, "skipped": len(self.skipped)},
            "skipped_files": [asdict(skipped) for skipped in self.skipped],
            "notes": list(self.notes),
            "task": self.task,
            "classes": dict(self.classes),
            **TARGETS[self.task].document(self.figures),
            "figures": self.figures.to_json(),
            "groups": {"duplicates": self.groups_duplicates, "user": self.groups_user},
            "features": self.features,
            "fine_tuning": self.fine_tuning,
            "worst": self.worst.to_json() if self.worst else None,
            "accept": self.accept.model_dump(mode="json") if self.accept else None,
            "gate": self.gate.model_dump(mode="json") if self.gate else None,
            "contradictions": [one.to_json() for one in self.contradictory],
            "leak": self.leak,
            "gotchas": self.gotchas.to_json() if self.gotchas else None,
            "warnings": list(self.warnings),
            "findings": [asdict(one) for one in self.findings],
            "ignored": list(self.ignored),
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
        }
