"""The manifest: everything a bundle says of itself, as plain data.

Schema versions
    1  the first: classification only.
    2  tasks: besides one label of several, any number of labels, and numbers; and fine-tuned networks. Arrays: what was
       ``labels_N`` is ``targets_N``, and held-out logits name their rows. A version 1 document is a valid one of version 2.

To change the format: raise `SCHEMA_VERSION`, keep the old model class beside the new one with a function that lifts the
old into the new, and keep one old bundle among the tests for good. A reader accepts every version up to its own.
"""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..core.errors import SchemaError
from ..core.types import Interval
from ..data.image.preprocess import Preprocess

SCHEMA_VERSION = 2

# Enough for a hundred thousand classes; parsed, it takes some thirty times as much.
MAX_BYTES = 8 << 20

# Pixels a side of the network's input: beyond any classifier's, within any memory.
MAX_INPUT_SIDE = 4096

Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Name = Annotated[str, Field(min_length=1)]


def _fits_memory(spec: Preprocess) -> Preprocess:
    if max(spec.resize.size) > MAX_INPUT_SIDE:
        raise ValueError(f"resize.size is {spec.resize.size}; at most {MAX_INPUT_SIDE} pixels a side")
    return spec


class _Part(BaseModel):
    # Strict: a number in quotes or a true for a 1 was not written by this program.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class Amount(_Part):
    """A figure in a unit of its own with its interval and how both were obtained."""

    value: float
    low: float
    high: float
    method: str

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_order(self.low, self.value, self.high)
        return self

    @classmethod
    def of(cls, interval: Interval) -> Self:
        """From the interval type the metrics use."""
        return cls(value=interval.value, low=interval.low, high=interval.high, method=interval.method)


class Figure(Amount):
    """A share with its interval and how both were obtained."""

    value: Fraction
    low: Fraction
    high: Fraction


class BackboneInfo(_Part):
    """Where the frozen part came from."""

    name: str
    fingerprint: str
    licence: str
    source: str
    blocks: tuple[str, ...]
    views: tuple[str, ...]


class Calibration(_Part):
    """probabilities = softmax(β · logits)."""

    method: Literal["temperature"] = "temperature"
    beta: float = Field(gt=0)
    fitted_on: str


class Accept(_Part):
    """From which confidence on an answer stands without a person. ``certified`` says whether that is a guarantee."""

    confidence: Fraction
    certified: bool = False
    coverage: Fraction
    error: Figure | None
    """Among what would have been accepted, out of fold; None when nothing would."""


class Metrics(_Part):
    """How good a classifier is, and how that is known."""

    accuracy: Figure
    accuracy_random_split: Fraction | None
    accuracy_with_leak: Fraction | None = None
    """Where a given split leaked: accuracy with the leaking items left in."""
    balanced_accuracy: Fraction
    log_loss: float = Field(ge=0)
    ece: Fraction
    auc: Fraction | None = None
    how: str


class LabelMetrics(_Part):
    """How good a model is that gives any number of labels."""

    mean_average_precision: Figure
    mean_average_precision_random_split: Fraction | None
    exact: Figure
    """Share of items all of whose labels are right."""
    log_loss: float = Field(ge=0)
    """Mean over items and labels."""
    how: str


class NumberMetrics(_Part):
    """How good a model of numbers is; of several numbers, one entry each, in the order of ``targets``."""

    mean_absolute_error: tuple[Amount, ...]
    baseline: tuple[float, ...]
    """Mean absolute error of always answering the median."""
    root_mean_squared_error: tuple[float, ...]
    r_squared: tuple[float | None, ...]
    """None where all numbers judged are the same."""
    how: str


class DataInfo(_Part):
    """What the model was trained on."""

    fingerprint: str
    """SHA-256 over the sorted (file hash, label) pairs."""
    source: str
    images: int = Field(ge=1)
    skipped: Count
    per_class: dict[str, Count]
    groups_duplicates: Count
    groups_user: Count


class FineTuning(_Part):
    """How the network itself was trained on."""

    epochs: int = Field(ge=1)
    rate: float = Field(gt=0)
    trained: str
    """Which part, in words."""
    images: int = Field(ge=1)
    held_out: int = Field(ge=1)
    loss: float
    """Held-out loss."""
    frozen_loss: float
    """Held-out loss of a head on the frozen network, trained and judged on the same images."""
    seconds: float | None = Field(default=None, ge=0)
    """Wall time, which bundles no longer tell: equal runs give equal bytes."""


class Training(_Part):
    """How it was trained."""

    penalty: float = Field(gt=0)
    balance: str
    seed: int
    folds: int = Field(ge=2)
    trials: tuple[str, ...]
    fine_tuning: FineTuning | None = None


