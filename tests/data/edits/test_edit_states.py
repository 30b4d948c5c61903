"""The log against a plain model of it: whatever several people do, in whatever order, with files cut and read anew in between."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from drivetrain.core.types import ItemId
from drivetrain.data.edits.edit import Change, Fate, Standing
from drivetrain.data.edits.log import EditLog, Recorded
from drivetrain.data.edits.undoing import Refused

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
PEOPLE = ("ada", "ben", "carl")
ITEMS = tuple(ItemId(f"{number}.jpg", f"{number:064x}") for number in range(3))
FIRST = Standing("first")

people = st.sampled_from(PEOPLE)
wishes = st.lists(
    st.tuples(
        st.sampled_from(ITEMS),
        st.builds(Standing, st.sampled_from(["a", "b", "ö\n\ud800", None]), st.sampled_from(Fate)),
    ),
    min_size=1,
    max_size=4,
)


@dataclass(eq=False)
class Stroke:
    """What one person did at one stroke, and whether it holds."""

    by: str
    wishes: list[tuple[ItemId, Standing]]
    under: dict[ItemId, Stroke | None] = field(default_factory=dict)
    """Item → the stroke that its standing came from before."""


class Plain:
    """The model: strokes that hold, in order; an item stands as the last of them that is about it says."""

    def __init__(self) -> None:
        self.holding: list[Stroke] = []
        self.taken_back: list[Stroke] = []

    def last(self, item: ItemId) -> Stroke | None:
        return next((one for one in reversed(self.holding) if item in dict(one.wishes)), None)

    def standing(self, item: ItemId) -> Standing:
        last = self.last(item)
        return dict(last.wishes)[item] if last else FIRST

    def record(self, by: str, wanted: list[tuple[ItemId, Standing]]) -> None:
        stroke = Stroke(by, wanted, {item: self.last(item) for item, _ in wanted})
        self.taken_back = [one for one in self.taken_back if one.by != by]
        self.holding.append(stroke)

    def undo(self, by: str) -> bool:
        stroke = next((one for one in reversed(self.holding) if one.by == by), None)
        if stroke is None or any(self.last(item) is not stroke for item, _ in stroke.wishes):
            return False
        self.holding.remove(stroke)
        self.taken_back.append(stroke)
        return True

    def redo(self, by: str) -> bool:
        stroke = next((one for one in reversed(self.taken_back) if one.by == by), None)
        if stroke is None or any(self.last(item) is not under for item, under in stroke.under.items()):
            return False
        self.taken_back.remove(stroke)
        self.holding.append(stroke)
        return True


class Logs(RuleBasedStateMachine):
    """Three people, each with a log of their own that is open on one file."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "edits.jsonl"
        self.logs = {by: EditLog.open(self.path) for by in PEOPLE}
        self.plain = Plain()
        self.recorded: list[str] = []

    def teardown(self) -> None:
        self.folder.cleanup()

    @rule(by=people, wanted=wishes)
    def record(self, by: str, wanted: list[tuple[ItemId, Standing]]) -> None:
        changes = [Change(item, to) for item, to in wanted]
        done = self.logs[by].record(changes, by, NOW, lambda _: FIRST)
        assert [edit.after for edit in done.edits] == [to for _, to in wanted]
        self.plain.record(by, wanted)
        self.recorded += [edit.id for edit in done.edits]

    @rule(by=people, with_log_of=people)
    def undo(self, by: str, with_log_of: str) -> None:
        self.told(self.logs[with_log_of].undo(by, NOW), self.plain.undo(by))

    @rule(by=people, with_log_of=people)
    def redo(self, by: str, with_log_of: str) -> None:
        self.told(self.logs[with_log_of].redo(by, NOW), self.plain.redo(by))

    def told(self, done: Recorded | Refused, expected: bool) -> None:
        assert isinstance(done, Recorded) == expected, done
        if isinstance(done, Recorded):
            self.recorded += [edit.id for edit in done.edits]

    @rule(by=people)
    def read_anew(self, by: str) -> None:
        self.logs[by] = EditLog.open(self.path)

    @rule(data=st.data())
    def be_killed_while_writing(self, data: st.DataObject) -> None:
        """Somebody else writes a stroke, and is killed before its last byte is there."""
        before = self.path.read_bytes() if self.path.exists() else b""
        other = EditLog.open(self.path)
        other.record(
            [Change(ITEMS[0], Standing("lost")), Change(ITEMS[1], Standing("lost"))], "dora", NOW, lambda _: FIRST
        )
        written = len(self.path.read_bytes()) - len(before)
        cut = data.draw(st.integers(2, written))  # the line's end alone would leave it whole
        self.path.write_bytes(self.path.read_bytes()[:-cut])

    @invariant()
    def everybody_reads_the_same(self) -> None:
        if not hasattr(self, "logs"):
            return
        for log in (*self.logs.values(), EditLog.open(self.path)):
            log.refresh()
            assert [edit.id for edit in log.edits] == self.recorded
            for item in ITEMS:
                stood = log.standings.of(item)
                assert (stood.standing if stood else FIRST) == self.plain.standing(item)
            for by in PEOPLE:
                assert log.can_undo(by) == any(one.by == by for one in self.plain.holding)
                assert log.can_redo(by) == any(one.by == by for one in self.plain.taken_back)


@pytest.mark.thorough
class TestLogs(Logs.TestCase):  # type: ignore[misc]  # made by hypothesis, of a type that it does not tell
    settings = settings(
        max_examples=60,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=True,
    )
