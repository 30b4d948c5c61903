"""An audit: what is drawn, that suspects cannot be told from the others, and what the answers in the log are worth."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from drivetrain.core.errors import DataError
from drivetrain.core.told_how import ToldHow
from drivetrain.core.types import ItemId
from drivetrain.data.edits.edit import Change, Fate, Standing
from drivetrain.data.edits.log import EditLog
from drivetrain.stats.stratified import Stratum
from drivetrain.workbench.audit import (
    KIND,
    MIXED_IN,
    Answers,
    Audit,
    Drawn,
    answers,
    draw_from,
    keep,
    latest,
    still_there,
    vouched,
)
from drivetrain.workbench.audit_estimate import LOOKS, Estimate

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ITEMS = [(ItemId(f"{n:03}.png", f"{n:064x}"), "cat" if n % 2 else "dog") for n in range(300)]
SUSPECTED = frozenset(f"{n:03}.png" for n in range(40))
# 99 % quantile of Binomial(1000, 0.05): what a method that holds exactly would miss at most.
RUNS, MOST_MISSES = 1000, 66

Tell = Callable[..., None]


@pytest.fixture
def log(tmp_path: Path) -> EditLog:
    return EditLog.open(tmp_path / "edits.jsonl")


@pytest.fixture
def tell(log: EditLog) -> Tell:
    """Records that somebody looked at an item: it is kept, relabelled or removed."""
    labels = {item.name: label for item, label in ITEMS}

    def told(
        item: ItemId, to: Standing | None = None, *, hours: float = 1, how: ToldHow = ToldHow.BLIND, by: str = "ann"
    ) -> None:
        kept = Standing(labels[item.name], Fate.KEPT)
        at = NOW + timedelta(hours=hours)
        log.record([Change(item, to or kept, how=how)], by, at, lambda one: Standing(labels[one.name]))

    return told


def drawn(size: int = 60, seed: int = 0, seen: frozenset[str] = frozenset()) -> Audit:
    return draw_from(ITEMS, SUSPECTED, size, seed=seed, at=NOW, seen=seen)


def test_random_others_are_drawn_with_some_suspects_among_them() -> None:
    audit = drawn()
    names = [one.item.name for one in audit.items]
    assert len(names) == len(set(names)) == 60 + 60 // MIXED_IN
    assert sum(one.suspected for one in audit.items) == 60 // MIXED_IN
    assert all(one.suspected == (one.item.name in SUSPECTED) for one in audit.items)
    assert (audit.suspects, audit.others) == (40, 260)
    assert drawn() == audit
    assert drawn(seed=1) != audit


def test_the_order_says_nothing_of_who_is_suspected() -> None:
    places = [place for seed in range(200) for place, one in enumerate(drawn(seed=seed).items) if one.suspected]
    assert abs(np.mean(places) - 37) < 3 * 75 / np.sqrt(12 * len(places))


def test_every_other_item_is_drawn_as_often() -> None:
    counts = np.zeros(300)
    for seed in range(400):
        for one in drawn(seed=seed).items:
            counts[int(one.item.name[:3])] += 1
    expected = 400 * 60 / 260
    assert np.abs(counts[40:] - expected).max() < 5 * np.sqrt(expected)


def test_a_label_is_judged_as_it_was_drawn(log: EditLog, tell: Tell) -> None:
    audit = drawn()
    first, second, third = (one.item for one in audit.items[:3])
    labels = {one.item: one.label for one in audit.items}
    other = {"cat": "dog", "dog": "cat"}
    for item in (first, second):  # somebody takes a suggestion, and this is no answer
        tell(item, Standing(other[labels[item]], Fate.KEPT), how=ToldHow.ASSISTED)
    assert answers(audit, log).wrong == {}
    tell(first, Standing(other[labels[first]], Fate.KEPT), hours=2)
    tell(second, Standing(labels[second], Fate.KEPT), hours=2)
    tell(third, Standing(labels[third], Fate.REMOVED), hours=2)
    assert answers(audit, log).wrong == {first.name: True, second.name: False, third.name: True}
    tell(third, Standing(labels[third], Fate.OPEN), hours=3)
    assert answers(audit, log).wrong == {first.name: True, second.name: False}


def test_an_item_that_is_gone_is_not_waited_for(log: EditLog, tell: Tell) -> None:
    audit = drawn()
    gone, moved, told = (one.item for one in audit.items[:3])
    tell(told)
    left = [item for item, _ in ITEMS if item not in (gone, moved, told)] + [ItemId("elsewhere.png", moved.sha256)]
    found = still_there(answers(audit, log), left)
    assert [one.item for one in found.audit.items] == [one.item for one in audit.items if one.item != gone]
    assert found.wrong == {told.name: False}


def test_what_a_person_has_looked_at_is_not_drawn(log: EditLog, tell: Tell) -> None:
    for item, _ in ITEMS[30:100]:
        tell(item, how=ToldHow.ASSISTED)
    seen = vouched(log)
    assert seen == {item.name for item, _ in ITEMS[30:100]}
    audit = drawn(seen=seen)
    assert not seen & {one.item.name for one in audit.items}
    assert (audit.suspects, audit.others) == (30, 200)
    everything = frozenset(item.name for item, _ in ITEMS)
    with pytest.raises(DataError, match="none is left to draw"):
        drawn(seen=everything)


def test_a_small_set_is_drawn_throughout() -> None:
    audit = draw_from(ITEMS[38:45], SUSPECTED, 100, seed=0, at=NOW)
    assert sorted(one.item.name for one in audit.items) == [item.name for item, _ in ITEMS[38:45]]


def test_an_audit_outlives_the_program(log: EditLog) -> None:
    assert latest(log) is None
    keep(log, drawn())
    keep(log, drawn(seed=5))
    again = EditLog.open(log.path)
    assert latest(again) == drawn(seed=5)
    assert [json.loads(line)["kind"] for line in log.path.read_text(encoding="utf-8").splitlines()] == [KIND, KIND]


def test_a_line_that_is_no_audit_is_refused_in_one_sentence(log: EditLog) -> None:
    log.append_line(KIND, {"items": [{"name": "a.png"}]})
    with pytest.raises(DataError, match="a line of kind “audit” in the log of edits cannot be read"):
        latest(log)


def test_blind_answers_since_the_draw_count_and_no_others(log: EditLog, tell: Tell) -> None:
    first, second, third, fourth, fifth, *_ = drawn().items
    tell(fifth.item, hours=-1)  # before the draw
    keep(log, drawn())
    tell(first.item)
    tell(second.item, Standing("horse", Fate.KEPT))
    tell(third.item, Standing(third.label, Fate.REMOVED))
    tell(fourth.item, Standing("horse", Fate.KEPT), how=ToldHow.ASSISTED)
    found = answers(drawn(), log)
    assert found.wrong == {first.item.name: False, second.item.name: True, third.item.name: True}
    assert {one.item.name for one in found.open} == {one.item.name for one in drawn().items} - found.wrong.keys()


def test_the_last_answer_counts_against_the_label_that_was_drawn(log: EditLog, tell: Tell) -> None:
    first, second, *_ = drawn().items
    tell(first.item, Standing("horse", Fate.KEPT))
    tell(first.item, Standing("horse", Fate.KEPT), hours=2)
    tell(second.item, Standing("horse", Fate.KEPT))
    tell(second.item, Standing(second.label, Fate.KEPT), hours=2)
    assert answers(drawn(), log).wrong == {first.item.name: True, second.item.name: False}


def test_an_answer_that_was_undone_is_none(log: EditLog, tell: Tell) -> None:
    first = drawn().items[0]
    tell(first.item, Standing("horse", Fate.KEPT))
    log.undo("ann", NOW + timedelta(hours=2))
    assert answers(drawn(), log).wrong == {}
    log.redo("ann", NOW + timedelta(hours=3))
    assert answers(drawn(), log).wrong == {first.item.name: True}


def answered(audit: Audit, wrong: frozenset[str], count: int | None = None) -> Answers:
    """The first ``count`` items answered by somebody who makes no mistake."""
    return Answers(audit, {one.item.name: one.item.name in wrong for one in audit.items[:count]})


def test_parts_are_counted_apart() -> None:
    found = answered(drawn(), frozenset(f"{n:03}.png" for n in (*range(40), 299)))
    assert found.suspects == Stratum(40, 15, 15)
    assert (found.others.size, found.others.looked_at) == (260, 60)


def test_the_error_rate_holds_its_interval() -> None:
    """A set of 300 with 20 wrong labels among 40 suspects and 9 among the others, audited again and again."""
    wrong = frozenset(f"{n:03}.png" for n in (*range(0, 40, 2), *range(50, 140, 10)))
    misses = 0
    for seed in range(RUNS):
        rate = Estimate.of(answered(drawn(seed=seed), wrong), (25, 200)).rate
        assert rate is not None
        misses += not rate.low <= len(wrong) / 300 <= rate.high
    assert misses <= MOST_MISSES


def test_an_audit_that_was_broken_off_holds_its_interval_too() -> None:
    wrong = frozenset(f"{n:03}.png" for n in (*range(0, 40, 2), *range(50, 140, 10)))
    misses = told = 0
    for seed in range(RUNS):
        rate = Estimate.of(answered(drawn(seed=seed), wrong, 40), (30, 230)).rate
        if rate is not None:
            told += 1
            misses += not rate.low <= len(wrong) / 300 <= rate.high
    assert told > 0.95 * RUNS
    assert misses <= MOST_MISSES


def test_what_the_next_looks_find_is_told_beforehand() -> None:
    """Half of the suspects that are left are wrong: of the next 50 looks, 25 reach suspects."""
    wrong = frozenset(f"{n:03}.png" for n in (*range(0, 40, 2), *range(50, 140, 10)))
    inside = 0
    for seed in range(RUNS):
        audit = drawn(seed=seed)
        estimate = Estimate.of(answered(audit, wrong), (25, 200))
        assert estimate.expected is not None
        assert estimate.next_looks == LOOKS
        shown = {one.item.name for one in audit.items}
        left = [name for name in sorted(SUSPECTED) if name not in shown]
        rng = np.random.default_rng(seed)
        rest = rng.permutation([item.name for item, _ in ITEMS[40:] if item.name not in shown])
        found = len(wrong & {*left, *rest[: LOOKS - len(left)]})
        inside += estimate.expected.low <= found <= estimate.expected.high
    assert inside >= RUNS - MOST_MISSES


def estimate(size: int, suspects: tuple[int, int], others: tuple[int, int], left: tuple[int, int]) -> Estimate:
    """``suspects`` and ``others``: answered, and wrong of these."""
    items, wrong = [], {}
    for suspected, (told, bad) in ((True, suspects), (False, others)):
        for n in range(told):
            name = f"{suspected}-{n}"
            items.append(Drawn(ItemId(name, None), "cat", suspected))
            wrong[name] = n < bad
    audit = Audit(NOW, 0, size // 10, size - size // 10, tuple(items))
    return Estimate.of(Answers(audit, wrong), left)


def test_looking_on_is_worth_it_while_much_is_found() -> None:
    found = estimate(1000, (20, 14), (80, 2), (80, 800))
    assert found.go_on
    assert found.expected is not None
    assert found.expected.value == pytest.approx(35)
    assert found.sentences()[-1].startswith("go on: the next 50 looks will find about 35 wrong labels (")


def test_looking_on_is_not_worth_it_where_little_is_left() -> None:
    found = estimate(1000, (20, 14), (80, 1), (0, 800))
    assert found.go_on is False
    assert found.sentences()[-1].startswith("stop here: the next 50 looks will find about 1 wrong label (0 to ")
    done = estimate(100, (10, 5), (90, 0), (0, 0))
    assert done.go_on is False
    assert done.sentences()[-1] == "stop here: a person has looked at everything"


def test_too_few_answers_say_nothing() -> None:
    found = estimate(1000, (5, 4), (10, 0), (90, 800))
    assert found.go_on is None
    assert "too few answers yet" in found.sentences()[-1]
    none = estimate(1000, (0, 0), (0, 0), (100, 900))
    assert none.rate is None
    assert none.to_json()["error_rate"] is None
    assert len(none.sentences()) == 1
    json.dumps(none.to_json())