class _Manifest(_Part):
    schema_version: int = SCHEMA_VERSION
    name: str
    bundle_id: str = Field(pattern=r"^[0-9a-f]{16,64}$")
    created_at: str
    """ISO 8601 with offset."""
    preprocess: Annotated[Preprocess, AfterValidator(_fits_memory)]
    embedding_width: int = Field(ge=1)
    frozen_width: int | None = Field(default=None, ge=1)
    """Length of the embedding that ``frozen.onnx`` gives; None where the network was not fine-tuned."""
    backbone: BackboneInfo
    data: DataInfo
    training: Training
    versions: dict[str, str]

    def to_json(self) -> str:
        """Indented, stable, UTF-8."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


class ClassManifest(_Manifest):
    """`manifest.json` of a model that gives one label of several."""

    task: Literal["classification"] = "classification"
    classes: tuple[Name, ...] = Field(min_length=2)
    calibration: Calibration
    accept: Accept
    metrics: Metrics

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the graph's ``logits`` stand for, in their order."""
        return self.classes


class LabelManifest(_Manifest):
    """`manifest.json` of a model that gives any number of labels: probabilities = sigmoid(β · logits)."""

    task: Literal["multi-label"] = "multi-label"
    labels: tuple[Name, ...] = Field(min_length=1)
    thresholds: tuple[Fraction, ...]
    """Probability from which on a label is given; chosen for the best F1 of each on held-out answers."""
    calibration: Calibration
    accept: Accept
    metrics: LabelMetrics

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the graph's ``logits`` stand for, in their order."""
        return self.labels

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        _check_length(self.thresholds, "thresholds", len(self.labels))
        return self


class NumberManifest(_Manifest):
    """`manifest.json` of a model that gives numbers: the graph's ``logits`` are the numbers themselves."""

    task: Literal["regression"] = "regression"
    targets: tuple[Name, ...] = Field(min_length=1)
    half_widths: tuple[Annotated[float, Field(ge=0)], ...]
    """Each answer ± its half-width holds the true number with probability ``coverage`` (split-conformal)."""
    coverage: Fraction
    spreads: tuple[Annotated[float, Field(gt=0)], ...]
    """Standard deviations in the training data: what differences between machines are measured in."""
    metrics: NumberMetrics

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the graph's ``logits`` stand for, in their order."""
        return self.targets

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        _check_length(self.half_widths, "half_widths", len(self.targets))
        _check_length(self.spreads, "spreads", len(self.targets))
        for name in ("mean_absolute_error", "baseline", "root_mean_squared_error", "r_squared"):
            _check_length(getattr(self.metrics, name), f"metrics.{name}", len(self.targets))
        return self


Manifest = ClassManifest | LabelManifest | NumberManifest
_KINDS: dict[str, type[Manifest]] = {
    "classification": ClassManifest,
    "multi-label": LabelManifest,
    "regression": NumberManifest,
}


def _check_order(low: float, value: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{value} does not lie in its interval, {low} to {high}")


def _check_length(values: tuple[float, ...], name: str, length: int) -> None:
    if len(values) != length:
        raise ValueError(f"{name} has {len(values)} entries for {length} outputs")


def parse_manifest(text: bytes) -> Manifest:
    """Parse and check a manifest.

    Raises:
        SchemaError: not JSON, of a newer schema, or with fields missing, unknown or out of range.
    """
    if len(text) > MAX_BYTES:
        raise SchemaError(f"manifest.json has {len(text) >> 20} MiB; at most {MAX_BYTES >> 20}")
    try:
        data: Any = json.loads(text.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, a number of thousands of digits
        raise SchemaError(f"manifest.json is not valid JSON: {error}") from None
    version = data.get("schema_version") if isinstance(data, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise SchemaError(f"manifest.json has no schema_version (found {str(version)[:40]!r}); is this a bundle?")
    if version > SCHEMA_VERSION:
        shown = str(version) if version < 10**9 else "beyond all bounds"
        raise SchemaError(
            f"the bundle has schema version {shown}, this drivetrain reads up to {SCHEMA_VERSION}; upgrade drivetrain"
        )
    try:
        manifest = _kind(data.get("task", "classification")).model_validate_json(text)
    except ValidationError as error:
        first, more = error.errors()[0], error.error_count() - 1
        place = " ".join(".".join(str(part)[:80] for part in first["loc"]).split()) or "document"
        others = f" ({more} more of this kind)" if more else ""
        raise SchemaError(f"manifest.json: {place}: {first['msg']}{others}") from None
    if len(set(manifest.outputs)) != len(manifest.outputs):
        raise SchemaError("manifest.json: the same class, label or target is named twice")
    return manifest


def _kind(task: object) -> type[Manifest]:
    if not isinstance(task, str) or task not in _KINDS:
        raise SchemaError(f"manifest.json: task: {str(task)[:40]!r} is none of {', '.join(_KINDS)}")
    return _KINDS[task]


def _no_constant(name: str) -> float:
    raise SchemaError(f"manifest.json contains {name}; figures must be finite")


def finite(value: float) -> float | None:
    """``value``, or None where it is not a number."""
    return value if math.isfinite(value) else None
