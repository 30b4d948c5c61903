"""The section of a report on the gate: images like those trained on and others, and the cases that it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..draw.histogram_row import strangeness_axis, strangeness_row
from ..learn.gate_tried import Tried
from .thumbnail import Thumbnail


@dataclass(frozen=True)
class RefusedCase:
    """A training image that the gate refuses by what it has not seen of it, and the training images most like it."""

    thumbnail: Thumbnail
    label: str
    words: str
    """The strangeness of it, in words."""
    nearest: tuple[tuple[Thumbnail, str], ...]
    """(picture, label), the most alike first."""


@dataclass(frozen=True)
class GateSection:
    """The gate's view of images like those trained on and of others, and the cases that it refuses."""

    known: Tried
    near: tuple[Tried, ...] = ()
    far: tuple[Tried, ...] = ()
    summary: str = ""
    notes: tuple[str, ...] = ()
    made: str = ""
    """Sentences on how the sets were made."""
    cases: tuple[RefusedCase, ...] = ()
    cases_total: int = 0
    """The number of refused images of different groups, of which ``cases`` shows the strangest."""

    def view(self) -> dict[str, Any]:
        """Return the drawings that the page's template has besides."""
        groups = (
            ("Like those trained on", (self.known,)),
            ("Near: nearly like them", self.near),
            ("Far: other things altogether", self.far),
        )
        return {
            "groups": [
                (name, [(one, strangeness_row(one.strange_K.tolist())) for one in sets])
                for name, sets in groups
                if sets
            ],
            "axis_svg": strangeness_axis(),
        }
