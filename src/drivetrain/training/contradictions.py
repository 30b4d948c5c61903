"""Pictures that contradict themselves, by the names and labels that a person knows them by."""

from __future__ import annotations

from dataclasses import dataclass

from ..curate.contradictions import contradictions
from ..curate.duplicates import Duplicates
from .sample import Sample


@dataclass(frozen=True)
class Contradictory:
    """Two files that show the same picture, and the label of each; ``kind`` is ``exact`` or ``near``."""

    first: str
    first_label: str
    second: str
    second_label: str
    kind: str
    rows: tuple[int, int]
    """The rows of the two among the images that were compared."""

    def to_json(self) -> dict[str, str]:
        """Return an entry of the list that ``train --json`` prints."""
        return {
            "first": self.first,
            "first_label": self.first_label,
            "second": self.second,
            "second_label": self.second_label,
            "kind": self.kind,
        }


def contradictory(duplicates: Duplicates, sample: Sample) -> tuple[Contradictory, ...]:
    """Find one pair for each picture that contradicts itself; ``duplicates`` are rows of ``sample``."""
    items, targets = sample.items, sample.targets
    return tuple(
        Contradictory(
            first=items[found.first].name,
            first_label=targets.text(found.first),
            second=items[found.second].name,
            second_label=targets.text(found.second),
            kind=found.kind,
            rows=(found.first, found.second),
        )
        for found in contradictions(duplicates, targets.values, are_numbers=targets.measured)
    )
