"""The standing of a labelling session: how many labels, how accurate the model is, and whether more of them still change it.

The accuracy is that of a random sample of the items, the reserve of the queue, each answered by a model that has not seen its
group. A session may stop where the answers have settled (Bloodgood and Vijay-Shanker 2009, "A method for stopping active learning
based on stabilizing predictions and the need for user-adjustable stopping"): no label is needed to see that. Shapes: A items.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..core.types import Interval
from ..draw.numbers import percent
from ..stats.metrics import wilson

# Answers are compared with those of so many labels before.
LOOK_BACK = 30

# Answers have settled where so small a share of them changed over the last `LOOK_BACK` labels; see benchmarks/label_queue.py
# for what further labels brought from there on.
SETTLED = 0.02

# With fewer of the reserve, an interval is wider than anybody could use.
LEAST_RESERVE = 5

Advice = Literal["too-few", "go-on", "settled", "all-labelled"]


@dataclass(frozen=True, eq=False)
class Settling:
    """The answers of one refit, kept to be compared with later ones."""

    n_labels: int
    answers_A: NDArray[np.str_]


@dataclass(frozen=True)
class LabelProgress:
    """The news that a person is told between two labels."""

    labelled: int
    reserve_labelled: int
    skipped_of_reserve: int
    accuracy: Interval | None
    accuracy_note: str
    changed: float | None
    """The share of answers that the last `LOOK_BACK` labels changed; None where nobody can tell yet."""
    advice: Advice
    words: str


def estimated(
    reserve: Sequence[int], labels: Mapping[int, str], judged: Mapping[int, str], skipped: Collection[int]
) -> tuple[Interval | None, int, int, str]:
    """Estimate the accuracy from the reserve: its interval, the items it rests on, those of the reserve skipped, and a note."""
    known = [row for row in reserve if row in labels and row in judged]
    passed = sum(row in skipped for row in reserve)
    if len(known) < LEAST_RESERVE:
        return (
            None,
            len(known),
            passed,
            f"{len(known)} of {LEAST_RESERVE} labels at random: too few to estimate the accuracy",
        )
    right = sum(judged[row] == labels[row] for row in known)
    left_out = f"; {passed} skipped, which count for neither" if passed else ""
    note = f"{right} of {len(known)} drawn at random, each answered by a model that had not seen it nor a copy of it{left_out}"
    return wilson(right, len(known)), len(known), passed, note


def changed_since(history: Sequence[Settling], counted_A: NDArray[np.bool_]) -> float | None:
    """Return the share of answers to the counted items that the last `LOOK_BACK` labels changed."""
    if not history:
        return None
    latest = history[-1]
    older = [one for one in history if one.n_labels <= latest.n_labels - LOOK_BACK]
    if not older or not counted_A.any():
        return None
    return float(np.mean(older[-1].answers_A[counted_A] != latest.answers_A[counted_A]))


def advised(left: int, changed: float | None) -> tuple[Advice, str]:
    """Say whether to go on."""
    if left == 0:
        return "all-labelled", "Everything is labelled."
    if changed is None:
        return "too-few", f"Too few labels to tell when to stop: that needs {LOOK_BACK} after the first model."
    share = percent(changed)
    if changed <= SETTLED:
        return "settled", (
            f"You may stop: the last {LOOK_BACK} labels changed {share} of the answers. More labels make the estimate of the "
            "accuracy narrower, and the model hardly better."
        )
    return "go-on", f"Go on: the last {LOOK_BACK} labels changed {share} of the answers."
