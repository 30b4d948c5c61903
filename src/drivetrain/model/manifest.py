"""The manifest: everything a bundle says of itself, as plain data.

Schema versions
    1  the first: classification only.
    2  tasks: besides one label of several, any number of labels, and numbers; and fine-tuned networks. Arrays: what was
       ``labels_N`` is ``targets_N``, and held-out logits name their rows. A version 1 document is a valid one of version 2.
    3  ``input`` in place of ``preprocess``; ``figures``, rows that name themselves, in place of ``metrics``; ``accept`` is
       null where no answer may stand without a person. What is predicted is read by the task's `kinds.kind.Kind`, and what
       is taken by the type's input.

To change the format: raise `SCHEMA_VERSION`, lift what is older in `lift`, and keep a bundle of each kind in the old version
among the tests for good. A reader accepts every version up to its own.
"""

from __future__ import annotations

import json
import math
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from ..core.errors import SchemaError
from ..core.figure import Figure
from .figure_row import FigureRow
from .inputs.input import Input
from .inputs.registry import INPUTS
from .kinds.kind import Kind
from .kinds.registry import KINDS
from .kinds.tasks import FIRST, TaskName
from .lift import lift
from .part import Count, Fraction, Part, Share
from .read_part import fault, read_part, registered

SCHEMA_VERSION = 3

# Enough for a hundred thousand classes; parsed, it takes some thirty times as much.
MAX_BYTES = 8 << 20


class BackboneInfo(Part):
    """Where the frozen part came from."""

    name: str
    fingerprint: str
    licence: str
    source: str
    blocks: tuple[str, ...]
    views: tuple[str, ...]


class Accept(Part):
    """From which confidence on an answer stands without a person. ``certified`` says whether that is a guarantee."""

    confidence: Fraction
    certified: bool = False
    coverage: Fraction
    error: Share | None
    """Among what would have been accepted, out of fold; None when nothing would."""


class DataInfo(Part):
    """What the model was trained on."""

    fingerprint: str
    """SHA-256 over the sorted (file hash, label) pairs."""
    source: str
    images: int = Field(ge=1)
    skipped: Count
    per_class: dict[str, Count]
    groups_duplicates: Count
    groups_user: Count


class FineTuning(Part):
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


class Training(Part):
    """How it was trained."""

    penalty: float = Field(gt=0)
    balance: str
    seed: int
    folds: int = Field(ge=2)
    trials: tuple[str, ...]
    fine_tuning: FineTuning | None = None


class _About(Part):
    """All of it but the input and the kind, which are read by themselves."""

    schema_version: int = SCHEMA_VERSION
    """Of the document it was read from."""
    name: str
    bundle_id: str = Field(pattern=r"^[0-9a-f]{16,64}$")
    created_at: str
    """ISO 8601 with offset."""
    embedding_width: int = Field(ge=1)
    frozen_width: int | None = Field(default=None, ge=1)
    """Length of the embedding that ``frozen.onnx`` gives; None where the network was not fine-tuned."""
    backbone: BackboneInfo
    data: DataInfo
    training: Training
    versions: dict[str, str]
    accept: Accept | None
    """None where no answer may stand without a person."""
    figures: tuple[FigureRow, ...]
    """How good the model is, and how that is known; what matters most comes first."""

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        seen: set[tuple[str, str | None]] = set()
        for row in self.figures:
            if (row.slug, row.of) in seen:
                raise ValueError(f"figures holds {row.slug} twice")
            seen.add((row.slug, row.of))
        return self


class Manifest(_About):
    """`manifest.json`."""

    input: Input
    kind: Kind
    """What is predicted; its fields stand in the document beside the others."""

    @model_validator(mode="after")
    def _accepts_by_confidence(self) -> Self:
        if self.accept is not None and not self.kind.has_confidence:
            raise ValueError(f"accept is given, and answers of {self.kind.task} have no confidence")
        return self

    @property
    def task(self) -> TaskName:
        """What the document calls the kind."""
        return self.kind.task

    @property
    def outputs(self) -> tuple[str, ...]:
        """What is answered with; the graph's ``logits`` need not have as many columns, see `Kind.width`."""
        return self.kind.outputs

    @property
    def rows(self) -> tuple[Figure, ...]:
        """The figures."""
        return tuple(row.figure() for row in self.figures)

    def figure(self, slug: str, of: str | None = None) -> Figure | None:
        """The figure of this name, of the model as a whole or of one output; None where there is none."""
        return next((row.figure() for row in self.figures if (row.slug, row.of) == (slug, of)), None)

    def document(self) -> dict[str, Any]:
        """As JSON of the present version."""
        about = self.model_dump(mode="json", exclude={"kind", "input", "schema_version"})
        head = {name: about.pop(name) for name in ("name", "bundle_id", "created_at")}
        head["input"] = self.input.model_dump(mode="json")
        tail = {name: about.pop(name) for name in ("accept", "figures")}
        kind = self.kind.model_dump(mode="json")
        return {"schema_version": SCHEMA_VERSION, "task": self.task, **head, **about, **kind, **tail}

    def published(self) -> dict[str, Any]:
        """As ``inspect --json`` and the server show it: the document, and beside it what it had in earlier versions."""
        document = self.document()
        return {
            **document,
            "schema_version": self.schema_version,
            "preprocess": document["input"]["preprocess"],
            "metrics": self.kind.metrics(self.rows),
        }

    def to_json(self) -> str:
        """Indented, stable, UTF-8."""
        return json.dumps(self.document(), indent=2, ensure_ascii=False) + "\n"


def parse_manifest(text: bytes) -> Manifest:
    """Parse and check a manifest of any version up to the present one.

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
        return _manifest(data, version)
    except RecursionError:
        raise SchemaError("manifest.json is nested too deeply") from None
    except ValidationError as error:  # parts that are right by themselves and do not go together
        raise fault(error) from None


def _manifest(document: dict[str, Any], version: int) -> Manifest:
    form = registered(KINDS, document.pop("task", FIRST), "task")
    kind = read_part(form, {name: document.pop(name) for name in form.model_fields if name in document})
    if len(set(kind.outputs)) != len(kind.outputs):
        raise SchemaError("manifest.json: the same class, label or target is named twice")
    lifted = document if version == SCHEMA_VERSION else lift(document, kind)
    if "input" not in lifted:
        raise SchemaError("manifest.json: input: Field required")
    stated = lifted.pop("input")
    type_ = stated.get("type") if isinstance(stated, dict) else stated
    # Errors name the field as it stands in the document.
    place = "input" if version == SCHEMA_VERSION else ""
    read = read_part(registered(INPUTS, type_, "input.type"), stated, place)
    about = read_part(_About, lifted)
    return Manifest(**{name: getattr(about, name) for name in _About.model_fields}, input=read, kind=kind)


def _no_constant(name: str) -> float:
    raise SchemaError(f"manifest.json contains {name}; figures must be finite")


def finite(value: float) -> float | None:
    """``value``, or None where it is not a number."""
    return value if math.isfinite(value) else None
