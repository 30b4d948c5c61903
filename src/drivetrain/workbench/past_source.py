"""The places that past cases come from: a table of decisions, or a rollout in a store. Both give a bundle's answers to them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from ..core.errors import DataError, UsageError
from ..core.ports import Progress
from ..core.reference import Reference
from ..core.rollout_port import RolloutStore
from ..core.rollout_records import LogLine, RolloutRow
from ..core.stored_reference import InputStore, StoredReference
from ..model.predictor import Predictor
from ..rollout.backtest.log_lines import Recorded, past_of_lines
from ..rollout.backtest.past import PastLog
from ..rollout.backtest.recorded import has_answers, recorded_answers
from ..rollout.backtest.table import PATH, read_table
from ..rollout.policy import Policy
from .past_answers import Cached, PastAnswers, answer_pictures, found_files

_AT_ONCE = 10_000


class RolloutInputs(RolloutStore, InputStore, Protocol):
    """The part of a store that is read here."""

    @property
    def shown(self) -> str:
        """The store's location, without user and password."""
        ...


class PastSource(Protocol):
    """A place that past cases come from."""

    @property
    def past(self) -> PastLog:
        """The cases."""
        ...

    def picture(self, case_id: str) -> Reference | None:
        """Return the picture of a case; None where there is none."""
        ...

    def answers(self, predictor: Predictor, after: datetime, cached: Cached, progress: Progress) -> PastAnswers:
        """Return a bundle's answers to the cases that came at or after a moment.

        Raises:
            DataError: there is neither a picture nor a recorded answer.
        """
        ...

    def is_of(self, policy: Policy, bundle_id: str) -> bool:
        """Tells whether the log was written under this very policy, about this very bundle."""
        ...


@dataclass(frozen=True)
class PastTable:
    """A table of past decisions."""

    path: Path
    past: PastLog
    recorded: bool
    """Tells whether it has recorded answers."""

    @classmethod
    def read(cls, path: Path, columns: Collection[str]) -> PastTable:
        """Read it; ``columns`` cut cases into slices.

        Raises:
            SourceError, DataError: as `read_table` raises them; or it has neither pictures nor answers.
        """
        past, recorded = read_table(path, columns), has_answers(path)
        if not past.files and not recorded:
            raise DataError(
                f"{path.name} has neither pictures (column '{PATH}') for the bundle to answer, nor the answers it gave then "
                "(columns 'answer' and 'confidence')"
            )
        return cls(path, past, recorded)

    def picture(self, case_id: str) -> Reference | None:
        """Return the file that the table names, where it is there."""
        name = self.past.files.get(case_id)
        path = None if name is None else self.path.parent / name
        return path if path is not None and path.is_file() else None

    def answers(self, predictor: Predictor, after: datetime, cached: Cached, progress: Progress) -> PastAnswers:
        """Answer the pictures; without any take the answers that were recorded."""
        if self.past.files:
            ids = {one.case.id for one in self.past.cases if one.case.at >= after}
            files = {case: name for case, name in self.past.files.items() if case in ids}
            there, missing = found_files(files, self.path.parent)
            if files and not there:
                raise DataError(
                    f"none of the {len(files):,} pictures that {self.path.name} names exists, e.g. {missing[0]}; paths start at "
                    f"{self.path.parent.resolve()}"
                )
            found = answer_pictures(predictor, there, cached, progress)
            lost = (f"{len(missing):,} pictures are not there, e.g. {missing[0]}",) if missing else ()
            return PastAnswers(found.answers, found.copies, (*found.remarks, *lost))
        answers, remarks = recorded_answers(self.path, self.past, predictor.manifest)
        unseen = "copies of training images cannot be found without pictures: the answers were recorded"
        return PastAnswers(answers, frozenset(), (*remarks, unseen))

    def is_of(self, policy: Policy, bundle_id: str) -> bool:  # noqa: ARG002  # the protocol's signature
        """Tells no: a table is of no rollout."""
        return False


@dataclass(frozen=True)
class PastRollout:
    """A rollout of a store."""

    store: RolloutInputs
    recorded: Recorded

    @classmethod
    def read(cls, store: RolloutInputs, name: str | None, policies: Collection[Policy]) -> PastRollout:
        """Read the rollout of a name or id; without one that of a policy's name, or the only one there is.

        Raises:
            UsageError: there is none, or several and none is named.
            DataError, LogError, StoreError: as `past_of_lines` raises them.
        """
        row = _row(store, name, policies)
        return cls(store, past_of_lines(_lines(store, row), row, store.shown))

    @property
    def past(self) -> PastLog:
        """The cases."""
        return self.recorded.past

    def picture(self, case_id: str) -> Reference | None:
        """Return the first input of a case, where the store keeps it."""
        one = next((one for one in self.past.cases if one.case.id == case_id), None)
        if one is None or not one.case.inputs or self.store.input(one.case.inputs[0]) is None:
            return None
        return StoredReference(one.case.inputs[0], self.store)

    def answers(self, predictor: Predictor, after: datetime, cached: Cached, progress: Progress) -> PastAnswers:
        """Return the answers that were recorded; of another bundle, answer the inputs that the store keeps."""
        if predictor.manifest.bundle_id == self.recorded.bundle_id:
            return PastAnswers(dict(self.recorded.answers), frozenset(), ())
        asked = {one.case.id: one.case.inputs[0] for one in self.past.cases if one.case.inputs and one.case.at >= after}
        kept = {case: sha256 for case, sha256 in asked.items() if self.store.input(sha256) is not None}
        if asked and not kept:
            raise DataError(
                f"{self.store.shown} keeps none of the inputs of {len(asked):,} cases, so that {predictor.manifest.name} cannot "
                "answer them; serve --images keeps them"
            )
        pictures = {case: StoredReference(sha256, self.store) for case, sha256 in kept.items()}
        return answer_pictures(predictor, pictures, cached, progress)

    def is_of(self, policy: Policy, bundle_id: str) -> bool:
        """Tells whether it was opened with this policy for this bundle."""
        opened = self.past.opened
        same = opened is not None and dict(opened.policy) == policy.model_dump(mode="json")
        return same and bundle_id == self.recorded.bundle_id


def _row(store: RolloutInputs, name: str | None, policies: Collection[Policy]) -> RolloutRow:
    if name is not None:
        found = store.rollout(name)
        if found is None:
            raise UsageError(f"{store.shown} has no rollout {name!r}; {_there(store)}")
        return found
    for policy in policies:
        found = store.rollout(policy.name)
        if found is not None:
            return found
    rows = store.rollouts()
    if len(rows) != 1:
        raise UsageError(f"{store.shown} has no rollout of the policy's name; name one with --rollout: {_there(store)}")
    return rows[0]


def _there(store: RolloutInputs) -> str:
    names = list(dict.fromkeys(row.name for row in store.rollouts()))
    return f"it has {', '.join(names[:10])}" if names else "it has none"


def _lines(store: RolloutInputs, row: RolloutRow) -> Iterator[LogLine]:
    last = 0
    while lines := store.lines(row.id, last, _AT_ONCE):
        yield from lines
        last = lines[-1].number
