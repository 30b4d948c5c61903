"""The answers that a policy lets pass without a person, and how many of them are wrong. Shapes: J items judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.types import Interval
from ..draw.numbers import between, percent, with_interval
from ..model.manifest import Manifest
from ..model.policy import Policy
from ..model.rule import Answers, Lets
from ..model.seen import SeenItems
from ..stats.metrics import wilson
from ..stats.mistakes import share
from .judged import Judged


@dataclass(frozen=True)
class Accepted:
    """Answers that no rule objects to, and how many of them are wrong.

    Both intervals are Wilson's for the number of independent images that those in groups are worth, as that of the accuracy
    is.
    """

    lets: Lets
    """The accepted answers, in words."""
    share: Interval
    """The share of the images judged that is accepted."""
    n: int
    wrong: int
    error: Interval
    """The share of wrong answers among the accepted ones; NaN within 0 to 1 where none is accepted."""
    refused: float = 0.0
    """The share of the images judged that is out of domain."""

    def lines(self) -> list[tuple[str, str]]:
        """Write names and values, as the command line shows them."""
        if not self.n:
            return [("Accepted", f"none: {self.lets.none}, so a person sees every image"), *self._turned_away()]
        error = self.error
        answers = "1 answer" if self.n == 1 else f"{self.n} answers"
        counts = f"{answers} {self.lets.which}, {self.wrong or 'none'} of them wrong"
        wrong = f"{percent(error.value)} of these are wrong  ({between(error.low, error.high)})"
        return [("Accepted", f"{with_interval(self.share)}: {counts}"), ("", wrong), *self._turned_away()]

    def _turned_away(self) -> list[tuple[str, str]]:
        if not self.refused:
            return []
        return [
            (
                "Turned away",
                f"{percent(self.refused)}: unlike those trained on (out of domain), however sure the answers",
            )
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the rule's part of ``evaluate --json``."""
        error = {"value": self.error.value if self.n else None, "low": self.error.low, "high": self.error.high}
        counts = {"share": self.share.value, "n": self.n, "wrong": self.wrong}
        return {**counts, "error": error, "out_of_domain": self.refused}


def accepted_of(
    judged: Judged, settings: Sequence[float], manifest: Manifest, policy: Policy, seen: SeenItems
) -> Accepted | None:
    """Return what the bundle's policy accepts of answers to items in which this was ``seen``.

    It is None for a kind whose answers never stand.

    ``settings``: see `Figures.settings`.
    """
    wrong_J = judged.targets.wrong(judged.answers_JO, settings)
    if wrong_J is None or manifest.accept is None:
        return None
    standing = policy.standing(seen, Answers(manifest.kind, judged.answers_JO))
    inside_J = standing.stands_N
    of_all = share(inside_J, np.ones(len(inside_J), np.bool_), judged.groups_J)
    assert of_all is not None  # at least one image was judged
    error = share(wrong_J, inside_J, judged.groups_J) or wilson(0, 0)
    wrong, refused = int((inside_J & wrong_J).sum()), float(standing.refused_N.mean())
    return Accepted(standing.lets, of_all, int(inside_J.sum()), wrong, error, refused)
