"""The manifest: everything a bundle says of itself, as plain data.

Schema versions
    1  the first: classification only.
    2  tasks: besides one label of several, any number of labels, and numbers; and fine-tuned networks. Arrays: what was
       ``labels_N`` is ``targets_N``, and held-out logits name their rows. A version 1 document is a valid one of version 2.
    3  ``input`` in place of ``preprocess``; ``figures``, rows that name themselves, in place of ``metrics``; ``accept`` is
       null where no answer may stand without a person. What is predicted is read by the task's `kinds.kind.Kind`, and what
       is taken by the type's input.
    4  the input's preparation says how colours and deep values become sRGB (``render``).
    5  ``gate``, by which inputs unlike those trained on are known; and what is known of the error among accepted answers:
       ``accept.basis`` and ``accept.bound`` in place of ``accept.certified``.

To change the format: raise `SCHEMA_VERSION`, lift what is older in `lift`, and keep a bundle of each kind in the old version
among the tests for good. A reader accepts every version up to its own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from ..core.errors import SchemaError
from ..core.figure import Figure
from ..stats.mix import total_variation
from .figure_row import FigureRow
from .inputs.input import Input
from .inputs.registry import INPUTS
from .kinds.kind import Kind
from .kinds.registry import KINDS
from .kinds.tasks import FIRST, TaskName
from .lift import lift, with_basis
from .part import Count, Fraction, Name, Part, Share
from .read_part import fault, read_part, registered

SCHEMA_VERSION = 5

# The most bytes, enough for a hundred thousand classes; parsed, a manifest takes some thirty times as much.
MAX_BYTES = 8 << 20

# Rows of figures: five for each of two thousand numbers, beyond which nobody reads them.
MAX_FIGURES = 10_000

Basis = Literal["convention", "estimate", "certificate"]
GateMode = Literal["marginal", "training-conditional"]


class BackboneInfo(Part):
    """The origin of the frozen part."""

    name: str
    fingerprint: str
    licence: str
    source: str
    blocks: tuple[str, ...]
    views: tuple[str, ...]


class Bound(Part):
    """The upper limit of the error among accepted answers, and how many independent answers it rests on."""

    max_error: Fraction
    """The error asked for: at most this share of accepted answers may be wrong."""
    level: Fraction
    """The probability with which the limit holds: 0.95."""
    independent: Count
    """Independent items judged: one of each group."""
    accepted: Count
    """Accepted items among the independent ones."""
    wrong: Count
    """Wrong answers among the accepted ones."""
    error_upper: Fraction
    """The one-sided Clopper–Pearson limit; 1 where nothing is accepted."""
    needed: Count
    """The fewest accepted, independent, error-free answers that can show ``max_error``."""
    labelled: Count | None = None
    """About how many labelled items would show it; None where it is shown, or where no number of them would."""


class SliceBound(Part):
    """The error among accepted answers of one part of the fresh data, at the bundle's threshold."""

    slice: Name
    """The part, such as ``camera=north`` or ``class=bear``."""
    certified: bool
    level: Fraction
    """The probability with which the limit holds, for this part by itself."""
    independent: Count
    accepted: Count
    wrong: Count
    error_upper: Fraction


class Certificate(Part):
    """The fresh data that a certificate rests on. What it says holds for data of the same mix."""

    made_at: str
    """The time in ISO 8601, with offset."""
    source: str
    images: Count
    """Labelled images judged, without those that the model had seen."""
    leaks: Count
    """Images left out, as they are copies of training images."""
    mix: dict[str, Fraction]
    """The share of each class, label or grade among the independent cases; labels may overlap."""
    answered: dict[str, Fraction]
    """The same of the answers, which can be compared where nobody tells the truth."""
    stated: bool
    """Tells whether the mix was stated, and the cases were drawn to have it."""
    tolerance: Fraction
    """The largest change of a mix, in total variation, up to which the certificate stands."""
    jointly: bool
    """Tells whether all slices hold at once with the bound's level, rather than each by itself."""
    slices: tuple[SliceBound, ...] = Field(max_length=MAX_FIGURES)

    def stands_for(self, answered: Mapping[str, float]) -> bool:
        """Tells whether the certificate stands for what comes in, by the share of each label among the answers to it."""
        return total_variation(self.answered, answered) <= self.tolerance


