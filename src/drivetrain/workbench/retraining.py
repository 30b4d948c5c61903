"""Retraining: from a rollout's log to the data of a candidate, and the candidate against the champion on cases kept apart.

The training itself is the ordinary one, and stands between `prepare` and `Prepared.compare`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from ..core.canonical_json import canonical_json
from ..core.errors import DataError, LogError, UsageError
from ..core.ports import Progress
from ..core.records import StoredInput
from ..core.rollout_port import RolloutStore
from ..core.rollout_records import RolloutRow
from ..core.scratch import Into
from ..core.stored_reference import StoredReference
from ..core.types import Item, ItemFacts
from ..data.provenance.codec import to_line
from ..embed.cache import EmbeddingCache
from ..evaluation.answering import answer_items
from ..learn.kinds.registry import TARGETS
from ..learn.reading import Source, read
from ..learn.target_options import TargetOptions
from ..model.predictor import Predictor
from ..rollout.event_json import to_body
from ..rollout.events import Looked, Opened
from ..rollout.policy import Policy
from ..rollout.succession import events_of
from .field.comparison import Comparison, compare
from .field.labels import FieldLabels, effective, field_labels
from .field.related import related_cases
from .field.training_set import Dealt, FieldItem, TrainingSet, dealt, training_set

_AT_ONCE = 500


class FieldStore(RolloutStore, Protocol):
    """The part of a store that retraining needs: rollouts, and the inputs of their cases."""

    def kept(self, sha256s: Collection[str]) -> frozenset[str]:
        """Return the hashes among ``sha256s`` whose inputs are kept."""
        ...

    def input(self, sha256: str) -> StoredInput | None:
        """Return the input whose received bytes had that hash, where it is kept."""
        ...


@dataclass(frozen=True)
class Asked:
    """Choices on what is learned from the field."""

    recent: float = 0.2
    """The share of labelled cases that came last, which are kept to compare on; 0: the reserve alone."""
    assisted: bool = False
    """Take labels, too, that were told with the model's answer in sight."""

    def __post_init__(self) -> None:
        if not 0 <= self.recent <= 0.9:
            raise UsageError(f"recent (--recent) is {self.recent:g}; it is the share kept to compare on, 0 to 0.9")


