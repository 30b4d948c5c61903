"""Grades that have an order. Shapes: N items, J of them judged, D features, C grades, W = C − 1 cumulative logits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError, UsageError
from ...core.figure import Figure
from ...core.finding import Finding
from ...core.types import FloatArray, IntArray
from ...data.block.blocks import InputBlock, TargetBlock
from ...data.block.datablock import DataBlock
from ...data.block.ordinal_block import OrdinalBlock, as_named, in_order
from ...data.block.sample import Sample
from ...data.sources.folder import listed
from ...data.sources.opening import open_source
from ...draw.numbers import decimals
from ...model.kinds.kind import Answer, Kind
from ...model.kinds.ordinal import OrdinalKind, graded
from ...model.part import Calibration
from ...stats.calibrate_ordinal import fit_beta_ordinal
from ...stats.metrics import Floats
from ...stats.ordinal import kappa_interval, mean_absolute_grades
from ..balance import Balance
from ..crossval import Validation
from ..figures import Figures, figure
from ..findings import NO_BETTER_THAN_GUESSING, finding
from ..head import FittedHead
from ..logistic import Axes
from ..ordinal_head import OrdinalValidation, fit_ordinal_head
from ..target_options import TargetOptions
from .answered import Answered
from .classes import ClassTargets
from .words import NOTHING_LEARNED

if TYPE_CHECKING:
    from ..deep.objective import Objective

KAPPA = "0: what chance would have; 1: no mistake; a grade far off counts more (squares)"


@dataclass(frozen=True, eq=False)
class OrdinalTargets(ClassTargets):
    """One of several grades; ``names`` from the lowest to the highest, ``values`` (N,) int64 their numbers.

    An answer is one label of several, so that what is said of classes holds; what knows of the order is said here. The
    loss is −log p(grade), in nats.
    """

    answered_as: ClassVar[type[Kind]] = OrdinalKind
    one: ClassVar[str] = "grade"
    many: ClassVar[str] = "grades"
    compared: ClassVar[tuple[str, ...]] = ("accuracy", "mean-absolute-error")
    few_groups: ClassVar[str] = "Some grade stands"

    # Reading.

    @classmethod
    def data_block(cls, options: TargetOptions, inputs: InputBlock) -> DataBlock:
        named = [as_named(grade, options.order[:place]) for place, grade in enumerate(options.order)]
        if len(set(named)) < len(named):
            twice = Counter(named).most_common(1)[0][0]
            raise UsageError(f"order (--order) names {twice!r} twice; name each grade once")
        return DataBlock((inputs, OrdinalBlock(options.order or None)), open_source)

    @classmethod
    def reads(cls, block: TargetBlock[Any] | None) -> bool:
        return isinstance(block, OrdinalBlock)

    @classmethod
    def of_block(cls, block: TargetBlock[Any], values: NDArray[Any], options: TargetOptions) -> Self:  # noqa: ARG003
        assert isinstance(block, OrdinalBlock)  # what `reads` says yes to
        return cls(block.labels, np.asarray(values, np.int64))

    @classmethod
    def check_samples(cls, source: str, samples: Sequence[Sample], options: TargetOptions) -> None:
        counts = Counter(str(sample.target) for sample in samples)
        if not options.order:
            return
        strange = [grade for grade in options.order if as_named(grade, counts) not in counts]
        if strange:
            raise DataError(
                f"order (--order) names {listed(strange)}, which no image of {source} has; its grades are "
                f"{listed(sorted(counts))}"
            )
        left_out = sorted(grade for grade in counts if as_named(grade, options.order) not in options.order)
        if left_out:
            found = ", ".join(f"“{grade}” ({counts[grade]} images)" for grade in left_out[:5])
            raise DataError(f"order (--order) lacks {found}; name every grade, or leave such images out")

    @classmethod
    def foreign(cls, target: Any, outputs: frozenset[str]) -> list[str]:
        return super().foreign(as_named(str(target), outputs), outputs)

    @classmethod
    def known(cls, block: TargetBlock[Any], samples: Sequence[Sample]) -> TargetBlock[Any]:
        if isinstance(block, OrdinalBlock) and block.vocab is None:
            # The number of grades is checked later, among the images that can be used.
            block = replace(block, vocab=in_order({str(sample.target) for sample in samples}))
        return block

    @classmethod
    def with_outputs(cls, block: TargetBlock[Any], outputs: tuple[str, ...]) -> TargetBlock[Any]:
        return replace(block, vocab=outputs) if isinstance(block, OrdinalBlock) else block

    @classmethod
    def block_for_outputs(cls, outputs: tuple[str, ...]) -> str:
        return f"{OrdinalBlock.__name__}({outputs!r})"

    # Checking that anything can be learned, as for classes.

    # Learning.

    def fit(
        self, features_ND: FloatArray, groups_N: IntArray, weights_N: FloatArray, *, seed: int, threads: int
    ) -> FittedHead:
        return fit_ordinal_head(
            features_ND, self.values, groups_N, weights_N, n_grades=len(self.names), seed=seed, threads=threads
        )

    def validation(self, axes: Axes, folds_N: IntArray, weights_N: FloatArray, threads: int) -> Validation:
        return OrdinalValidation(axes, self.values, folds_N, len(self.names), weights_N, threads)

    def beta(self, logits_NW: FloatArray) -> float:
        return fit_beta_ordinal(logits_NW, self.values)

    def objective(self) -> Objective:
        from ..deep.objective import ORDINAL

        return ORDINAL

    def head_in_words(self, penalty: str, balance: Balance) -> str:
        return f"cumulative logits (proportional odds), {penalty}, balance: {balance}"

    # Judging.

    def figures(
        self, answered: Answered, settings: Sequence[float] | None = None, random_split: float | None = None
    ) -> Figures:
        classes = super().figures(answered, settings, random_split)
        rows = [row for row in classes.rows if row.slug not in ("balanced-accuracy", "auc")]
        place = next(at for at, row in enumerate(rows) if row.slug == "calibration-error")
        return replace(classes, rows=(*rows[:place], *self._of_order(answered), *rows[place:]))

    def _of_order(self, answered: Answered) -> list[Figure]:
        """The rows that know how far off an answer is."""
        grades_J, predicted_J, groups_J = self.values, answered.values_JO.argmax(axis=1), answered.groups_J
        middle = int(np.median(grades_J))
        guessed = float(np.abs(grades_J - middle).mean())
        constant = f"always naming the median grade, “{self.names[middle]}”"
        error = mean_absolute_grades(grades_J, predicted_J, groups_J)
        kappa = kappa_interval(grades_J, predicted_J, groups_J)
        how, n = answered.how, len(self)
        return [
            figure(
                "mean-absolute-error", "mean absolute error", error, "decimals", "lower", how, n=n, unit="grades",
                note=f"1: the grade next to it; {constant}: {decimals(guessed)}",
            ),
            figure(
                "baseline-mean-absolute-error", constant, guessed, "decimals", None, how, n=n, unit="grades"
            ),
            figure(
                "quadratic-weighted-kappa", "quadratic weighted kappa", kappa, "decimals", "higher", how, n=n, note=KAPPA
            ),
        ]  # fmt: skip

    @classmethod
    def document(cls, figures: Figures) -> dict[str, Any]:
        document = super().document(figures)
        for slug in ("mean-absolute-error", "quadratic-weighted-kappa"):
            row = figures[slug]
            document[slug.replace("-", "_")] = {"value": row.value, "low": row.low, "high": row.high, "method": row.how}
        document["baseline"]["mean_absolute_error"] = figures["baseline-mean-absolute-error"].value
        return document

    def about_guessing(self, figures: Figures) -> list[Finding]:
        kappa = figures["quadratic-weighted-kappa"]
        if kappa.low is None or kappa.low > 0:
            return []
        claim = f"A quadratic weighted kappa of {decimals(kappa.value)} is not clearly above 0"
        return [
            finding(NO_BETTER_THAN_GUESSING, f"{claim}, which always naming the same grade achieves: {NOTHING_LEARNED}")
        ]

    # Showing.

    def answer(self, answers_O: Floats) -> Answer:
        return graded(self.names, answers_O)

    # Into the bundle and back.

    def described(self, figures: Figures, calibration: Calibration) -> Kind:  # noqa: ARG002
        return OrdinalKind(grades=self.names, calibration=calibration)
