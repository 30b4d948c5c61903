"""The registry of kinds, by the ``task`` that a manifest names."""

from __future__ import annotations

from .classes import ClassKind
from .kind import Kind
from .labels import LabelKind
from .numbers import NumberKind
from .ordinal import OrdinalKind

KINDS: dict[str, type[Kind]] = {kind.task: kind for kind in (ClassKind, LabelKind, NumberKind, OrdinalKind)}
