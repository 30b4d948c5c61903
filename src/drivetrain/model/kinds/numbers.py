"""Numbers: the graph's logits are the numbers themselves. Shapes: N items, M numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ...core.figure import Figure
from ...core.types import FloatArray, Interval
from ...draw.numbers import reading, significant, whole_percent
from ...stats.metrics import Floats
from ..part import Amount, Fraction, Name, Part, check_length
from .kind import Answer, Kind, Said, Tensor, Words
from .old_figures import how_of, metric_of, row
from .tasks import TaskName

BASELINE = "of always answering the median"
R_SQUARED = "explained variance; 0: no better than always answering the mean, 1: exact"


class NumberMetrics(Part):
    """The metrics of a model of numbers in version 2 of the manifest: one entry for each number, in the order of ``targets``."""

    mean_absolute_error: tuple[Amount, ...]
    baseline: tuple[float, ...]
    """Mean absolute error of always answering the median."""
    root_mean_squared_error: tuple[float, ...]
    r_squared: tuple[float | None, ...]
    """R² of each number; None where all numbers judged are the same."""
    how: str


class NumberKind(Kind):
    """Numbers in units of their own, each with an interval."""

    task: ClassVar[TaskName] = "regression"
    words: ClassVar[Words] = Words(
        model="A model that reads {names} off an image",
        tells="Reads these numbers off an image: {names}.",
        asks="Reads off a picture: {names}.",
        output="number",
        outputs="Numbers",
        gives="Numbers",
        hub_tag="image-regression",
        hub_metric="mae",
    )
    rightly: ClassVar[str] = "within the interval for"
    unit: ClassVar[str] = "numbers, in spreads of the training data,"
    has_confidence: ClassVar[bool] = False
    one_scale: ClassVar[bool] = False
    old_metrics: ClassVar[type[Part] | None] = NumberMetrics

    targets: tuple[Name, ...] = Field(min_length=1)
    half_widths: tuple[Annotated[float, Field(ge=0)], ...]
    """Each answer ± its half-width holds the true number with probability ``coverage`` (split-conformal)."""
    coverage: Fraction
    spreads: tuple[Annotated[float, Field(gt=0)], ...]
    """Standard deviations in the training data, the unit in which differences between machines are measured."""

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        check_length(self.half_widths, "half_widths", len(self.targets))
        check_length(self.spreads, "spreads", len(self.targets))
        return self

    @property
    def outputs(self) -> tuple[str, ...]:
        """The numbers' names."""
        return self.targets

    @property
    def calibrated(self) -> str:
        """Numbers are not calibrated."""
        return "numbers as they are"

    @classmethod
    def calibrated_answers(cls, logits_NW: FloatArray, beta: float) -> Floats:  # noqa: ARG003
        """(N, M) numbers, which need no calibration."""
        return np.asarray(logits_NW, np.float64)

    @property
    def beta(self) -> float:
        """Nothing is calibrated."""
        return 1.0

    def comparable(self, logits_NW: FloatArray) -> Floats:
        """Return (N, M) numbers in spreads of the training data."""
        numbers_NM: Floats = self.answers(logits_NW) / np.asarray(self.spreads)
        return numbers_NM

    def answered(self, answers_C: Floats) -> Answer:
        """The numbers with their intervals; there is no confidence."""
        method = f"split-conformal, {whole_percent(self.coverage)}"
        values = {
            name: Interval(float(number), float(number - half), float(number + half), method)
            for name, number, half in zip(self.targets, answers_C, self.half_widths, strict=True)
        }
        return Answer(values=values)

    @classmethod
    def answer_text(cls, said: Said, *, none: str = "–", ranges: bool = False) -> str:
        """The numbers, each behind its name."""
        return (
            ", ".join(
                f"{name} {reading(one.value)}" + (f" ({reading(one.low)} to {reading(one.high)})" if ranges else "")
                for name, one in said.values.items()
            )
            or none
        )

    @property
    def target_type(self) -> tuple[type[np.generic], tuple[int, ...]]:
        """The numbers."""
        return np.float32, (len(self.targets),)

    @classmethod
    def text_of(cls, names: Sequence[str], target: NDArray[Any]) -> str:
        """Each number after its name."""
        return ", ".join(f"{name} {reading(number)}" for name, number in zip(names, target, strict=True))

    def facts(self, counts: Mapping[str, int]) -> list[tuple[str, str]]:  # noqa: ARG002
        """List each number with its interval."""
        pairs = zip(self.targets, self.half_widths, strict=True)
        return [
            ("Number", f"{name} ± {significant(half)} (holds about {whole_percent(self.coverage)})")
            for name, half in pairs
        ]

    def remark(self, shown: Callable[[str], str]) -> str | None:
        """Say what the intervals hold."""
        pairs = zip(self.targets, self.half_widths, strict=True)
        widths = ", ".join(f"{shown(name)} ± {reading(half)}" for name, half in pairs)
        return (
            f"Each answer has an interval that holds the true number for about {whole_percent(self.coverage)} of images "
            f"(split-conformal): {widths}."
        )

    @property
    def held(self) -> str:
        """A sentence on what the ranges hold."""
        share = whole_percent(self.coverage)
        return f"The ranges hold the true number for about {share} of pictures like those it was trained on."

    def tensors(self) -> tuple[Tensor, ...]:
        """The numbers."""
        return (Tensor("values", "FP32", (len(self.targets),)),)

    def tensor_row(self, name: str, answer: Answer) -> Sequence[float | str | None]:  # noqa: ARG002
        """Return one item's part; None for an item that cannot be read."""
        return [value.value if (value := answer.values.get(output)) else None for output in self.targets]

    def lifted(self, metrics: Part) -> tuple[Figure, ...]:
        """Lift the rows: all figures of the first number, then those of the next."""
        assert isinstance(metrics, NumberMetrics)
        for name in ("mean_absolute_error", "baseline", "root_mean_squared_error", "r_squared"):
            check_length(getattr(metrics, name), f"metrics.{name}", len(self.targets))
        return tuple(figure for m, of in enumerate(self.targets) for figure in _of_one(metrics, m, of))

    def metrics(self, figures: Sequence[Figure]) -> dict[str, Any]:
        """Return the metrics as version 2 has them: one entry for each number."""
        how, found = how_of(figures), {(one.slug, one.of): one for one in figures}
        fields = [field for field in NumberMetrics.model_fields if field != "how"]
        each: dict[str, Any] = {
            field: [metric_of(found.get((field.replace("_", "-"), of)), how) for of in self.targets] for field in fields
        }
        return each | {"how": how}


def _of_one(metrics: NumberMetrics, m: int, of: str) -> tuple[Figure, ...]:
    how, rmse = metrics.how, metrics.root_mean_squared_error[m]
    error, baseline = metrics.mean_absolute_error[m], metrics.baseline[m]
    return (
        row("mean-absolute-error", "mean absolute error", error, "significant", "lower", how, of=of),
        row("baseline", "baseline error", baseline, "significant", None, how, of=of, note=BASELINE),
        row("root-mean-squared-error", "root mean squared error", rmse, "significant", "lower", how, of=of),
        row("r-squared", "R²", metrics.r_squared[m], "decimals", "higher", how, of=of, note=R_SQUARED),
    )
