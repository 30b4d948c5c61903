"""One label of several. Shapes: N items, J of them judged, D features, C classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ...core.figure import Figure
from ...core.finding import Finding
from ...core.types import FloatArray, IntArray, Interval, Item
from ...data.block.blocks import CategoryBlock, InputBlock, TargetBlock
from ...data.block.datablock import DataBlock
from ...data.block.sample import Sample
from ...data.sources.opening import open_source
from ...draw.numbers import percent
from ...model.constant_answer import always_naming
from ...model.kinds.classes import ClassKind, likeliest
from ...model.kinds.kind import Answer, Kind
from ...model.kinds.tasks import TASKS
from ...model.part import Calibration
from ...stats import metrics, mistakes
from ...stats.calibrate import fit_beta
from ...stats.folds import in_several_groups
from ...stats.metrics import Floats
from ..balance import Balance
from ..crossval import CrossValidation, OutOfFold, Validation
from ..figures import RANDOM_SPLIT, Figures, around, figure
from ..findings import NO_BETTER_THAN_GUESSING, RANDOM_SPLIT_FLATTERS, UNEQUAL_CLASSES, finding
from ..head import FittedHead, class_weights, fit_head
from ..interpretation import Interpretation
from ..logistic import Axes
from ..sections import MISTAKES_SHOWN, AnswerSections, ConfidentFrom, Example, confident_note
from ..suspicion import Suspicion, of_classes
from ..target_options import TargetOptions
from ..worst import Worst, worst_class
from .answered import Answered
from .targets import AnyInterpretation, Targets
from .words import BOOTSTRAP, LOG_LOSS, NOTHING_LEARNED, SURE_AND_RIGHT, few_images, listed_counts, perhaps_numbers

if TYPE_CHECKING:
    from ..deep.objective import Objective

# A random split that claims more than the figure by this share is worth a finding.
LEAKAGE_SHOWN = 0.02

CALIBRATION_ERROR = "by how much confidence misses the accuracy, on average"

# Classes are unequal where the commonest has this many times the images of the rarest.
UNEQUAL = 10


@dataclass(frozen=True, eq=False)
class ClassTargets(Targets):
    """One label of several; ``values`` (N,) int64 class numbers. The loss is −log p(label), in nats."""

    answered_as: ClassVar[type[Kind]] = ClassKind
    one: ClassVar[str] = "class"
    many: ClassVar[str] = "classes"
    competing: ClassVar[bool] = True
    compared: ClassVar[tuple[str, ...]] = ("accuracy",)
    loss_is: ClassVar[tuple[str, str]] = ("Log-loss", LOG_LOSS)
    one_label: ClassVar[bool] = True
    few_groups: ClassVar[str] = "Some class stands"

    names: tuple[str, ...]
    values: IntArray

    # Reading.

    @classmethod
    def data_block(cls, options: TargetOptions, inputs: InputBlock) -> DataBlock:  # noqa: ARG003
        return DataBlock((inputs, CategoryBlock), open_source)

    @classmethod
    def reads(cls, block: TargetBlock[Any] | None) -> bool:
        return isinstance(block, CategoryBlock)

    @classmethod
    def of_block(cls, block: TargetBlock[Any], values: NDArray[Any], options: TargetOptions) -> Self:  # noqa: ARG003
        assert isinstance(block, CategoryBlock)  # `reads` accepts no other
        return cls(block.labels, np.asarray(values, np.int64))

    @classmethod
    def known(cls, block: TargetBlock[Any], samples: Sequence[Sample]) -> TargetBlock[Any]:
        if isinstance(block, CategoryBlock) and block.vocab is None:
            # The number of classes is checked later, among the images that can be used.
            block = replace(block, vocab=tuple(sorted({str(sample.target) for sample in samples})))
        return super().known(block, samples)

    @classmethod
    def with_outputs(cls, block: TargetBlock[Any], outputs: tuple[str, ...]) -> TargetBlock[Any]:
        return replace(block, vocab=outputs) if isinstance(block, CategoryBlock) else block

    @classmethod
    def block_for_outputs(cls, outputs: tuple[str, ...]) -> str:  # noqa: ARG003
        return CategoryBlock.__name__

    @classmethod
    def check_labels(cls, items: Sequence[Item]) -> None:
        for item in items:
            if item.labels is not None and len(item.labels) != 1:
                several = (
                    f"{len(item.labels)} labels ({', '.join(item.labels[:5])})" if item.labels else "none of the labels"
                )
                task = TASKS[cls.answered_as.task].reads
                raise DataError(
                    f"{item.name} has {several}, and {cls.answered_as.task} reads {task}; give --task multi-label"
                )

    @classmethod
    def labels_in(cls, target: Any) -> tuple[str, ...]:
        return (str(target),)

    @classmethod
    def renamed(cls, target: Any, names: Mapping[str, str]) -> Any:
        return names.get(target, target)

    # Checking that anything can be learned.

    def check_read(self, source: str, closed: str) -> None:
        if len(self.names) < 2:
            found = f"one {self.one}, “{self.names[0]}” ({len(self)} images{closed})"
            raise DataError(
                f"{source} has {found}; a classifier needs two or more {self.many}, each in a folder of its own"
            )
        self.check()

    def check(self, where: str = "", unusable: str = "") -> None:
        counts = self.counts()
        few = [name for name, count in counts.items() if count < 2]
        if few:
            raise DataError(
                f"every {self.one} needs at least two usable images{where}{unusable}: {listed_counts(few, counts)}; add images "
                f"or remove the {self.one}{perhaps_numbers(self.names)}"
            )

    def judgeable(self, groups_N: IntArray) -> NDArray[np.bool_]:
        known_N = in_several_groups(self.values, groups_N)
        if len(np.unique(self.values[known_N])) < 2:
            few = f"fewer than two {self.many} have two images that are no copies of each other, nor of one group"
            raise DataError(f"{few}, so that nothing can be learned; add images")
        return known_N

    def counts(self) -> dict[str, int]:
        counts_C = np.bincount(self.values, minlength=len(self.names))
        return dict(zip(self.names, counts_C.tolist(), strict=True))

    def about_counts(self, balance: Balance) -> list[Finding]:
        counts = self.counts()
        found = few_images(counts, self.many)
        rarest, commonest = min(counts, key=lambda k: counts[k]), max(counts, key=lambda k: counts[k])
        if counts[commonest] >= UNEQUAL * counts[rarest] and balance == "none":
            sentence = (
                f"“{commonest}” has {counts[commonest]} images, “{rarest}” {counts[rarest]}: the model follows these shares. "
                f"With --balance classes every {self.one} weighs the same."
            )
            found.append(finding(UNEQUAL_CLASSES, sentence))
        return found

    def occurring(self) -> frozenset[int]:
        return frozenset(self.values.tolist())

    # Learning.

    @property
    def strata_N(self) -> IntArray:
        return self.values

    def fingerprint(self, row: int) -> str:
        return self.text(row)

    def weights(self, weights_N: FloatArray, balance: Balance, groups_N: IntArray) -> FloatArray:
        return class_weights(self.values, weights_N, balance, groups_N)

    def fit(
        self, features_ND: FloatArray, groups_N: IntArray, weights_N: FloatArray, *, seed: int, threads: int
    ) -> FittedHead:
        return fit_head(
            features_ND, self.values, groups_N, weights_N, n_classes=len(self.names), seed=seed, threads=threads
        )

    def validation(self, axes: Axes, folds_N: IntArray, weights_N: FloatArray, threads: int) -> Validation:
        return CrossValidation(axes, self.values, folds_N, len(self.names), weights_N, threads)

    def quick_fit(self, features_ND: FloatArray, folds_N: IntArray, weights_N: FloatArray) -> OutOfFold:
        present, dense_N = np.unique(self.values, return_inverse=True)  # a sample may lack a class
        dense = replace(self, names=tuple(self.names[c] for c in present), values=dense_N.astype(np.int64))
        return super(ClassTargets, dense).quick_fit(features_ND, folds_N, weights_N)

    def losses(self, answers_NO: Floats) -> Floats:
        return metrics.losses(self.values, answers_NO)

    def beta(self, logits_NW: FloatArray) -> float:
        return fit_beta(logits_NW, self.values)

    def objective(self) -> Objective:
        from ..deep.objective import SINGLE_LABEL

        return SINGLE_LABEL

    def head_in_words(self, penalty: str, balance: Balance) -> str:
        return f"logistic regression, {penalty}, balance: {balance}"

    # Judging.

    def figures(
        self,
        answered: Answered,
        settings: Sequence[float] | None = None,  # noqa: ARG002  # nothing is set on answers
        random_split: float | None = None,
    ) -> Figures:
        labels_J, probs_JC, groups_J, how = self.values, answered.values_JO, answered.groups_J, answered.how
        predicted_J, n, counts = probs_JC.argmax(axis=1), len(self), self.counts()
        constant, commonest = always_naming(counts, one=self.one, many=self.many), max(counts, key=lambda k: counts[k])
        guessed = counts[commonest] / n
        accuracy = metrics.accuracy(labels_J, predicted_J, groups_J)
        rows = [
            figure(
                "accuracy", "accuracy", accuracy, "percent", "higher", how, n=n, note=f"{constant}: {percent(guessed)}"
            ),
            figure("baseline", constant, guessed, "percent", None, how, n=n),
        ]
        if random_split is not None:
            name = "accuracy of a random split"
            rows.append(figure(f"accuracy{RANDOM_SPLIT}", name, random_split, "percent", None, how))
        if len(self.names) == 2 and len(np.unique(labels_J)) == 2:
            rows.append(figure("auc", "AUC", self._auc(answered), "decimals", "higher", how, n=n, note=self._ranked()))
        rows += self._of_probabilities(answered)
        return Figures(tuple(rows), how, commonest=commonest)

    def _of_probabilities(self, answered: Answered) -> list[Figure]:
        """Make the rows that stand behind the headline: of all classes alike, and of how sure answers are."""
        labels_J, probs_JC, how = self.values, answered.values_JO, answered.how
        balanced = mistakes.balanced_accuracy(labels_J, probs_JC.argmax(axis=1), len(self.names))
        gap = metrics.expected_calibration_error(labels_J, probs_JC)
        mean, note = "mean recall of the classes", self._guessing()
        return [
            figure("balanced-accuracy", "balanced accuracy", balanced, "percent", "higher", how, note=mean),
            figure("calibration-error", "calibration error", gap, "points", "lower", how, note=CALIBRATION_ERROR),
            figure("log-loss", "log-loss", self._log_loss(answered), "decimals", "lower", how, n=len(self), note=note),
        ]

    def _auc(self, answered: Answered) -> Interval:
        first_J, scores_J = self.values == 1, answered.values_JO[:, 1]
        limits = metrics.bootstrap(
            answered.groups_J, lambda rows: metrics.auc(first_J[rows], scores_J[rows]), answered.seed
        )
        return around(metrics.auc(first_J, scores_J), limits, BOOTSTRAP)

    def _log_loss(self, answered: Answered) -> Interval:
        losses_J = self.losses(answered.values_JO)
        limits = metrics.bootstrap(answered.groups_J, lambda rows: float(losses_J[rows].mean()), answered.seed)
        return around(float(losses_J.mean()), limits, BOOTSTRAP)

    def _ranked(self) -> str:
        first, second = self.names
        return f"how often a “{second}” image is rated more so than a “{first}” one (area under ROC); 0.5: by chance"

    def _guessing(self) -> str:
        return f"0: {SURE_AND_RIGHT}; {np.log(len(self.names)):.2f}: every {self.one} equally likely"

    @classmethod
    def document(cls, figures: Figures) -> dict[str, Any]:
        accuracy, baseline = figures["accuracy"], figures["baseline"]
        document: dict[str, Any] = {
            "accuracy": {"value": accuracy.value, "low": accuracy.low, "high": accuracy.high, "method": accuracy.how},
            "baseline": {"label": figures.commonest, "accuracy": baseline.value},
            "log_loss": figures["log-loss"].value,
            "ece": figures["calibration-error"].value,
        }
        if figures.random_split is not None:
            document["accuracy_random_split"] = {"value": figures.random_split.value}
        area = figures.find("auc")
        if area is not None:
            document["auc"] = area.value
        return document

    def document_of_answers(self, figures: Figures, answers_JO: Floats) -> dict[str, Any]:
        document: dict[str, Any] = {
            "confusion": {"labels": list(self.names), "counts": self.confusion_CC(answers_JO).tolist()}
        }
        if len(self.names) == 2:
            area = figures.find("auc")
            document["auc"] = area.value if area else None
        return document

    def wrong(self, answers_JO: Floats, settings: Sequence[float]) -> NDArray[np.bool_] | None:  # noqa: ARG002
        wrong_J: NDArray[np.bool_] = answers_JO.argmax(axis=1) != self.values
        return wrong_J

    def about_guessing(self, figures: Figures) -> list[Finding]:
        accuracy, guess = figures["accuracy"], figures["baseline"]
        if accuracy.low is None or accuracy.value is None or guess.value is None or accuracy.low > guess.value:
            return []
        claim = f"An accuracy of {percent(accuracy.value)} is not clearly better than {guess.name}"
        return [finding(NO_BETTER_THAN_GUESSING, f"{claim} ({percent(guess.value)}): {NOTHING_LEARNED}")]

    def about_leakage(self, figures: Figures) -> list[Finding]:
        random, grouped = figures.random_split, figures["accuracy"].value
        if random is None or random.value is None or grouped is None or random.value - grouped <= LEAKAGE_SHOWN:
            return []
        sentence = (
            f"A random split would have claimed {percent(random.value)}: the difference is leakage between near-duplicates "
            "or members of one group, not skill."
        )
        return [finding(RANDOM_SPLIT_FLATTERS, sentence)]

    def suspicion(self, answered: Answered) -> Suspicion:
        return of_classes(self.values, answered.values_JO, answered.groups_J, self.names)

    def worst(self, answered: Answered) -> Worst | None:
        return worst_class(self.values, answered.values_JO.argmax(axis=1), answered.groups_J, self.names, self.one)

    def golden(self, answers_JO: Floats, count: int) -> list[int]:
        """Choose one image of each of the first classes, with the confidence nearest 0.9: clear, yet able to move."""
        order = np.argsort(np.abs(answers_JO.max(axis=1) - 0.9), kind="stable")
        by_class = [[int(j) for j in order if self.values[j] == c] for c in range(len(self.names))]
        return [rows[depth] for depth in range(count) for rows in by_class if depth < len(rows)]

    # Showing.

    def interpretation(self, items: Sequence[Item], answered: Answered, settings: Sequence[float]) -> AnyInterpretation:  # noqa: ARG002
        return Interpretation(items, self.values, answered.values_JO, answered.groups_J, self.names)

    def confusion_CC(self, answers_JO: Floats) -> IntArray:
        return metrics.confusion(self.values, answers_JO.argmax(axis=1), len(self.names))

    def sections(
        self,
        items: Sequence[Item],  # noqa: ARG002  # of classes, tables say more than plots
        answered: Answered,
        settings: Sequence[float],  # noqa: ARG002
        confident: ConfidentFrom,
    ) -> AnswerSections:
        labels_J, probs_JC, groups_J = self.values, answered.values_JO, answered.groups_J
        predicted_J = probs_JC.argmax(axis=1)
        sure = mistakes.confident_mistakes(labels_J, probs_JC, confident.least)
        hardest = mistakes.top_losses(labels_J, probs_JC, MISTAKES_SHOWN, without=sure)
        return AnswerSections(
            called=(self.one, self.many),
            classes=self.names,
            confusion_CC=tuple(tuple(row) for row in self.confusion_CC(probs_JC).tolist()),
            class_rows=mistakes.class_rows(labels_J, predicted_J, groups_J, self.names),
            reliability=mistakes.reliability(labels_J, probs_JC, groups_J),
            ece=metrics.expected_calibration_error(labels_J, probs_JC),
            top_losses=self._examples(hardest, probs_JC),
            confident_mistakes=self._examples(sure[:MISTAKES_SHOWN], probs_JC),
            confident_note=confident_note(len(sure), int((predicted_J != labels_J).sum()), confident),
        )

    def _examples(self, rows: NDArray[np.intp], probs_JC: Floats) -> tuple[Example, ...]:
        losses_J, predicted_J = self.losses(probs_JC), probs_JC.argmax(axis=1)
        return tuple(
            Example(
                row,
                label=self.text(row),
                predicted=self.names[predicted_J[row]],
                confidence=float(probs_JC[row, predicted_J[row]]),
                p_label=float(probs_JC[row, self.values[row]]),
                loss=float(losses_J[row]),
            )
            for row in rows.tolist()
        )

    def calibration_note(self, beta: float, on: str) -> str:
        return (
            f"Confidences were set right (calibrated) on {on}: they are what the network claims at a temperature of "
            f"{1 / beta:.2f}; above 1 it had been too sure of itself (temperature scaling)."
        )

    def method_notes(self, balance: Balance) -> tuple[str, ...]:
        if balance == "none":
            return ()
        weighted = f"{self.many.capitalize()} were weighted ({balance})"
        return (
            f"{weighted}: probabilities refer to a world in which they are more equally frequent than in this data.",
        )

    def moved(self, one_JO: Floats, other_JO: Floats) -> str:
        changed = int((one_JO.argmax(axis=1) != other_JO.argmax(axis=1)).sum())
        return f"{super().moved(one_JO, other_JO)} and changed {changed} answers"

    def answer(self, answers_O: Floats) -> Answer:
        return likeliest(self.names, answers_O)

    # Into the bundle and back.

    def described(self, figures: Figures, calibration: Calibration) -> Kind:  # noqa: ARG002
        return ClassKind(classes=self.names, calibration=calibration)

    @classmethod
    def settings_of(cls, kind: Kind) -> tuple[float, ...]:  # noqa: ARG003
        return ()
