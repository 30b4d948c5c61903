"""The manifest: everything a bundle says of itself, as plain data.

Schema versions
    1  the first.

To change the format: raise `SCHEMA_VERSION`, keep the old model class beside the new one with a function that lifts the
old into the new, and keep one old bundle among the tests for good. A reader accepts every version up to its own.
"""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..core.errors import SchemaError
from ..core.types import Interval
from ..data.preprocess import Preprocess

SCHEMA_VERSION = 1

Fraction = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Figure(_Part):
    """A figure with its interval and how both were obtained."""

    value: float
    low: float
    high: float
    method: str

    @classmethod
    def of(cls, interval: Interval) -> Figure:
        """From the interval type the metrics use."""
        return cls(value=interval.value, low=interval.low, high=interval.high, method=interval.method)


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
    """How good the model is, and how that is known."""

    accuracy: Figure
    accuracy_random_split: float | None
    accuracy_with_leak: float | None = None
    """Where a given split leaked: accuracy with the leaking items left in."""
    balanced_accuracy: float
    log_loss: float
    ece: float
    auc: float | None = None
    how: str


class DataInfo(_Part):
    """What the model was trained on."""

    fingerprint: str
    """SHA-256 over the sorted (file hash, label) pairs."""
    source: str
    images: int = Field(ge=1)
    skipped: int = Field(ge=0)
    per_class: dict[str, int]
    groups_duplicates: int
    groups_user: int


class Training(_Part):
    """How it was trained."""

    penalty: float
    balance: str
    seed: int
    folds: int
    trials: tuple[str, ...]


class Manifest(_Part):
    """`manifest.json`."""

    schema_version: int = SCHEMA_VERSION
    name: str
    bundle_id: str
    created_at: str
    """ISO 8601 with offset."""
    task: Literal["classification"] = "classification"
    classes: tuple[str, ...] = Field(min_length=2)
    preprocess: Preprocess
    embedding_width: int = Field(ge=1)
    backbone: BackboneInfo
    calibration: Calibration
    accept: Accept
    metrics: Metrics
    data: DataInfo
    training: Training
    versions: dict[str, str]

    def to_json(self) -> str:
        """Indented, stable, UTF-8."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


def parse_manifest(text: bytes) -> Manifest:
    """Parse and check a manifest.

    Raises:
        SchemaError: not JSON, of a newer schema, or with fields missing, unknown or out of range.
    """
    try:
        data: Any = json.loads(text.decode("utf-8"), parse_constant=_no_constant)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise SchemaError(f"manifest.json is not valid JSON: {error}") from None
    version = data.get("schema_version") if isinstance(data, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise SchemaError(f"manifest.json has no schema_version (found {str(version)[:40]!r}); is this a bundle?")
    if version > SCHEMA_VERSION:
        raise SchemaError(
            f"the bundle has schema version {version}, this drivetrain reads up to {SCHEMA_VERSION}; upgrade drivetrain"
        )
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "manifest.json"
        raise SchemaError(f"manifest.json: {place}: {first['msg']} ({error.error_count()} problem(s) in all)") from None
    if len(set(manifest.classes)) != len(manifest.classes):
        raise SchemaError("manifest.json: classes: the same class is named twice")
    return manifest


def _no_constant(name: str) -> float:
    raise SchemaError(f"manifest.json contains {name}; figures must be finite")


def finite(value: float) -> float | None:
    """``value``, or None where it is not a number."""
    return value if math.isfinite(value) else None
