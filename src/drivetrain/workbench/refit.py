"""Fitting again after edits: the same items, features, groups and folds, other labels.

What does not change between two refits is kept: the features in their principal axes, the folds, the penalty; and each refit
starts from the solutions of the one before. So it takes a fraction of a first fit, which looks for the penalty. Items that were
removed keep their row and weigh nothing. Shapes: A items of the survey, J of them judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ..core.cores import available_cores
from ..core.errors import DataError
from ..core.scratch import Scratch
from ..core.types import Dataset, FloatArray, IntArray, Item
from ..curate.duplicates import Duplicates
from ..data.edits.edit import Fate, Standing
from ..learn.crossval import OutOfFold, Validation
from ..learn.head import FittedHead
from ..learn.judged import Judged
from ..learn.kinds.targets import Targets
from ..learn.logistic import Axes
from ..learn.reading import samples_of, targets_of
from ..stats.metrics import Floats
from ..training.holdout import out_of_fold
from .board import Board
from .situation import labels_of
from .survey import Survey, fit_survey

Rows = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Current:
    """The data that the last refit was about."""

    targets: Targets
    """The targets of all A items."""
    own_J: Rows
    """The rows of the items judged."""
    weights_A: FloatArray
    """0 for items that are not learned of."""


class Refitter:
    """Refits one survey; used from one thread."""

    def __init__(self, lying: Survey, board: Board) -> None:
        """``lying``: the survey of the set as it lies in the source."""
        self._lying, self._board = lying, board
        self._axes: Axes | None = None
        self._last: Validation | None = None
        self._current: Current | None = None

    def prepare(self) -> None:
        """Do what the first refit would have to wait for: turn the features, and find solutions to begin with."""
        first, current = self._lying.fitted, self._current
        if self._last is None and first is not None and current is not None:
            validation = self._validation(first, current.targets, current.weights_A)
            validation.at(first.out_of_fold.penalty)
            self._last = validation

    def refit(self, standings: Sequence[Standing]) -> Survey:
        """The survey of the items that are in the set, with the labels they have now. Where nothing can be learned of these it
        says why.

        Raises:
            DataError: a label cannot be read.
        """
        lying, board = self._lying, self._board
        if tuple(standings) == board.lying:
            self._current = None if lying.judged is None else self._as_lying(lying, lying.judged)
            return lying
        self._current = None
        rows = np.asarray([row for row, one in enumerate(standings) if one.fate is not Fate.REMOVED], np.intp)
        items = tuple(_standing_as(item, one) for item, one in zip(board.items, standings, strict=True))
        targets, new = lying.sample.targets, self._new_names(standings)
        if lying.fitted is None or (new and targets.width != len(targets.names)):
            return self._anew(items, rows)  # grades share their logits, and a new one has its place among the others
        targets = self._extended(items, standings, new) if new else self._retargeted(items, standings)
        survey = taken(replace(lying, sample=replace(lying.sample, items=items, targets=targets)), rows)
        try:
            judgeable = survey.sample.targets.judgeable(survey.sample.groups_N)
        except DataError as error:
            return replace(survey, fitted=None, judged=None, unfit=str(error))
        return self._fitted(survey, lying.fitted, targets, rows, np.flatnonzero(judgeable))

    def _new_names(self, standings: Sequence[Standing]) -> tuple[str, ...]:
        """The labels in the set that the source does not have."""
        targets = self._lying.sample.targets
        if not targets.counted:
            return ()
        labels = {label for one in set(standings) if one.fate is not Fate.REMOVED for label in labels_of(one)}
        return tuple(sorted(labels.difference(targets.names)))

    def _extended(self, items: Sequence[Item], standings: Sequence[Standing], new: tuple[str, ...]) -> Targets:
        """The targets of all items, with outputs that the source does not have; removed items count for nothing."""
        every = [
            lying if one.fate is Fate.REMOVED else item
            for item, one, lying in zip(items, standings, self._board.items, strict=True)
        ]
        return self._read(every, (*self._lying.sample.targets.names, *new))

    def _fitted(self, survey: Survey, first: FittedHead, targets: Targets, rows: Rows, rows_J: Rows) -> Survey:
        """Fit on every fold, and judge; ``rows_J`` are those rows of ``survey`` that the others can judge."""
        known = survey.sample if len(rows_J) == len(survey.sample) else survey.sample.take(rows_J)
        own = rows[rows_J]
        weights_A = np.zeros(len(targets), np.float32)
        weights_A[own] = known.targets.weights(known.weights_N, survey.options.balance, known.groups_N)
        validation = self._validation(first, targets, weights_A)
        found = validation.at(first.out_of_fold.penalty)
        self._last = validation
        self._current = Current(targets, own, weights_A)
        judged = OutOfFold(found.penalty, found.logits_NC[own], found.beta, found.losses_N[own], found.loss)
        fitted = replace(
            first,
            head=replace(first.head, beta=found.beta),
            out_of_fold=judged,
            folds_N=self._folds_A(first)[own],
        )
        how = f"out of fold, {first.n_folds} folds that keep groups together"
        return replace(survey, fitted=fitted, judged=out_of_fold(rows_J, known, fitted, how), unfit=None)

    def _as_lying(self, lying: Survey, judged: Judged) -> Current:
        targets, weights_A = lying.sample.targets, np.zeros(len(lying.sample), np.float32)
        known = judged.targets
        weights_A[judged.rows_J] = known.weights(
            lying.sample.weights_N[judged.rows_J], lying.options.balance, judged.groups_J
        )
        return Current(targets, judged.rows_J, weights_A)

    @property
    def current(self) -> Current | None:
        """The items that the last refit learned of; None where it learned nothing, or brought new outputs."""
        return self._current

    def trial(self, learned_A: NDArray[np.bool_]) -> Floats:
        """(J, O) answers to all items judged where only those of ``learned_A`` were learned of; heads see no item's group.

        Of fewer items a head is either as much regularised as of all, or as much in proportion to them: whichever has the lower
        loss out of fold.
        """
        first, current = self._lying.fitted, self._current
        assert first is not None, "a trial follows a refit that learned something"
        assert current is not None, "a trial follows a refit that learned something"
        weights_A, penalty = current.weights_A * learned_A, first.out_of_fold.penalty
        validation = self._validation(first, current.targets, weights_A)
        in_proportion = penalty * float(current.weights_A.sum() / weights_A.sum())
        tried = [validation.at(one) for one in sorted({in_proportion, penalty}, reverse=True)]
        best = min(tried, key=lambda one: one.loss)
        return current.targets.answers(best.logits_NC[current.own_J], best.beta)

    @property
    def cells_A(self) -> IntArray:
        """The stratum and fold of each item in one number: parts with equal shares of every cell are as balanced as the whole."""
        first, current = self._lying.fitted, self._current
        assert first is not None, "a trial follows a refit that learned something"
        assert current is not None, "a trial follows a refit that learned something"
        cells_A: IntArray = current.targets.strata_N * first.n_folds + self._folds_A(first)
        return cells_A

    @property
    def learned(self) -> float:
        """The share of the set that each fold's head learns of."""
        first = self._lying.fitted
        return 1.0 if first is None else 1 - 1 / first.n_folds

    def _validation(self, first: FittedHead, targets: Targets, weights_A: FloatArray) -> Validation:
        if self._axes is None:
            with threadpool_limits(available_cores(), user_api="blas"):
                self._axes = Axes.of(self._lying.features_AD)
        validation = targets.validation(self._axes, self._folds_A(first), weights_A, available_cores())
        if self._last is not None:
            validation.begin_with(self._last)
        return validation

    def _folds_A(self, first: FittedHead) -> IntArray:
        """The fold of every item. Items that were not judged at first have none yet: theirs follows from their group."""
        judged, groups_A = self._lying.judged, self._lying.sample.groups_N
        assert judged is not None, "a head comes with answers"
        folds_A: IntArray = np.asarray(groups_A % first.n_folds, np.int64)
        folds_A[judged.rows_J] = first.folds_N
        return folds_A

    def _retargeted(self, items: Sequence[Item], standings: Sequence[Standing]) -> Targets:
        """The targets of all items, of which only those of edited ones are read."""
        lying = self._lying.sample.targets
        edited = [
            row
            for row, (one, as_lying) in enumerate(zip(standings, self._board.lying, strict=True))
            if one.fate is not Fate.REMOVED and not _same_label(one, as_lying)
        ]
        if not edited:
            return lying
        values = lying.values.copy()
        values[edited] = self._read([items[row] for row in edited], lying.names).values
        return lying.with_values(values)

    def _anew(self, items: Sequence[Item], rows: Rows) -> Survey:
        """Fit as a survey does: outputs came, or there was nothing to learn before."""
        kept = [items[row] for row in rows]
        survey = taken(self._lying, rows)
        return fit_survey(replace(survey, sample=replace(survey.sample, items=tuple(kept), targets=self._read(kept))))

    def _read(self, items: Sequence[Item], names: tuple[str, ...] | None = None) -> Targets:
        """Read the targets of items; ``names``: the outputs, found among these where not given."""
        lying = self._lying
        source = Dataset(lying.found.dataset.source, tuple(items))
        read = samples_of(source, lying.options.targets, None, Scratch(), lying.found.input_block)
        target = read.target if names is None else read.kind.with_outputs(read.target, names)
        return targets_of(read.kind, target, read.samples, lying.options.targets)


def taken(survey: Survey, rows: Rows) -> Survey:
    """The survey of those rows alone, in their order; its head and answers stay as they were."""
    if len(rows) == len(survey.sample):
        return survey
    sample, made = survey.sample.take(rows), survey.chosen.embeddings
    embeddings = replace(
        made, features_ND=sample.features_ND, rows_N=made.rows_N[rows], facts=tuple(made.facts[row] for row in rows)
    )
    place = {row: new for new, row in enumerate(rows.tolist())}
    found = survey.duplicates
    pairs = tuple((place[i], place[j], kind, score) for i, j, kind, score in found.pairs if i in place and j in place)
    return replace(
        survey,
        sample=sample,
        chosen=replace(survey.chosen, embeddings=embeddings),
        duplicates=Duplicates(found.groups_N[rows], pairs, found.cosine_threshold, found.pictures_N[rows]),
        strangeness_A=None if survey.strangeness_A is None else survey.strangeness_A[rows],
    )


def _standing_as(item: Item, standing: Standing) -> Item:
    same = item.label == standing.label and item.labels == standing.labels
    return item if same else replace(item, label=standing.label, labels=standing.labels)


def _same_label(one: Standing, other: Standing) -> bool:
    return one.label == other.label and one.labels == other.labels
