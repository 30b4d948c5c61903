"""Reading parts of a manifest from a parsed document, with errors that name the field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from ..core.errors import SchemaError
from .part import Part

P = TypeVar("P", bound=Part)
T = TypeVar("T")


def read_part(form: type[P], document: object, place: str = "") -> P:
    """Read the part that a document describes; ``place`` is where it stands in the manifest.

    Raises:
        SchemaError: a field is missing, unknown or out of range.
    """
    try:
        # The part is validated from JSON text: pydantic's strict mode takes a list for a tuple only there.
        return form.model_validate_json(json.dumps(document))
    except ValidationError as error:
        raise fault(error, place) from None


def fault(error: ValidationError, place: str = "") -> SchemaError:
    """Say the first thing that is wrong, on one line."""
    first, more = error.errors()[0], error.error_count() - 1
    names = [*([place] if place else []), *(str(part)[:80] for part in first["loc"])]
    shown = " ".join(".".join(names).split()) or "document"
    others = f" ({more} more of this kind)" if more else ""
    return SchemaError(f"manifest.json: {shown}: {first['msg']}{others}")


def registered(known: Mapping[str, T], name: Any, field: str) -> T:
    """Look up a registry's entry under this name; ``field`` is where the manifest gives it.

    Raises:
        SchemaError: it has none.
    """
    if not isinstance(name, str) or name not in known:
        raise SchemaError(f"manifest.json: {field}: {str(name)[:40]!r} is none of {', '.join(known)}")
    return known[name]
