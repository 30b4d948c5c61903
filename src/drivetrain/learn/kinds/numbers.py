"""Numbers. Shapes: N items, J of them judged, D features, M numbers an item."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError, UsageError
from ...core.figure import Figure
from ...core.finding import Finding
from ...core.types import FloatArray, IntArray, Interval, Item
from ...data.block.blocks import InputBlock, RegressionBlock, TargetBlock
from ...data.block.datablock import DataBlock
from ...data.block.sample import Sample
from ...data.sources.opening import open_source
from ...draw.numbers import reading, significant, whole_percent
from ...draw.plot import Plot
from ...model.kinds.kind import Answer, Kind
from ...model.kinds.numbers import NumberKind
from ...model.part import Calibration
from ...stats import number_metrics
from ...stats.metrics import Floats
from ..balance import Balance
from ..crossval import Validation
from ..figures import RANDOM_SPLIT, Figures, figure
from ..findings import NO_BETTER_THAN_GUESSING, finding
from ..head import FittedHead
from ..logistic import Axes
from ..number_interpretation import NumberInterpretation
from ..numbers_head import NumbersValidation, fit_numbers_head, rank_strata
from ..scale import Scale
from ..sections import MISTAKES_SHOWN, AnswerSections, ConfidentFrom, Example
from ..suspicion import Suspicion, of_numbers
from ..target_options import TargetOptions
from ..worst import Worst, worst_range
from .answered import Answered
from .targets import AnyInterpretation, Targets
from .words import NOTHING_LEARNED

if TYPE_CHECKING:
    from ..deep.objective import Objective

# The share of numbers that their intervals are to hold.
COVERAGE = 0.9

# The largest number: numbers are float32, and results of computing with them must stay finite.
GREATEST_NUMBER = 1e30

# The least spread: the model's weights, which are float32, are in the numbers' unit.
LEAST_SPREAD = 1e-30

MOST_PLOTTED = 4  # numbers whose plots a report has room for


@dataclass(frozen=True, eq=False)
class NumberTargets(Targets):
    """Numbers; ``values`` (N, M) float32. The loss is the squared error in variances of the numbers, mean over them.

    ``settings``: half the width of each number's interval.
    """

    answered_as: ClassVar[type[Kind]] = NumberKind
    one: ClassVar[str] = "number"
    many: ClassVar[str] = "numbers"
    said: ClassVar[str] = "numbers"
    compared: ClassVar[tuple[str, ...]] = ("mean-absolute-error",)
    loss_is: ClassVar[tuple[str, str]] = (
        "Squared error",
        "It is given in variances of the numbers: 0 where every answer is exact, 1 for always answering the mean.",
    )
    measured: ClassVar[bool] = True
    none_accepted: ClassVar[str] = "no width of interval has been named up to which a number may pass without a person"
    counted: ClassVar[bool] = False

    names: tuple[str, ...]
    values: FloatArray

    # Reading.

    @classmethod
    def data_block(cls, options: TargetOptions, inputs: InputBlock) -> DataBlock:  # noqa: ARG003
        return DataBlock((inputs, RegressionBlock), open_source, get_y=attrgetter("label"))

    @classmethod
    def reads(cls, block: TargetBlock[Any] | None) -> bool:
        return isinstance(block, RegressionBlock)

    @classmethod
    def of_block(cls, block: TargetBlock[Any], values: NDArray[Any], options: TargetOptions) -> Self:
        assert isinstance(block, RegressionBlock)  # `reads` accepts no other
        return cls(_number_names(options.target_names, block.n_out), np.asarray(values, np.float32))

    @classmethod
    def check_labels(cls, items: Sequence[Item]) -> None:
        for item in items:
            try:
                RegressionBlock().parse(item.label)
            except DataError:
                comma = "; write a decimal point, not a comma" if "," in (item.label or "") else ""
                raise DataError(
                    f"{item.name} is labelled {item.label!r}, which is no finite number; regression needs a plain number, "
                    f"without a unit, for every image{comma}"
                ) from None

    @classmethod
    def known(cls, block: TargetBlock[Any], samples: Sequence[Sample]) -> TargetBlock[Any]:
        for sample in samples:
            numbers = np.asarray(sample.target, np.float64)
            if not (np.abs(numbers) <= GREATEST_NUMBER).all():
                found = ", ".join(reading(number) for number in np.ravel(numbers))
                raise DataError(
                    f"{sample.name} has the number {found}; numbers may reach {GREATEST_NUMBER:g}, so give it in a larger "
                    "unit"
                )
        return super().known(block, samples)

    @classmethod
    def block_for_outputs(cls, outputs: tuple[str, ...]) -> str:
        return f"{RegressionBlock.__name__}(n_out={len(outputs)})"

    @classmethod
    def misread(cls, block: TargetBlock[Any], outputs: tuple[str, ...]) -> str | None:
        if isinstance(block, RegressionBlock) and block.n_out != len(outputs):
            return f"{block.n_out} number{'s' if block.n_out > 1 else ''} an image"
        return super().misread(block, outputs)

    @classmethod
    def foreign(cls, target: Any, outputs: frozenset[str]) -> list[str]:  # noqa: ARG003
        return []

    # Checking that anything can be learned.

    def check(self, where: str = "", unusable: str = "") -> None:
        spread_M = np.ptp(self.values.astype(np.float64), axis=0)
        flat = [m for m, spread in enumerate(spread_M) if spread == 0]
        if flat:
            raise DataError(
                f"“{self.names[flat[0]]}” is {self.values[0, flat[0]]:g} for all {len(self)} usable images{where}"
                f"{unusable}; there is nothing to predict"
            )
        close = [m for m, spread in enumerate(spread_M) if spread < LEAST_SPREAD]
        if close:
            raise DataError(
                f"“{self.names[close[0]]}” varies by {spread_M[close[0]]:.1g} only, which is too little to reckon with; give "
                "it in a smaller unit"
            )

    # Learning.

    @property
    def strata_N(self) -> IntArray:
        return rank_strata(self.values)

    def text(self, row: int) -> str:
        """Without the names: there is little room beside an image."""
        return ", ".join(reading(number) for number in self.values[row])

    def fingerprint(self, row: int) -> str:
        return f"{json.dumps(self.names)} {json.dumps(self.values[row].tolist())}"

    def fit(
        self, features_ND: FloatArray, groups_N: IntArray, weights_N: FloatArray, *, seed: int, threads: int
    ) -> FittedHead:
        return fit_numbers_head(features_ND, self.values, groups_N, weights_N, seed=seed, threads=threads)

    def validation(self, axes: Axes, folds_N: IntArray, weights_N: FloatArray, threads: int) -> Validation:
        return NumbersValidation(axes, np.asarray(self.values, np.float64), folds_N, weights_N, threads)

    def losses(self, answers_NO: Floats) -> Floats:
        variance_M = self.values.var(axis=0, dtype=np.float64)
        # Equal numbers have no variance to explain; their errors count as they are.
        errors_NM = (answers_NO - self.values) ** 2 / np.where(variance_M > 0, variance_M, 1.0)
        losses_N: Floats = errors_NM.mean(axis=1)
        return losses_N

    def beta(self, logits_NW: FloatArray) -> float:  # noqa: ARG002
        return 1.0

    def objective(self) -> Objective:
        from ..deep.objective import REGRESSION

        return REGRESSION

    def scale(self) -> Scale:
        return Scale.of(self.values)

    def head_in_words(self, penalty: str, balance: Balance) -> str:  # noqa: ARG002
        return f"ridge regression, {penalty}"

    # Judging.

    def figures(
        self, answered: Answered, settings: Sequence[float] | None = None, random_split: float | None = None
    ) -> Figures:
        truth_JM, said_JM, how = self.values.astype(np.float64), answered.values_JO, answered.how
        few = number_metrics.fewest_for(COVERAGE)
        if settings is None and len(self) < few:
            raise DataError(
                f"{len(self)} images to judge by ({how}) are too few for intervals that hold {whole_percent(COVERAGE)}; give "
                f"{few} or more"
            )
        widths_M = number_metrics.half_widths(truth_JM - said_JM, COVERAGE) if settings is None else settings
        rows = [
            row
            for m, width in enumerate(widths_M)
            for row in self._of_each(m, truth_JM[:, m], said_JM[:, m], float(width), answered)
        ]
        if random_split is not None:
            name, slug = "mean absolute error of a random split", f"mean-absolute-error{RANDOM_SPLIT}"
            # For several numbers the figure is their mean, in standard deviations.
            unit = "standard deviations" if len(self.names) > 1 else ""
            rows.append(figure(slug, name, random_split, "significant", None, how, unit=unit))
        return Figures(tuple(rows), how, tuple(float(width) for width in widths_M))

    def _of_each(self, m: int, truth_J: Floats, said_J: Floats, half: float, answered: Answered) -> list[Figure]:
        of, how, n = self.names[m], answered.how, len(self)
        guess = float(np.abs(truth_J - np.median(truth_J)).mean())
        error = number_metrics.mean_absolute_error(truth_J, said_J, answered.groups_J, answered.seed)
        squared = number_metrics.root_mean_squared_error(truth_J, said_J)
        constant = "always answering the median"
        return [
            figure(
                "mean-absolute-error",
                "mean absolute error",
                error,
                "significant",
                "lower",
                how,
                n=n,
                of=of,
                note=f"{constant}: {significant(guess)}",
            ),
            figure("baseline", constant, guess, "significant", None, how, n=n, of=of),
            figure(
                "root-mean-squared-error", "root mean squared error", squared, "significant", "lower", how, n=n, of=of
            ),
            figure(
                "r-squared",
                "explained variance, R²",
                number_metrics.r_squared(truth_J, said_J),
                "decimals",
                "higher",
                how,
                n=n,
                of=of,
                note="0: no better than always answering the mean; 1: exact",
            ),
            self._covered(of, number_metrics.coverage_of(truth_J, said_J, half, answered.groups_J), half, how),
        ]

    def wrong(self, answers_JO: Floats, settings: Sequence[float]) -> NDArray[np.bool_] | None:
        """(J,) whether a true number lies outside its interval."""
        outside_JM = np.abs(self.values.astype(np.float64) - answers_JO) > np.asarray(settings)
        return np.asarray(outside_JM.any(axis=1), np.bool_)

    def _covered(self, of: str, held: Interval | None, half: float, how: str) -> Figure:
        """Say how many true numbers lie within the intervals around the answers."""
        note = f"± {significant(half)}, meant to hold {whole_percent(COVERAGE)} of the images"
        return figure("covered", "within the interval", held, "percent", "higher", how, n=len(self), of=of, note=note)

    @classmethod
    def document(cls, figures: Figures) -> dict[str, Any]:
        errors = figures.each("mean-absolute-error")
        document: dict[str, Any] = {
            "targets": [
                cls._document_of(figures, row, half) for row, half in zip(errors, figures.settings, strict=True)
            ]
        }
        if figures.random_split is not None:
            document["mean_absolute_error_random_split"] = {"value": figures.random_split.value}
        return document

    @classmethod
    def _document_of(cls, figures: Figures, error: Figure, half: float) -> dict[str, Any]:
        def value(slug: str) -> float | None:
            row = figures.find(slug, error.of)
            return row.value if row else None

        held = figures.find("covered", error.of)
        assert held is not None  # every number has one
        method = held.how.removeprefix(f"{figures.how}; ")
        return {
            "name": error.of,
            "mean_absolute_error": {"value": error.value, "low": error.low, "high": error.high, "method": error.how},
            "baseline": value("baseline"),
            "root_mean_squared_error": value("root-mean-squared-error"),
            "r_squared": value("r-squared"),
            "half_width": half,
            "covered": {"value": held.value, "low": held.low, "high": held.high, "method": method},
        }

    def about_guessing(self, figures: Figures) -> list[Finding]:
        found = []
        for error in figures.each("mean-absolute-error"):
            guess = figures.find("baseline", error.of)
            if error.value is None or error.high is None or guess is None or guess.value is None:
                continue
            if error.high >= guess.value:
                sentence = (
                    f"Being off by {significant(error.value)} on average is not clearly better than always answering the "
                    f"median ({significant(guess.value)}) for “{error.of}”: {NOTHING_LEARNED}"
                )
                found.append(finding(NO_BETTER_THAN_GUESSING, sentence))
        return found

    def suspicion(self, answered: Answered) -> Suspicion:
        return of_numbers(self.values, answered.values_JO, self.names)

    def worst(self, answered: Answered) -> Worst | None:
        """Return the range of the (first) number that is answered worst."""
        truth_J, said_J = self.values[:, 0].astype(np.float64), answered.values_JO[:, 0]
        return worst_range(truth_J, said_J, answered.groups_J, self.names[0], answered.seed)

    # Showing.

    def interpretation(self, items: Sequence[Item], answered: Answered, settings: Sequence[float]) -> AnyInterpretation:
        return self._interpreted(items, answered, settings)

    def _interpreted(
        self, items: Sequence[Item], answered: Answered, settings: Sequence[float]
    ) -> NumberInterpretation[Item]:
        widths_M = np.asarray(settings)
        return NumberInterpretation(items, self.values, answered.values_JO, widths_M, self.names, answered.groups_J)

    def sections(
        self,
        items: Sequence[Item],
        answered: Answered,
        settings: Sequence[float],
        confident: ConfidentFrom,  # noqa: ARG002  # no number is
    ) -> AnswerSections:
        said_JM, interpretation = answered.values_JO, self._interpreted(items, answered, settings)
        hardest = np.argsort(-self.losses(said_JM), kind="stable")[:MISTAKES_SHOWN]
        said = self.with_values(said_JM.astype(np.float32))
        plots = [
            plot
            for name in self.names[:MOST_PLOTTED]
            for plot in (
                Plot(f"Answered and true: {name}", str(interpretation.plot_scatter(name))),
                Plot(f"Errors: {name}", str(interpretation.plot_residuals(name))),
            )
        ]
        return AnswerSections(
            top_losses=tuple(
                Example(j, self.text(j), said.text(j), facts=self._residuals(said_JM, j)) for j in hardest.tolist()
            ),
            plots=tuple(plots),
        )

    def _residuals(self, said_JM: Floats, row: int) -> tuple[str, ...]:
        names = self.names if len(self.names) > 1 else ("",)
        gaps = zip(names, said_JM[row] - self.values[row], strict=True)
        return tuple(f"{name} off by {gap:+.3g}".strip() for name, gap in gaps)

    def method_notes(self, balance: Balance) -> tuple[str, ...]:  # noqa: ARG002
        return (
            (
                "Intervals around single answers are as wide as the errors of these answers ask for (split-conformal, Lei et al. "
                "2018): one width for all images. Where images come in groups the share they hold is approximate."
            ),
        )

    def moved(self, one_JO: Floats, other_JO: Floats) -> str:
        return f"moved answers by at most {significant(float(np.abs(one_JO - other_JO).max()))}"

    def answer(self, answers_O: Floats) -> Answer:
        nothing = float("nan")
        values = {name: Interval(float(x), nothing, nothing, "") for name, x in zip(self.names, answers_O, strict=True)}
        return Answer(values=values)

    # Into the bundle and back.

    def described(self, figures: Figures, calibration: Calibration) -> Kind:  # noqa: ARG002
        spreads = tuple(float(spread) for spread in self.values.std(axis=0, dtype=np.float64))
        return NumberKind(targets=self.names, half_widths=figures.settings, coverage=COVERAGE, spreads=spreads)

    @classmethod
    def settings_of(cls, kind: Kind) -> tuple[float, ...]:
        assert isinstance(kind, NumberKind)  # of the same task
        return kind.half_widths


def _number_names(names: tuple[str, ...], count: int) -> tuple[str, ...]:
    if not names:
        return ("number",) if count == 1 else tuple(f"number {m + 1}" for m in range(count))
    if len(names) != count or len(set(names)) != count:
        raise UsageError(
            f"{len(names)} target names were given ({', '.join(map(str, names))}) for {count} numbers; name each once"
        )
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise UsageError(f"{name!r} was given for the name of a number; give a text, such as years")
    # Text that cannot be encoded cannot be written to the manifest either.
    return tuple(name.strip().encode("utf-8", "replace").decode("utf-8") for name in names)
