"""Everything that is promised of a store of rollouts, on SQLite, on PostgreSQL, and of the one in memory that other tests use."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from made_rollouts import (
    KINDS,
    ROLLOUT,
    START,
    at,
    made_body,
    made_case,
    made_decision,
    made_input,
    made_review,
    made_rollout,
)

from drivetrain.core.errors import DrivetrainError, UsageError
from drivetrain.core.rollout_port import RolloutStore
from drivetrain.core.rollout_records import GENESIS, LogLine, Review, line_hash
from drivetrain.store.sql_store import open_store

MEMORY = Path(__file__).parent.parent / "rollout" / "rollouts_in_memory.py"


def memory_store() -> RolloutStore:
    """Make the store that tests of the rollout's own rooms use; loaded by its path, as another room's has its name too."""
    found = importlib.util.spec_from_file_location("rollout_memory_store", MEMORY)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    store: RolloutStore = module.MemoryStore()
    return store


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def rollouts(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RolloutStore]:
    """An empty store of each kind."""
    if request.param == "memory":
        yield memory_store()
        return
    at_server = request.param == "postgresql"
    store = open_store(request.getfixturevalue("postgres").new_database() if at_server else tmp_path / "store.sqlite")
    yield store
    store.close()


@pytest.fixture
def opened(rollouts: RolloutStore) -> RolloutStore:
    """A store with a rollout."""
    rollouts.open_rollout(made_rollout())
    return rollouts


def ask(store: RolloutStore, *reviews: Review) -> None:
    with store.rollout_log(ROLLOUT) as log:
        log.add_reviews([replace(review, held=None) for review in reviews])
        for review in reviews:
            log.update_review(review)


def lease(store: RolloutStore, by: str, minutes: float = 0, kinds: Any = KINDS, **options: Any) -> Review | None:
    return store.lease_review(ROLLOUT, by, kinds, at(minutes), at(minutes + 15), **options)


def test_a_rollout_comes_back_as_it_was_opened(rollouts: RolloutStore) -> None:
    row = made_rollout(shadow_of="c" * 32)
    assert rollouts.open_rollout(row) == row
    assert rollouts.rollout(ROLLOUT) == rollouts.rollout("cells") == row
    assert rollouts.rollout("nobody") is None
    assert rollouts.rollout("nobody\0\ud83d" + "x" * 5000) is None
    assert list(rollouts.rollouts()) == [row]


def test_a_name_is_free_again_once_its_rollout_has_ended(opened: RolloutStore) -> None:
    second = made_rollout("d" * 32, opened_at=at(5))
    with pytest.raises(UsageError, match="'cells'"):
        opened.open_rollout(second)
    with opened.rollout_log(ROLLOUT) as log:
        log.turned("ended", 0, False)
    assert opened.open_rollout(second) == second
    with pytest.raises(UsageError, match="'cells'"):
        opened.open_rollout(made_rollout("e" * 32, opened_at=at(9)))
    assert opened.rollout("cells") == second
    assert opened.rollout(ROLLOUT) == replace(made_rollout(), stage="ended")


def test_rollouts_are_listed_from_the_newest_back(rollouts: RolloutStore) -> None:
    rows = [
        made_rollout(str(number) * 32, f"r{number}", model=f"m{number % 2}", opened_at=at(number))
        for number in range(4)
    ]
    for row in rows:
        rollouts.open_rollout(row)
    with rollouts.rollout_log("3" * 32) as log:
        log.turned("ended", 2, False)

    def names(**asked: Any) -> list[str]:
        return [row.name for row in rollouts.rollouts(**asked)]

    assert names() == ["r3", "r2", "r1", "r0"]
    assert names(live=True) == ["r2", "r1", "r0"]
    assert names(live=False) == ["r3"]
    assert names(model="m1") == ["r3", "r1"]
    assert names(model="m1", live=True) == ["r1"]


def test_lines_are_chained_and_read_back_from_anywhere(opened: RolloutStore) -> None:
    written: list[LogLine] = []
    for start in range(0, 30, 6):
        with opened.rollout_log(ROLLOUT) as log:
            for number in range(start, start + 6):
                case_id = None if number % 3 else f"{number % 2:032x}"
                written.append(log.append(at(number), made_body(number), case_id))
            assert log.since(0) == written or list(log.since(0)) == written
            assert list(log.since(start, 2)) == written[start : start + 2]
            assert (log.row.head, log.row.head_hash) == (start + 6, written[-1].hash)
    before = GENESIS
    for number, line in enumerate(written, 1):
        body = made_body(number - 1)
        assert (line.number, line.before, line.body, line.at) == (number, before, body, at(number - 1))
        assert line.hash == line_hash(before, number, body)
        before = line.hash
    assert list(opened.lines(ROLLOUT)) == list(opened.verify_log(ROLLOUT)) == written
    assert list(opened.lines(ROLLOUT, 7, 3)) == written[7:10]
    assert list(opened.lines(ROLLOUT, 30)) == []
    assert list(opened.lines_of(ROLLOUT, "0" * 32)) == [line for line in written if line.case_id == "0" * 32]
    assert list(opened.lines_of(ROLLOUT, "none")) == []
    row = opened.rollout(ROLLOUT)
    assert row is not None
    assert (row.head, row.head_hash) == (30, before)


def test_the_log_of_one_rollout_is_not_that_of_another(opened: RolloutStore) -> None:
    opened.open_rollout(made_rollout("d" * 32, "other"))
    for name in (ROLLOUT, "d" * 32, ROLLOUT):
        with opened.rollout_log(name) as log:
            log.append(START, made_body(), "c" * 32)
            log.add_case(made_case(log.row.head))
    assert [line.number for line in opened.lines(ROLLOUT)] == [1, 2]
    assert [line.number for line in opened.lines_of("d" * 32, "c" * 32)] == [1]
    assert opened.case("d" * 32, made_case(2).id) is None
    assert opened.case(ROLLOUT, made_case(2).id) == made_case(2)


def test_a_transaction_is_kept_as_a_whole_or_not_at_all(opened: RolloutStore) -> None:
    with opened.rollout_log(ROLLOUT) as log:
        log.append(START, made_body())
        log.add_case(made_case(), [made_input()])
        log.add_reviews([made_review()])
    before = opened.rollout(ROLLOUT)

    def fail() -> None:
        with opened.rollout_log(ROLLOUT) as log:
            log.append(at(1), made_body(1), "c" * 32)
            log.add_case(made_case(1), [made_input(1)])
            log.add_reviews([made_review(1)])
            log.settle_case(made_case().id, "crack", "blind", at(1))
            log.update_review(replace(made_review(), done_at=at(1)))
            log.drop_reviews(made_case(1).id)
            log.turned("supervised", 0, False)
            raise OverflowError("of the caller's own")

    with pytest.raises(OverflowError, match="of the caller's own"):
        fail()
    assert opened.rollout(ROLLOUT) == before
    assert len(list(opened.verify_log(ROLLOUT))) == 1
    assert opened.case(ROLLOUT, made_case(1).id) is None
    assert opened.settled(ROLLOUT, [made_case().id]) == {}
    assert opened.review(ROLLOUT, made_review().id) == made_review()
    assert opened.review(ROLLOUT, made_review(1).id) is None


def test_there_is_no_log_of_a_rollout_that_is_not_there(opened: RolloutStore) -> None:
    with pytest.raises(UsageError, match="no rollout"), opened.rollout_log("nobody"):
        pass
    with pytest.raises(DrivetrainError, match="no rollout"):
        list(opened.verify_log("nobody"))


def test_a_key_names_one_case(opened: RolloutStore) -> None:
    odd = made_case(1, key="schlüssel\0\ud83d" + "x" * 300, group=None, due=None, slices={}, metadata={}, inputs=())
    with opened.rollout_log(ROLLOUT) as log:
        assert log.case_of_key("cell 0") is None
        log.add_case(made_case(), [made_input()])
        log.add_case(odd)
        assert log.case_of_key("cell 0") == made_case()
    with opened.rollout_log(ROLLOUT) as log:
        assert log.case_of_key("cell 0") == made_case()
        assert log.case_of_key(odd.key) == odd
        assert log.case_of_key(odd.key[:-1]) is None
        assert opened.case_of_key(ROLLOUT, odd.key) == odd, "who looks a key up does not wait for who writes"
    assert opened.case(ROLLOUT, odd.id) == odd
    assert opened.case_of_key(ROLLOUT, "cell 0") == made_case()
    assert opened.case_of_key(ROLLOUT, odd.key[:-1]) is None
    assert opened.case(ROLLOUT, "none") is None


def test_threads_that_send_one_key_make_one_case(opened: RolloutStore) -> None:
    def arrive(number: int) -> str:
        with opened.rollout_log(ROLLOUT) as log:
            there = log.case_of_key("one")
            if there is None:
                there = made_case(number, key="one")
                log.add_case(there)
                log.append(at(number), made_body(number), there.id)
            return there.id

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(arrive, range(40)))
    assert len(ids) == 1
    assert [line.case_id for line in opened.verify_log(ROLLOUT)] == list(ids)


def test_threads_append_to_one_chain(opened: RolloutStore) -> None:
    def write(number: int) -> None:
        with opened.rollout_log(ROLLOUT) as log:
            log.append(at(number), made_body(number))
            log.append(at(number), made_body(number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
    bodies = [line.body for line in opened.verify_log(ROLLOUT)]
    assert bodies[::2] == bodies[1::2]
    assert sorted(bodies[::2]) == sorted(made_body(number) for number in range(40))


def test_decisions_that_took_effect_are_told_of_the_cases_asked_for(opened: RolloutStore) -> None:
    with opened.rollout_log(ROLLOUT) as log:
        for number in range(4):
            log.add_case(made_case(number))
        log.settle_case(made_case(0).id, "crack", "blind", at(1))
        log.settle_case(made_case(1).id, None, "adjudicated", at(2))
        log.settle_case(made_case(2).id, "gr\0ße", "model", at(3))
    ids = [made_case(number).id for number in (0, 1, 3)]
    assert opened.settled(ROLLOUT, [*ids, "none"]) == {
        ids[0]: ("crack", "blind", at(1)),
        ids[1]: (None, "adjudicated", at(2)),
    }
    assert opened.settled(ROLLOUT, []) == {}
    assert opened.settled(ROLLOUT, (made_case(2).id,))[made_case(2).id][0] == "gr\0ße"


def test_a_review_comes_back_with_all_its_parts(opened: RolloutStore) -> None:
    plain = made_review()
    full = made_review(
        1, kind="adjudicate", round=1, due=None, shown=("gr\0ße", "sound"), not_by=("ben", "ada"), lease_by="cyd",
        lease_until=at(9), leased_at=at(8), held=made_decision("cyd", label=None, seconds=None), done_at=at(10),
    )  # fmt: skip
    ask(opened, plain, full)
    with opened.rollout_log(ROLLOUT) as log:
        assert (log.review(plain.id), log.review(full.id), log.review("none")) == (plain, full, None)
        changed = replace(plain, not_by=("ada",), shown=("crack",), lease_by="ben", lease_until=at(3), leased_at=at(1))
        log.update_review(changed)
        assert log.review(plain.id) == changed
    assert opened.review(ROLLOUT, plain.id) == changed
    assert opened.review(ROLLOUT, "none") is None


def test_reviews_come_by_due_time_and_then_by_their_order(opened: RolloutStore) -> None:
    rng = Random(5)
    reviews = [
        made_review(
            number,
            due=rng.choice([None, at(1), at(2), at(-3)]),
            order=f"{rng.getrandbits(256):064x}",
            kind=rng.choice(KINDS),
        )
        for number in range(40)
    ]
    ask(opened, *rng.sample(reviews, len(reviews)))
    expected = sorted(reviews, key=lambda one: (one.due is None, one.due or START, one.order))
    found: list[str] = []
    while (review := lease(opened, "ada", skip=found)) is not None:
        found.append(review.id)
    assert found == [review.id for review in expected]


def test_only_the_kinds_asked_for_are_given(opened: RolloutStore) -> None:
    ask(opened, made_review(0, kind="adjudicate"), made_review(1, kind="confirm"), made_review(2))
    assert lease(opened, "ada", kinds=["nothing"]) is None
    assert lease(opened, "ada", kinds=[]) is None
    found = [lease(opened, "ada", kinds=[kind]) for kind in ("decide", "confirm")]
    assert [review and review.id for review in found] == [made_review(2).id, made_review(1).id]


def test_a_lease_keeps_others_away_until_it_is_over(opened: RolloutStore) -> None:
    ask(opened, made_review())
    given = lease(opened, "ada", 10)
    assert given == replace(made_review(), seen_by=("ada",), lease_by="ada", lease_until=at(25), leased_at=at(10))
    assert lease(opened, "ben", 10) is None
    assert lease(opened, "ben", 24.9) is None
    again = lease(opened, "ben", 25)
    assert again == replace(made_review(), seen_by=("ada", "ben"), lease_by="ben", lease_until=at(40), leased_at=at(25))
    assert lease(opened, "ada", 26) is None


def test_the_review_that_a_person_has_already_comes_first(opened: RolloutStore) -> None:
    ask(opened, made_review(5))
    assert lease(opened, "ada", 0) is not None
    ask(opened, made_review(1))
    again = lease(opened, "ada", 3)
    assert again == replace(made_review(5), seen_by=("ada",), lease_by="ada", lease_until=at(18), leased_at=at(0))
    # It can be put aside for another, and comes back when that is skipped too.
    other = lease(opened, "ada", 4, skip=[made_review(5).id])
    assert other is not None
    assert other.id == made_review(1).id
    assert lease(opened, "ada", 4, skip=[made_review(5).id, made_review(1).id]) is None
    # A lease that is over is like anybody's: the earliest comes first.
    later = lease(opened, "ada", 60)
    assert later == replace(made_review(1), seen_by=("ada",), lease_by="ada", lease_until=at(75), leased_at=at(60))


def test_a_review_is_never_given_to_those_who_must_not_do_it(opened: RolloutStore) -> None:
    ask(opened, made_review(0, not_by=("ada", "ben")), made_review(1, not_by=("ben",)), made_review(2, not_by=("be",)))

    def given(by: str, minutes: float) -> list[int]:
        found: list[str] = []
        while (review := lease(opened, by, minutes, skip=found)) is not None:
            found.append(review.id)
        return [int(name[:8], 16) for name in found]

    assert given("ada", 0) == [1, 2]
    assert given("cyd", 100) == [0, 1, 2]
    assert given("benno", 200) == [0, 1, 2]
    assert given("be", 300) == [0, 1]
    assert given("ben", 400) == [2]
    ask(opened, made_review(3))
    with opened.rollout_log(ROLLOUT) as log:
        mine = log.review(made_review(3).id)
        assert mine is not None
        log.update_review(replace(mine, not_by=("ada",), lease_by="ada", lease_until=at(9_999), leased_at=START))
    assert lease(opened, "ada", 5_000, skip=[made_review(1).id, made_review(2).id]) is None


def test_many_that_must_not_be_done_do_not_hide_the_one_that_may(opened: RolloutStore) -> None:
    ask(opened, *(made_review(number, not_by=("ada", f"p{number}")) for number in range(60)), made_review(99))
    review = lease(opened, "ada")
    assert review is not None
    assert review.id == made_review(99).id


def test_a_held_or_finished_review_is_given_to_nobody(opened: RolloutStore) -> None:
    decision = made_decision()
    ask(
        opened,
        made_review(0, held=decision),
        made_review(1, held=decision, done_at=at(7)),
        made_review(2, done_at=at(7)),
    )
    assert lease(opened, "ada") is None
    assert lease(opened, "ben") is None
    with opened.rollout_log(ROLLOUT) as log:
        log.update_review(made_review(0))
    assert lease(opened, "ben") is not None


def test_held_decisions_are_found_by_moment_and_person(opened: RolloutStore) -> None:
    reviews = [
        made_review(number, held=made_decision("ada" if number % 2 else "ben", 9 - number)) for number in range(6)
    ]
    ask(opened, *reviews, made_review(7), made_review(8, held=made_decision(), done_at=at(10)))
    with opened.rollout_log(ROLLOUT) as log:
        assert list(log.held()) == reviews[::-1]
        assert list(log.held(until=at(6))) == reviews[:2:-1]
        assert list(log.held(by="ada")) == [reviews[5], reviews[3], reviews[1]]
        assert list(log.held(until=at(6), by="ada")) == [reviews[5], reviews[3]]
        assert list(log.held(by="nobody")) == []
        log.update_review(replace(reviews[5], held=None))
        log.update_review(replace(reviews[3], done_at=at(11)))
        assert list(log.held(by="ada")) == [reviews[1]]


def test_the_work_of_a_person_is_counted(opened: RolloutStore) -> None:
    ask(
        opened,
        *(made_review(number, held=made_decision("ada", number)) for number in range(3)),
        *(made_review(number, held=made_decision("ada", number), done_at=at(50)) for number in range(3, 6)),
        made_review(6, held=made_decision("ben", 6)),
        made_review(7, lease_by="ada", lease_until=at(99), leased_at=at(1)),
    )
    assert opened.done_since(ROLLOUT, "ada", START) == 6
    assert opened.done_since(ROLLOUT, "ada", at(2)) == 4
    assert opened.done_since(ROLLOUT, "ben", at(6.1)) == 0
    assert opened.done_since(ROLLOUT, "nobody", START) == 0


def test_reviews_of_a_case_can_be_withdrawn(opened: RolloutStore) -> None:
    mine = [made_review(number, case_id="c" * 32, round=number) for number in range(3)]
    mine[1] = replace(mine[1], held=made_decision())
    mine[2] = replace(mine[2], held=made_decision(), done_at=at(7))
    ask(opened, mine[1], mine[0], mine[2], made_review(5))
    with opened.rollout_log(ROLLOUT) as log:
        assert list(log.reviews_of("c" * 32)) == mine[:2]
        log.drop_reviews("c" * 32)
        assert list(log.reviews_of("c" * 32)) == []
        assert (log.review(mine[0].id), log.review(mine[1].id)) == (None, None)
    assert opened.review(ROLLOUT, mine[2].id) == mine[2]
    assert opened.review(ROLLOUT, made_review(5).id) == made_review(5)
    with pytest.raises(UsageError, match="any more"), opened.rollout_log(ROLLOUT) as log:
        log.update_review(mine[0])


def test_the_queue_is_counted_by_kind(opened: RolloutStore) -> None:
    ask(
        opened,
        made_review(0, due=at(5)),
        made_review(1, due=at(5), not_by=("ada",)),
        made_review(2, due=at(20), lease_by="ada", lease_until=at(11)),
        made_review(3, due=None, lease_by="ada", lease_until=at(10)),
        made_review(4, due=at(5), held=made_decision()),
        made_review(5, due=at(5), held=made_decision(), done_at=at(6)),
        made_review(6, due=at(10), kind="adjudicate"),
        made_review(7, kind="confirm", held=made_decision(), lease_by="ada", lease_until=at(99)),
        made_review(8, kind="confirm", done_at=at(6)),
    )
    assert opened.queue_counts(ROLLOUT, at(10)) == {
        "decide": {"open": 4, "leased": 1, "held": 1, "overdue": 2},
        "adjudicate": {"open": 1, "leased": 0, "held": 0, "overdue": 0},
        "confirm": {"open": 0, "leased": 0, "held": 1, "overdue": 0},
    }
    opened.open_rollout(made_rollout("d" * 32, "other"))
    assert opened.queue_counts("d" * 32, at(10)) == {}


def test_no_review_is_given_twice_to_threads_that_ask_at_once(opened: RolloutStore) -> None:
    ask(opened, *(made_review(number, not_by=("p1",) if number % 3 == 0 else ()) for number in range(60)))

    def work(person: int) -> list[str]:
        found: list[str] = []
        while (review := lease(opened, f"p{person}", skip=found)) is not None:
            assert review.lease_by == f"p{person}"
            found.append(review.id)
        return found

    with ThreadPoolExecutor(6) as pool:
        shares = list(pool.map(work, range(6)))
    given = [name for share in shares for name in share]
    assert sorted(given) == sorted(made_review(number).id for number in range(60))
    assert all(int(name[:8], 16) % 3 for name in shares[1])


def test_reviews_of_one_rollout_are_not_those_of_another(opened: RolloutStore) -> None:
    opened.open_rollout(made_rollout("d" * 32, "other"))
    with opened.rollout_log("d" * 32) as log:
        log.add_reviews([made_review(0, rollout_id="d" * 32)])
        log.add_reviews([made_review(1, rollout_id="d" * 32)])
        log.update_review(made_review(1, rollout_id="d" * 32, held=made_decision()))
    assert lease(opened, "ada") is None
    with opened.rollout_log(ROLLOUT) as log:
        assert list(log.held()) == []
        assert log.review(made_review(0).id) is None
        assert list(log.reviews_of(made_review(0).case_id)) == []
        log.drop_reviews(made_review(0).case_id)
    assert opened.review("d" * 32, made_review(0).id) is not None
    assert opened.done_since(ROLLOUT, "ada", START) == 0


def test_the_newest_snapshot_is_kept(opened: RolloutStore) -> None:
    assert opened.snapshot(ROLLOUT) is None
    opened.keep_snapshot(ROLLOUT, 10, '{"a": "ten"}')
    opened.keep_snapshot(ROLLOUT, 9, '{"a": "nine"}')
    assert opened.snapshot(ROLLOUT) == (10, '{"a": "ten"}')
    opened.keep_snapshot(ROLLOUT, 400, "x" * 1_000_000)
    assert opened.snapshot(ROLLOUT) == (400, "x" * 1_000_000)
    opened.open_rollout(made_rollout("d" * 32, "other"))
    assert opened.snapshot("d" * 32) is None


def test_a_log_takes_canonical_json_only(opened: RolloutStore) -> None:
    for body in ('{"a": 1}', '{"b":1,"a":2}', '{"a":"ö"}', '{"a":1}\n', '{"a":NaN}', "{", ""):
        with pytest.raises(ValueError, match="canonical"), opened.rollout_log(ROLLOUT) as log:
            log.append(START, body)
    assert list(opened.lines(ROLLOUT)) == []
