"""The kinds of target there are: one line each."""

from __future__ import annotations

from typing import Any

from ...core.errors import UsageError
from ...data.block.blocks import TargetBlock
from .classes import ClassTargets
from .labels import LabelTargets
from .numbers import NumberTargets
from .ordinal import OrdinalTargets
from .targets import Targets

TARGETS: dict[str, type[Targets]] = {
    kind.answered_as.task: kind for kind in (ClassTargets, LabelTargets, NumberTargets, OrdinalTargets)
}
"""The kinds by the task that the manifest names."""


def kind_of_block(block: TargetBlock[Any]) -> type[Targets]:
    """Find the kind of the targets that a DataBlock reads.

    Raises:
        UsageError: there is none.
    """
    found = next((kind for kind in TARGETS.values() if kind.reads(block)), None)
    if found is None:
        raise UsageError(
            f"{type(block).__name__} has no task that can be trained; use one of the blocks of this library"
        )
    return found
