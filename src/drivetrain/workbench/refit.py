"""The head fitted again after edits: the same items and features, other labels. Shapes: A items of a survey."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..core.scratch import Scratch
from ..core.types import Dataset
from ..data.edits.edit import Fate, Standing
from ..learn.reading import samples_of, targets_of
from .board import Board
from .survey import Survey, fit_survey


class Refitter:
    """Keeps what does not change between refits."""

    def __init__(self, lying: Survey, board: Board) -> None:
        self._lying, self._board = lying, board

    def refit(self, standings: Sequence[Standing]) -> Survey:
        """The survey of the items that are in the set, with the labels they have now.

        Raises:
            DataError: a label cannot be read.
        """
        lying, board = self._lying, self._board
        if tuple(standings) == board.lying:
            return lying
        rows = np.asarray([row for row, one in enumerate(standings) if one.fate is not Fate.REMOVED], np.intp)
        items = tuple(replace(board.items[row], label=standings[row].label, labels=standings[row].labels) for row in rows)
        source = Dataset(lying.found.dataset.source, items)
        labelled = samples_of(source, lying.options.targets, None, Scratch(), lying.found.input_block)
        targets = targets_of(labelled.kind, labelled.target, labelled.samples, lying.options.targets)
        sample = replace(lying.sample.take(rows), items=items, targets=targets)
        return fit_survey(replace(lying, sample=sample))
