"""Parts of a manifest: the strict, frozen base, and the values that stand in several of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..core.types import Interval

Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Name = Annotated[str, Field(min_length=1)]


class Part(BaseModel):
    """A frozen record that refuses unknown fields.

    Strict: a number in quotes or a true for a 1 was not written by this program.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class Amount(Part):
    """A figure in a unit of its own with its interval and how both were obtained."""

    value: float
    low: float
    high: float
    method: str

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        check_order(self.low, self.value, self.high)
        return self

    @classmethod
    def of(cls, interval: Interval) -> Self:
        """Make an amount from the interval type that the metrics use."""
        return cls(value=interval.value, low=interval.low, high=interval.high, method=interval.method)


class Share(Amount):
    """A share with its interval and how both were obtained."""

    value: Fraction
    low: Fraction
    high: Fraction


class Calibration(Part):
    """The way from logits to probabilities: softmax(β · logits), or sigmoid(β · logits) of each label."""

    method: Literal["temperature"] = "temperature"
    beta: float = Field(gt=0)
    fitted_on: str


def check_order(low: float, value: float, high: float) -> None:
    """Check that a value lies in its interval.

    Raises:
        ValueError: it does not.
    """
    if not low <= value <= high:
        raise ValueError(f"{value} does not lie in its interval, {low} to {high}")


def check_length(values: Sequence[object], name: str, length: int) -> None:
    """Check that there is one entry for each output.

    Raises:
        ValueError: there are more or fewer.
    """
    if len(values) != length:
        raise ValueError(f"{name} has {len(values)} entries for {length} outputs")