class Accept(Part):
    """The answers that may stand without a person, and what is known of the error among them."""

    confidence: Fraction | None
    """The confidence from which on an answer stands; None where none does, as the error asked for could not be shown, and of
    numbers, which have none."""
    width: float | None = Field(default=None, gt=0)
    """Half the width, in the unit of the numbers, that every interval of an answer may have at most; None of all but numbers."""
    basis: Basis = "convention"
    """``convention``: a stated threshold; ``estimate``: cross-fitted from training; ``certificate``: from fresh data."""
    coverage: Fraction
    error: Share | None
    """The error among the answers that would have been accepted, out of fold; None when none would. A number is wrong where
    the true one lies outside its interval."""
    bound: Bound | None = None
    """None for a convention."""
    certificate: Certificate | None = None
    """The data of a certificate; None without one."""


class GateTried(Part):
    """A set of inputs made by machine that the gate was tried on, and what it made of them; no promise for any others."""

    name: str
    images: Count
    refused: Fraction
    auroc: Fraction
    """The chance that one of these looks stranger than an input like those trained on."""


class GateInfo(Part):
    """The gate's rule: an input is out of domain where its p-value is at most ``level``. Its arrays are a file of their own."""

    false_alarm: Fraction
    """The share of inputs like those trained on that may be turned away."""
    mode: GateMode
    """``marginal``: that share on average; ``training-conditional``: at most that share with a probability of 95 %."""
    level: Fraction
    calibrated_on: int = Field(ge=1)
    """Independent scores behind the p-values."""
    how: str
    """The way in which these were obtained, in words."""
    tried: tuple[GateTried, ...] = ()
    """The sets that it was tried on in training; none of a gate that was calibrated anew since."""


class DataInfo(Part):
    """The data that the model was trained on."""

    fingerprint: str
    """SHA-256 over the sorted (file hash, label) pairs."""
    source: str
    images: int = Field(ge=1)
    skipped: Count
    per_class: dict[str, Count]
    groups_duplicates: Count
    groups_user: Count


class FineTuning(Part):
    """The fine-tuning of the network itself."""

    epochs: int = Field(ge=1)
    rate: float = Field(gt=0)
    trained: str
    """The part that was trained, in words."""
    images: int = Field(ge=1)
    held_out: int = Field(ge=1)
    loss: float
    """Held-out loss."""
    frozen_loss: float
    """Held-out loss of a head on the frozen network, trained and judged on the same images."""
    seconds: float | None = Field(default=None, ge=0)
    """Wall time, which bundles no longer tell, so that equal runs give equal bytes."""


class Training(Part):
    """The settings and choices of the training."""

    penalty: float = Field(gt=0)
    balance: str
    seed: int
    folds: int = Field(ge=2)
    trials: tuple[str, ...]
    fine_tuning: FineTuning | None = None


class _About(Part):
    """The manifest but for the input and the kind, which are read by themselves."""

    schema_version: int = SCHEMA_VERSION
    """The version of the document it was read from."""
    name: str
    bundle_id: str = Field(pattern=r"^[0-9a-f]{16,64}$")
    created_at: str
    """The time in ISO 8601, with offset."""
    embedding_width: int = Field(ge=1)
    frozen_width: int | None = Field(default=None, ge=1)
    """Length of the embedding that ``frozen.onnx`` gives; None where the network was not fine-tuned."""
    backbone: BackboneInfo
    data: DataInfo
    training: Training
    versions: dict[str, str]
    accept: Accept | None
    """The accept rule; None where no answer may stand without a person."""
    gate: GateInfo | None = None
    """None where inputs unlike those trained on are not told apart."""
    figures: tuple[FigureRow, ...] = Field(max_length=MAX_FIGURES)
    """The model's figures and how they were obtained; the most important comes first."""

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        seen: set[tuple[str, str | None]] = set()
        for row in self.figures:
            if (row.slug, row.of) in seen:
                raise ValueError(f"figures holds {row.slug} twice")
            seen.add((row.slug, row.of))
        whole, parts = ({row.slug for row in self.figures if (row.of is None) is one} for one in (True, False))
        if mixed := sorted((whole & parts) | ((whole | parts) & {"how"})):
            raise ValueError(f"figures uses {mixed[0]} for more than one thing")
        return self


