"""What a model saw in one item: all there is to judge an answer by.

Shapes: W logits, D embedding, F embedding of the network before fine-tuning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..core.types import FloatArray


@dataclass(frozen=True, eq=False)
class Seen:
    """The network's outputs, and facts of the item itself."""

    logits_W: FloatArray
    embedding_D: FloatArray
    frozen_embedding_F: FloatArray | None = None
    """None where no rule of the policy asks for it (`Policy.needs_frozen`)."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """What the input says of the item, such as its width and height."""