@dataclass(frozen=True)
class Prepared:
    """The data of a candidate, and what it is compared on."""

    champion: Predictor
    row: RolloutRow
    labels: FieldLabels
    dealt: Dealt
    training: TrainingSet
    not_kept: int
    """Cases with a label whose input the store does not keep, or cannot be read."""
    looks: tuple[Looked, ...]
    """Earlier looks at the reserve, from the log."""

    def compare(self, candidate: Predictor, margin: float, cache: EmbeddingCache, progress: Progress) -> Comparison:
        """Compare the candidate with the champion on the cases kept apart."""
        kept = self.dealt
        return compare(self.champion, candidate, kept.reserve, kept.recent, margin, cache, progress)

    def lines(self) -> list[tuple[str, str]]:
        """Write what is trained on, as the command line shows it."""
        said = Counter(str(one.how) for one in self.labels.labels)
        ways = ", ".join(f"{count} {how}" for how, count in said.most_common())
        field, dealt = self.training.field, self.dealt
        old = len(self.training.dataset.items) - len(field)
        worth = f"worth {effective(one.label for one in field):.0f} of equal weight"
        rows = [
            ("Labels", f"{len(self.labels.labels)} cases of {self.row.name}: {ways}"),
            ("Trained on", f"{len(field)} pictures from the field ({worth}) and {old} from before"),
            ("Left out", f"{self.training.copies} copies of what is trained on already, or kept apart"),
            ("Kept apart", f"{len(dealt.reserve)} of the reserve, {len(dealt.recent)} that came last"),
            ("Reserve", self._looked()),
        ]
        contradictions = len(self.labels.contradictions) + len(self.training.contradictions)
        if contradictions:
            rows.append(("Contradictions", f"{contradictions}; first: {self._first_contradiction()}"))
        if self.not_kept:
            rows.append(("!", f"the inputs of {self.not_kept} labelled cases are not kept, or cannot be read"))
        return [*rows, *(("!", remark) for remark in self.labels.remarks())]

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``retrain --json`` prints of the data."""
        return {
            "rollout": self.row.name,
            "champion": self.champion.manifest.bundle_id,
            "labels": dict(Counter(str(one.how) for one in self.labels.labels)),
            "left_out": dict(self.labels.left_out),
            "not_kept": self.not_kept,
            "field": len(self.training.field),
            "field_worth": effective(one.label for one in self.training.field),
            "before": len(self.training.dataset.items) - len(self.training.field),
            "copies": self.training.copies,
            "reserve": len(self.dealt.reserve),
            "recent": len(self.dealt.recent),
            "looks": len(self.looks),
            "contradictions": [
                *(one.sentence() for one in self.labels.contradictions),
                *self.training.contradictions,
            ],
        }

    def provenance(self) -> str:
        """Write the origin of each picture from the field, a line of JSON each."""
        return "".join(map(to_line, self.training.provenance()))

    def _looked(self) -> str:
        if not self.looks:
            return "never looked at before"
        last = self.looks[-1]
        times = "once" if len(self.looks) == 1 else f"{len(self.looks)} times"
        return f"looked at {times} before, last by {last.by} on {last.at:%Y-%m-%d}; each look makes the next say less"

    def _first_contradiction(self) -> str:
        own = self.labels.contradictions
        return own[0].sentence() if own else self.training.contradictions[0]


def check_champion(champion: Predictor, row: RolloutRow) -> None:
    """Check that a bundle is that of a rollout, and that cases have a label of its kind.

    Raises:
        UsageError: it is another, or answers no single label.
    """
    manifest = champion.manifest
    if manifest.bundle_id != row.bundle_id:
        raise UsageError(
            f"{champion.path} is the bundle {manifest.bundle_id}, and the rollout {row.name} is of {row.bundle_id}; give that one"
        )
    if not TARGETS[manifest.task].one_label:
        raise UsageError(
            f"cases are decided by one label, and the bundle is for {manifest.task}; it cannot be retrained by them"
        )


def prepare(
    champion: Predictor,
    store: FieldStore,
    row: RolloutRow,
    old: Source | None,
    asked: Asked,
    place: Into,
    cache: EmbeddingCache,
    progress: Progress,
) -> Prepared:
    """Make the training set of a candidate from a rollout's log and, where they are given, the data trained on before.

    Raises:
        UsageError: the bundle is not the rollout's.
        DataError: no case has a label that can be learned from; says why.
        SourceError, StoreError, LogError: something cannot be read.
    """
    check_champion(champion, row)
    labels = field_labels(related_cases(store, row), assisted=asked.assisted)
    found = _with_inputs(labels, store)
    before = _old_items(champion, old, place)
    facts = _facts(champion, [*(one.item for one in found), *before], cache, progress)
    usable = [one for one in found if one.item.name in facts]
    if not usable:
        why = "; ".join(labels.remarks()) or "nobody has decided a case yet"
        raise DataError(f"the rollout {row.name} has no label to learn from, of an input that is kept: {why}")
    sides = dealt(usable, asked.recent)
    training = training_set(sides, before, facts, row.name)
    return Prepared(champion, row, labels, sides, training, len(labels.labels) - len(usable), looks_of(store, row))


def policy_of(store: RolloutStore, row: RolloutRow) -> Policy:
    """Return the policy that a rollout was opened with; raises `LogError` where its log does not begin with that."""
    return Policy.model_validate_json(canonical_json(dict(_opening(store, row).policy)))


def check_candidate(store: RolloutStore, row: RolloutRow, candidate: Predictor) -> None:
    """Check that a candidate can be tested by what is decided in the champion's rollout.

    Raises:
        UsageError: it does not know all labels that people decide between.
    """
    missing = [label for label in _opening(store, row).labels if label not in candidate.manifest.outputs]
    if missing:
        raise UsageError(
            f"the candidate does not know the label {missing[0]!r}, which people decide in {row.name}; train it with cases of "
            "all labels, such as the data from before (--data)"
        )


def check_name(store: RolloutStore, name: str) -> None:
    """Check that no rollout of a name runs; asked before the training.

    Raises:
        UsageError: one does.
    """
    if any(one.name == name for one in store.rollouts(live=True)):
        raise UsageError(f"a rollout named {name} runs already; give the candidate's (--start) a name of its own")


def _opening(store: RolloutStore, row: RolloutRow) -> Opened:
    first = next(events_of(store, row.id), None)
    if not isinstance(first, Opened):
        raise LogError(f"the log of the rollout {row.name} does not begin with its opening")
    return first


def looks_of(store: RolloutStore, row: RolloutRow) -> tuple[Looked, ...]:
    """Return the looks at the reserve that stand in a rollout's log."""
    return tuple(event for event in events_of(store, row.id) if isinstance(event, Looked))


def record_look(store: RolloutStore, row: RolloutRow, comparison: Comparison, by: str, at: datetime) -> None:
    """Put a look at the reserve on record, in the rollout's log: it cannot be taken out there without breaking the chain."""
    bundles = (comparison.champion, comparison.candidate)
    look = Looked(at, by, bundles, comparison.reserve, comparison.recent, comparison.sentence())
    with store.rollout_log(row.id) as log:
        log.append(at, to_body(look))


def _with_inputs(labels: FieldLabels, store: FieldStore) -> list[FieldItem]:
    """Return the labelled cases whose input is kept; the model answers the first of several, and learns it."""
    hashes = [one.case.inputs[0] for one in labels.labels]
    kept = set[str]()
    for start in range(0, len(hashes), _AT_ONCE):
        kept |= store.kept(hashes[start : start + _AT_ONCE])
    return [
        FieldItem(
            one,
            Item(
                StoredReference(one.case.inputs[0], store), f"field/{one.rollout}/{one.case.id}", one.label, one.group
            ),
        )
        for one in labels.labels
        if one.case.inputs[0] in kept
    ]


def _old_items(champion: Predictor, old: Source | None, place: Into) -> tuple[Item, ...]:
    if old is None:
        return ()
    manifest = champion.manifest
    order = manifest.outputs if manifest.kind.ordered else ()
    return read(old, TargetOptions(manifest.task, order=order), None, place).dataset.items


def _facts(
    champion: Predictor, items: Sequence[Item], cache: EmbeddingCache, progress: Progress
) -> dict[str, ItemFacts]:
    """Return the facts of every item that can be read, by its name; its embedding is kept for the training."""
    if not items:
        return {}
    embeddings = answer_items(champion, items, cache, None, progress).embeddings
    return {items[row].name: facts for row, facts in zip(embeddings.rows_N.tolist(), embeddings.facts, strict=True)}