class Manifest(_About):
    """The content of `manifest.json`."""

    input: Input
    kind: Kind
    """The kind: what is predicted; its fields stand in the document beside the others."""

    @model_validator(mode="after")
    def _accepts_by_confidence(self) -> Self:
        accept = self.accept
        if accept is None:
            return self
        if accept.confidence is not None and not self.kind.has_confidence:
            raise ValueError(f"accept has a confidence, and answers of {self.kind.task} have none")
        if accept.width is not None and self.kind.has_confidence:
            raise ValueError(f"accept has a width, and answers of {self.kind.task} are accepted by their confidence")
        if accept.width is None and not self.kind.has_confidence:
            raise ValueError(f"accept is given, and answers of {self.kind.task} have no confidence")
        if (accept.bound is None) is not (accept.basis == "convention"):
            raise ValueError(
                f"accept has {'no' if accept.bound is None else 'a'} bound, and its basis is {accept.basis}"
            )
        if (accept.certificate is None) is (accept.basis == "certificate"):
            there = "no" if accept.certificate is None else "a"
            raise ValueError(f"accept has {there} certificate, and its basis is {accept.basis}")
        return self

    @property
    def task(self) -> TaskName:
        """The document's name for the kind."""
        return self.kind.task

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs that answers are made of; the graph's ``logits`` need not have as many columns, see `Kind.width`."""
        return self.kind.outputs

    @property
    def rows(self) -> tuple[Figure, ...]:
        """The figures."""
        return tuple(row.figure() for row in self.figures)

    def figure(self, slug: str, of: str | None = None) -> Figure | None:
        """Return the figure of this name, of the model as a whole or of one output; None where there is none."""
        return next((row.figure() for row in self.figures if (row.slug, row.of) == (slug, of)), None)

    def document(self) -> dict[str, Any]:
        """Return the JSON document of the present version."""
        about = self.model_dump(mode="json", exclude={"kind", "input", "schema_version"})
        head = {name: about.pop(name) for name in ("name", "bundle_id", "created_at")}
        head["input"] = self.input.model_dump(mode="json")
        tail = {name: about.pop(name) for name in ("accept", "gate", "figures")}
        kind = self.kind.model_dump(mode="json")
        return {"schema_version": SCHEMA_VERSION, "task": self.task, **head, **about, **kind, **tail}

    def published(self) -> dict[str, Any]:
        """Return what ``inspect --json`` and the server show: the document, and beside it the fields of earlier versions."""
        document = self.document()
        return {
            **document,
            "schema_version": self.schema_version,
            "preprocess": document["input"]["preprocess"],
            "metrics": self.kind.metrics(self.rows),
        }

    def to_json(self) -> str:
        """Write the document as indented JSON in UTF-8, always in the same order."""
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
    except ValidationError as error:  # the parts are right by themselves and do not go together
        raise fault(error) from None


def _manifest(document: dict[str, Any], version: int) -> Manifest:
    form = registered(KINDS, document.pop("task", FIRST), "task")
    kind = read_part(form, {name: document.pop(name) for name in form.model_fields if name in document})
    if len(set(kind.outputs)) != len(kind.outputs):
        raise SchemaError("manifest.json: the same class, label or target is named twice")
    lifted = with_basis(document if version > 2 else lift(document, kind), version)
    if "input" not in lifted:
        raise SchemaError("manifest.json: input: Field required")
    stated = lifted.pop("input")
    type_ = stated.get("type") if isinstance(stated, dict) else stated
    # Errors name the field by its place in the document.
    place = "input" if version > 2 else ""
    form_of_input = registered(INPUTS, type_, "input.type")
    read = read_part(form_of_input, form_of_input.lifted(stated, version), place)
    about = read_part(_About, lifted)
    return Manifest(**{name: getattr(about, name) for name in _About.model_fields}, input=read, kind=kind)


def _no_constant(name: str) -> float:
    raise SchemaError(f"manifest.json contains {name}; figures must be finite")


def finite(value: float) -> float | None:
    """Return ``value``, or None for NaN and infinities."""
    return value if math.isfinite(value) else None
