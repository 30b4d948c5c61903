"""Lifting manifests of earlier schema versions."""

from __future__ import annotations

from typing import Any

from ..core.errors import SchemaError
from .figure_row import rows_of
from .kinds.kind import Kind
from .read_part import read_part

_NEW_IN_5 = ("width", "basis", "bound", "certificate")


def lift(document: dict[str, Any], kind: Kind) -> dict[str, Any]:
    """Lift a document, without the fields of its kind, to version 3, but for ``schema_version``.

    Version 4 differs in the input alone, which lifts itself: see `Input.lifted`.

    Raises:
        SchemaError: what has changed since is missing or malformed.
    """
    for name in ("preprocess", "metrics"):
        if name not in document:
            raise SchemaError(f"manifest.json: {name}: Field required")
    if kind.old_metrics is None:
        raise SchemaError(f"manifest.json: task: there was no {kind.task} before schema version 3")
    metrics = read_part(kind.old_metrics, document["metrics"], "metrics")
    try:
        figures = kind.lifted(metrics)
    except ValueError as error:
        raise SchemaError(f"manifest.json: {error}") from None
    return {
        **{name: value for name, value in document.items() if name not in ("preprocess", "metrics")},
        **({} if kind.has_confidence or "accept" in document else {"accept": None}),
        "input": {"type": "image", "preprocess": document["preprocess"]},
        "figures": [row.model_dump(mode="json") for row in rows_of(figures)],
    }


def with_basis(document: dict[str, Any], version: int) -> dict[str, Any]:
    """Lift a document of version 3 or 4 to version 5: ``accept.certified``, which was never true, says nothing any more.

    Raises:
        SchemaError: it has fields of version 5, or claims a guarantee that no program gave.
    """
    if version > 4:
        return document
    accept = document.get("accept")
    newer = [
        *(["gate"] if "gate" in document else []),
        *(f"accept.{name}" for name in _NEW_IN_5 if name in (accept or ())),
    ]
    if newer:
        raise SchemaError(f"manifest.json: {newer[0]}: no bundle of schema version {version} has it")
    if not isinstance(accept, dict):
        return document
    if accept.get("certified", False) is not False:
        raise SchemaError("manifest.json: accept.certified: no bundle of this version was certified")
    return {**document, "accept": {name: value for name, value in accept.items() if name != "certified"}}
