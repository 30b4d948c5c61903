"""Any number of labels. Shapes: N items, J of them judged, D features, L labels."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ...core.figure import Figure
from ...core.finding import Finding
from ...core.types import FloatArray, IntArray, Interval, Item
from ...data.block.blocks import InputBlock, MultiCategoryBlock, TargetBlock
from ...data.block.datablock import DataBlock
from ...data.block.sample import Sample
from ...data.sources.opening import open_source
from ...draw.numbers import decimals, percent
from ...draw.plot import Plot
from ...model.kinds.kind import Answer, Kind
from ...model.kinds.labels import LabelKind, some_labels
from ...model.part import Calibration
from ...stats import metrics
from ...stats.calibrate_binary import fit_beta_binary
from ...stats.label_metrics import (
    best_thresholds,
    binary_losses,
    label_rows,
    mean_average_precision_interval,
)
from ...stats.metrics import Floats
from ...stats.mistakes import ClassRow, share
from ..balance import Balance
from ..crossval import Validation
from ..delimiters import LabelsOf, settle_delimiter
from ..figures import RANDOM_SPLIT, Figures, around, figure
from ..findings import NO_BETTER_THAN_GUESSING, finding
from ..head import FittedHead
from ..label_interpretation import LabelInterpretation
from ..labels_head import LabelsValidation, fit_labels_head, rarest_labels
from ..logistic import Axes
from ..sections import MISTAKES_SHOWN, AnswerSections, ConfidentFrom, Example, confident_note
from ..suspicion import Suspicion, of_labels
from ..target_options import DELIMITER, TargetOptions
from ..worst import Worst, worst_label
from .answered import Answered
from .targets import AnyInterpretation, Targets
from .words import BOOTSTRAP, LOG_LOSS, NOTHING_LEARNED, SURE_AND_RIGHT, few_images, listed_counts, perhaps_numbers

if TYPE_CHECKING:
    from ..deep.objective import Objective


@dataclass(frozen=True, eq=False)
class LabelTargets(Targets):
    """Any number of labels; ``values`` (N, L) float32, 0 or 1. The loss is the mean over labels of −log p, in nats.

    ``settings``: the probability from which on each label is given.
    """

    answered_as: ClassVar[type[Kind]] = LabelKind
    one: ClassVar[str] = "label"
    many: ClassVar[str] = "labels"
    delimited: ClassVar[bool] = True
    compared: ClassVar[tuple[str, ...]] = ("all-labels-right",)  # intervals of the mean average precision are too short
    loss_is: ClassVar[tuple[str, str]] = ("Log-loss", f"{LOG_LOSS} Here it is the mean over the labels.")

    names: tuple[str, ...]
    values: FloatArray

    # Reading.

    @classmethod
    def data_block(cls, options: TargetOptions, inputs: InputBlock) -> DataBlock:
        return DataBlock((inputs, MultiCategoryBlock), open_source, get_y=LabelsOf(options.delimiter or DELIMITER))

    @classmethod
    def reads(cls, block: TargetBlock[Any] | None) -> bool:
        return isinstance(block, MultiCategoryBlock)

    @classmethod
    def of_block(cls, block: TargetBlock[Any], values: NDArray[Any], options: TargetOptions) -> Self:  # noqa: ARG003
        assert isinstance(block, MultiCategoryBlock)  # `reads` accepts no other
        return cls(block.labels, np.asarray(values, np.float32))

    @classmethod
    def settled(
        cls, options: TargetOptions, items: Sequence[Item], vocabulary: Collection[str] = ()
    ) -> tuple[TargetOptions, tuple[str, ...]]:
        if options.delimiter is not None:
            return options, ()
        texts = [item.label for item in items if item.label is not None and item.labels is None]
        delimiter, notes = settle_delimiter(texts, DELIMITER, vocabulary)
        return replace(options, delimiter=delimiter), notes

    @classmethod
    def check_samples(cls, source: str, samples: Sequence[Sample], options: TargetOptions) -> None:
        if not any(sample.target for sample in samples):
            raise DataError(
                f"none of the {len(samples)} images of {source} has a label; every one has nothing but the delimiter "
                f"“{options.delimiter or DELIMITER}”"
            )

    @classmethod
    def with_outputs(cls, block: TargetBlock[Any], outputs: tuple[str, ...]) -> TargetBlock[Any]:
        return replace(block, vocab=outputs) if isinstance(block, MultiCategoryBlock) else block

    @classmethod
    def block_for_outputs(cls, outputs: tuple[str, ...]) -> str:  # noqa: ARG003
        return MultiCategoryBlock.__name__

    @classmethod
    def labels_in(cls, target: Any) -> tuple[str, ...]:
        return tuple(map(str, target))

    @classmethod
    def renamed(cls, target: Any, names: Mapping[str, str]) -> Any:
        return tuple(sorted({names.get(label, label) for label in target}))

    @classmethod
    def foreign(cls, target: Any, outputs: frozenset[str]) -> list[str]:
        return [str(label) for label in target if label not in outputs]

    @classmethod
    def nothing_known(cls, source: str, known: str, found: str) -> str:
        return (
            f"every image of {source} has labels that the bundle ({known}) does not know; found {found}; name them as the "
            "bundle does, and say what stands between two of them (--delimiter, delimiter=)"
        )

    @classmethod
    def of_unknown(cls) -> str:
        return "with labels"

    # Checking that anything can be learned.

    def check(self, where: str = "", unusable: str = "") -> None:
        counts = self.counts()
        few = [name for name, count in counts.items() if not count >= 2]
        if few:
            raise DataError(
                f"every label needs at least two usable images{where}{unusable}: {listed_counts(few, counts)}; add images or "
                f"remove the label{perhaps_numbers(self.names)}"
            )
        everywhere = [name for name, count in counts.items() if count == len(self)]
        if everywhere:
            raise DataError(
                f"all {len(self)} usable images{where} have the label “{everywhere[0]}”, so there is nothing to tell "
                "apart; remove it, or add images without it"
            )

    def judgeable(self, groups_N: IntArray) -> NDArray[np.bool_]:  # noqa: ARG002
        if not np.ptp(self.values, axis=0).any():
            raise DataError("all images have the same labels, so that nothing can be learned; add images of others")
        return np.ones(len(self), np.bool_)

    def counts(self) -> dict[str, int]:
        return dict(zip(self.names, (self.values > 0.5).sum(axis=0).tolist(), strict=True))

    def about_counts(self, balance: Balance) -> list[Finding]:  # noqa: ARG002
        return few_images(self.counts(), self.many)

    # Learning.

    @property
    def strata_N(self) -> IntArray:
        return rarest_labels(self.values)

    def fingerprint(self, row: int) -> str:
        return f"{json.dumps(self.names)} {json.dumps(self.values[row].tolist())}"

    def fit(
        self, features_ND: FloatArray, groups_N: IntArray, weights_N: FloatArray, *, seed: int, threads: int
    ) -> FittedHead:
        return fit_labels_head(features_ND, self.values, groups_N, weights_N, seed=seed, threads=threads)

    def validation(self, axes: Axes, folds_N: IntArray, weights_N: FloatArray, threads: int) -> Validation:
        return LabelsValidation(axes, np.asarray(self.values, np.float32), folds_N, weights_N, threads)

    def losses(self, answers_NO: Floats) -> Floats:
        return binary_losses(self.values, answers_NO)

    def beta(self, logits_NW: FloatArray) -> float:
        return fit_beta_binary(logits_NW, self.values)

    def objective(self) -> Objective:
        from ..deep.objective import MULTI_LABEL

        return MULTI_LABEL

    # Judging.

    def figures(
        self, answered: Answered, settings: Sequence[float] | None = None, random_split: float | None = None
    ) -> Figures:
        present_JL, probs_JL, groups_J, how = self.values, answered.values_JO, answered.groups_J, answered.how
        if settings is None and not (present_JL > 0.5).any():
            raise DataError(f"none of the {len(self)} images to judge by ({how}) has a label; give some that have")
        thresholds_L = best_thresholds(present_JL, probs_JL) if settings is None else np.asarray(settings)
        rows = [
            *self._ranked(answered, random_split),
            *self._exact(probs_JL, thresholds_L, groups_J, how),
            figure(
                "log-loss",
                "log-loss",
                self._log_loss(answered),
                "decimals",
                "lower",
                how,
                n=len(self),
                unit="a label",
                note=f"0: {SURE_AND_RIGHT}",
            ),
            *self._of_each(answered, thresholds_L),
        ]
        return Figures(tuple(rows), how, tuple(thresholds_L.tolist()))

    def _ranked(self, answered: Answered, random_split: float | None) -> list[Figure]:
        """Make a row on how well each label's images are told from the others, whatever the threshold."""
        slug, name, how, n = "mean-average-precision", "mean average precision", answered.how, len(self)
        mean = mean_average_precision_interval(self.values, answered.values_JO, answered.groups_J, answered.seed)
        guessing, (baseline, _) = "guessing, by how common each label is", self._guessed()
        note = f"{guessing}: {decimals(baseline)}" if np.isfinite(mean.value) else "none of the labels occurs"
        rows = [
            figure(slug, name, mean, "decimals", "higher", how, n=n, note=note),
            figure("baseline", guessing, baseline, "decimals", None, how, n=n),
        ]
        if random_split is not None:
            claimed = f"{name} of a random split"
            rows.append(figure(f"{slug}{RANDOM_SPLIT}", claimed, random_split, "decimals", None, how))
        return rows

    def _exact(self, probs_JL: Floats, thresholds_L: Floats, groups_J: IntArray, how: str) -> list[Figure]:
        """Make a row on the share of images whose every label is given, and no other."""
        usual, (_, together), n = "always giving the labels that most often go together", self._guessed(), len(self)
        exact, note = (
            share(~self._wrong(probs_JL, thresholds_L), np.ones(n, bool), groups_J),
            f"{usual}: {percent(together)}",
        )
        return [
            figure("all-labels-right", "all labels right", exact, "percent", "higher", how, n=n, note=note),
            figure("baseline-all-labels-right", usual, together, "percent", None, how, n=n),
        ]

    def _guessed(self) -> tuple[float, float]:
        """Mean average precision of guessing: the mean, over the labels that occur, of the share of images that have them;
        and the share of images all of whose labels are right when each is given those that most often go together."""
        shares_L = (self.values > 0.5).mean(axis=0)
        _, together = np.unique(self.values > 0.5, axis=0, return_counts=True)
        return float(shares_L[shares_L > 0].mean()) if shares_L.any() else 0.0, float(together.max() / len(self))

    def _wrong(self, probs_JL: Floats, thresholds_L: Floats) -> NDArray[np.bool_]:
        """Return the (J,) mask of answers in which one of the labels given or left out is wrong."""
        wrong: NDArray[np.bool_] = ((probs_JL >= thresholds_L) != (self.values > 0.5)).any(axis=1)
        return wrong

    def _log_loss(self, answered: Answered) -> Interval:
        losses_J = self.losses(answered.values_JO)
        limits = metrics.bootstrap(answered.groups_J, lambda rows: float(losses_J[rows].mean()), answered.seed)
        return around(float(losses_J.mean()), limits, BOOTSTRAP)

    def _of_each(self, answered: Answered, thresholds_L: Floats) -> list[Figure]:
        rows: list[Figure] = []
        for one in label_rows(self.values, answered.values_JO, thresholds_L, answered.groups_J, self.names):
            label, n, how = one.label, one.count, answered.how
            note = f"from {one.threshold:.2f} on ({n} images)"
            rows += [
                figure("precision", "precision", one.precision, "percent", "higher", how, n=n, of=label, note=note),
                figure("recall", "recall", one.recall, "percent", "higher", how, n=n, of=label),
                figure(
                    "average-precision",
                    "average precision",
                    one.average_precision,
                    "decimals",
                    "higher",
                    how,
                    n=n,
                    of=label,
                ),
            ]
        return rows

    @classmethod
    def document(cls, figures: Figures) -> dict[str, Any]:
        mean, exact = figures["mean-average-precision"], figures["all-labels-right"]
        document: dict[str, Any] = {
            "mean_average_precision": {"value": mean.value, "low": mean.low, "high": mean.high, "method": mean.how},
            "all_labels_right": {"value": exact.value, "low": exact.low, "high": exact.high, "method": exact.how},
            "baseline": {
                "mean_average_precision": figures["baseline"].value,
                "all_labels_right": figures["baseline-all-labels-right"].value,
            },
            "log_loss": figures["log-loss"].value,
            "labels": [
                {
                    "label": precision.of,
                    "count": precision.n,
                    "threshold": threshold,
                    "precision": precision.value,
                    "recall": recall.value,
                    "average_precision": ranked.value,
                }
                for precision, recall, ranked, threshold in zip(
                    figures.each("precision"),
                    figures.each("recall"),
                    figures.each("average-precision"),
                    figures.settings,
                    strict=True,
                )
            ],
        }
        if figures.random_split is not None:
            document["mean_average_precision_random_split"] = {"value": figures.random_split.value}
        return document

    def wrong(self, answers_JO: Floats, settings: Sequence[float]) -> NDArray[np.bool_] | None:
        """An answer is wrong if one of the labels given or left out is."""
        return self._wrong(answers_JO, np.asarray(settings))

    def about_guessing(self, figures: Figures) -> list[Finding]:
        mean, guess = figures["mean-average-precision"], figures["baseline"]
        if mean.low is not None and guess.value is not None and mean.low > guess.value:
            return []
        claim = f"A mean average precision of {decimals(mean.value)} is not clearly better than guessing"
        return [finding(NO_BETTER_THAN_GUESSING, f"{claim} ({decimals(guess.value)}): {NOTHING_LEARNED}")]

    def suspicion(self, answered: Answered) -> Suspicion:
        return of_labels(self.values, answered.values_JO, answered.groups_J, self.names, self.answered_as.text_of)

    def worst(self, answered: Answered) -> Worst | None:
        return worst_label(self.values, answered.values_JO, answered.groups_J, self.names, answered.seed)

    # Showing.

    def interpretation(self, items: Sequence[Item], answered: Answered, settings: Sequence[float]) -> AnyInterpretation:
        return self._interpreted(items, answered, settings)

    def _interpreted(
        self, items: Sequence[Item], answered: Answered, settings: Sequence[float]
    ) -> LabelInterpretation[Item]:
        thresholds_L = np.asarray(settings)
        return LabelInterpretation(items, self.values, answered.values_JO, thresholds_L, answered.groups_J, self.names)

    def sections(
        self, items: Sequence[Item], answered: Answered, settings: Sequence[float], confident: ConfidentFrom
    ) -> AnswerSections:
        probs_JL, losses_J, thresholds_L = answered.values_JO, self.losses(answered.values_JO), np.asarray(settings)
        given = self.with_values((probs_JL >= thresholds_L).astype(np.float32))
        confidence_J = np.maximum(probs_JL, 1 - probs_JL).min(axis=1)
        wrong_J = self._wrong(probs_JL, thresholds_L)
        sure = np.flatnonzero(wrong_J & (confidence_J >= confident.least))
        sure = sure[np.argsort(-confidence_J[sure], kind="stable")]
        order = np.argsort(-losses_J, kind="stable")
        interpretation = self._interpreted(items, answered, settings)

        def shown(rows: NDArray[np.intp], fact: Callable[[int], str]) -> tuple[Example, ...]:
            return tuple(Example(j, self.text(j), given.text(j), facts=(fact(j),)) for j in rows.tolist())

        return AnswerSections(
            class_rows=tuple(ClassRow(r.label, r.count, r.precision, r.recall) for r in interpretation.label_rows()),
            several_labels=True,
            top_losses=shown(
                order[~np.isin(order, sure)][:MISTAKES_SHOWN], lambda j: f"loss {losses_J[j]:.2f} a label"
            ),
            confident_mistakes=shown(
                sure[:MISTAKES_SHOWN], lambda j: f"{percent(confidence_J[j])} sure of every label"
            ),
            confident_note=confident_note(len(sure), int(wrong_J.sum()), confident),
            plots=(
                Plot(
                    "Precision and recall of each label",
                    str(interpretation.plot_precision_recall()),
                    "Precision: of what was given the label, how much has it. Recall: of what has it, how much was given it.",
                ),
            ),
        )

    def method_notes(self, balance: Balance) -> tuple[str, ...]:  # noqa: ARG002
        return (
            (
                "A label is given from the probability on that balances precision and recall best on these very answers (F1), "
                "which flatters both a little, the more so the rarer the label; average precision knows no threshold."
            ),
        )

    def answer(self, answers_O: Floats) -> Answer:
        return some_labels(self.names, answers_O, np.full(len(self.names), 0.5))

    # Into the bundle and back.

    def described(self, figures: Figures, calibration: Calibration) -> Kind:
        return LabelKind(labels=self.names, thresholds=figures.settings, calibration=calibration)

    @classmethod
    def settings_of(cls, kind: Kind) -> tuple[float, ...]:
        assert isinstance(kind, LabelKind)  # of the same task
        return kind.thresholds
