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
from .label_model import LabelModel
from .label_queue import LabelQueue

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

    size: int
    """Items to label, copies counted once."""
    labelled: int
    none_of_these: int
    """Items that were left out, as they are of no class."""
    skipped: int
    reserve_labelled: int
    """Labelled items of the reserve, on which the accuracy rests."""
    accuracy: Interval | None
    accuracy_note: str
    changed: float | None
    """The share of answers that the last `LOOK_BACK` labels changed; None where nobody can tell yet."""
    advice: Advice
    words: str


def progress_of(
    queue: LabelQueue | None,
    labels: Mapping[int, str],
    removed: Collection[int],
    skipped: Collection[int],
    model: LabelModel | None,
    history: Sequence[Settling],
) -> LabelProgress:
    """Put the news together; ``queue`` is None before the items are known, and the latest of ``history`` is ``model``'s."""
    if queue is None:
        return LabelProgress(0, 0, 0, 0, 0, None, "", None, "too-few", "")
    accuracy, known, note = estimated(queue.reserve, labels, model.judged if model else {}, {*skipped, *removed})
    done = {*labels, *removed}
    open_A = np.ones(len(queue.groups_A), np.bool_)
    open_A[list(done)] = False
    changed = changed_since(history, open_A)
    groups = len(np.unique(queue.groups_A[list(done)])) if done else 0
    advice, words = advised(queue.size - groups, changed)
    return LabelProgress(
        size=queue.size,
        labelled=len(labels),
        none_of_these=len(removed),
        skipped=len(skipped),
        reserve_labelled=known,
        accuracy=accuracy,
        accuracy_note=note,
        changed=changed,
        advice=advice,
        words=words,
    )


def estimated(
    reserve: Sequence[int], labels: Mapping[int, str], judged: Mapping[int, str], passed: Collection[int]
) -> tuple[Interval | None, int, str]:
    """Estimate the accuracy from the reserve: its interval, the number of items it rests on, and a note.

    ``passed`` items were skipped, or are of no class; they count for neither side.
    """
    known = [row for row in reserve if row in labels and row in judged]
    neither = sum(row in passed for row in reserve)
    if len(known) < LEAST_RESERVE:
        return None, len(known), f"{len(known)} of {LEAST_RESERVE} labels at random: too few to estimate the accuracy"
    right = sum(judged[row] == labels[row] for row in known)
    left_out = f"; {neither} skipped or of no class, which count for neither" if neither else ""
    note = f"{right} of {len(known)} drawn at random, each answered by a model that had not seen it nor a copy of it{left_out}"
    return wilson(right, len(known)), len(known), note


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
