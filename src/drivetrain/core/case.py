"""A case: a unit of work that needs a decision, from people or, once it has been shown to pay, from the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Case:
    """A unit of work that needs a decision."""

    id: str
    """32 hexadecimal digits that sort by time (UUID version 7)."""
    key: str
    """The sender's own name for it: a second case of the same key in the same rollout is the first one again."""
    at: datetime
    """The moment it came in, in UTC."""
    inputs: tuple[str, ...]
    """SHA-256 of the inputs' bytes; the model answers the first, and people see all of them."""
    slices: Mapping[str, str] = field(default_factory=dict)
    """Parts of the field it belongs to, by column: ``{"site": "north", "camera": "7"}``."""
    group: str | None = None
    """Cases of one group (a burst, a module, a patient) are not independent, and are assigned together."""
    due: datetime | None = None
    """The moment by which it has to be decided."""
    metadata: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    """Anything else that people should see beside it."""

    @property
    def unit(self) -> str:
        """The name of what is assigned, and counted, as one: the group, or the case by itself."""
        return self.key if self.group is None else self.group


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """The model's answer to a case, which nobody who decides blind may learn."""

    label: str | None
    """None: the input could not be read."""
    confidence: float | None
    second: str | None
    """The label that the model finds next likely: the other answer that an adjudicator is shown where both agree."""
    certified: bool
    """The policy of the bundle lets it stand: inside the domain, and of a confidence that the accept rule certifies."""
    in_domain: bool
    latency_s: float
    bundle_id: str
    prediction_id: str | None = None
    """The record in the store of predictions."""
