"""The queue: turns between clients, room, shares, batches of one model, deadlines, and threads that wait for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from waiting import Beside, WatchedCondition

from drivetrain.serve.served import ServedModel
from drivetrain.serve.work.fair_queue import FairQueue, QueueFull
from drivetrain.serve.work.job import Job, Ticket, Upload, jobs_of

CAT, DOG = (ServedModel(name, Path(name), cast(Any, None)) for name in ("cat", "dog"))


class Clock:
    """Stands still until told otherwise."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def jobs(client: str, *names: str, model: ServedModel = CAT, deadline_s: float = float("inf")) -> list[Job]:
    ticket = Ticket(len(names), lambda _: None)
    uploads = [Upload(name, b"") for name in names]
    return jobs_of(model, uploads, ticket, client=client, request_id="r", key_id=None, now_s=0.0, deadline_s=deadline_s)


def names(taken: list[Job]) -> list[str]:
    return [job.upload.name for job in taken]


def drain(queue: FairQueue) -> list[str]:
    """One by one, in the order they are handed out."""
    queue.close()
    found = []
    while taken := queue.take(1, 0.0):
        found += names(taken)
    return found


def test_a_single_client_is_served_in_order() -> None:
    queue = FairQueue(10)
    queue.put(jobs("a", "1", "2"))
    queue.put(jobs("a", "3"))
    assert len(queue) == 3
    assert drain(queue) == ["1", "2", "3"]
    assert len(queue) == 0


def test_who_was_put_back_has_the_next_turn_whoever_has_come_since() -> None:
    queue = FairQueue(20)
    queue.put(jobs("a", *(f"a{n}" for n in range(4))))
    queue.put(jobs("b", "b0", "b1"))
    taken = queue.take(5, 0.0)
    assert names(taken) == ["a0", "b0", "a1", "b1", "a2"]
    queue.put(jobs("c", "c0"))
    queue.put_back(taken[1:])
    assert len(queue) == 6
    assert drain(queue) == ["b0", "a1", "c0", "b1", "a2", "a3"]
    assert len(queue) == 0


def test_what_is_put_back_after_the_end_is_still_handed_out() -> None:
    queue = FairQueue(20)
    queue.put(jobs("a", "1", "2"))
    taken = queue.take(2, 0.0)
    queue.close()
    queue.put_back(taken[1:])
    assert drain(queue) == ["2"]


def test_clients_take_turns_however_much_one_has_sent() -> None:
    queue = FairQueue(20)
    queue.put(jobs("a", *(f"a{n}" for n in range(6))))
    queue.put(jobs("b", "b0", "b1"))
    queue.put(jobs("c", "c0"))
    assert drain(queue) == ["a0", "b0", "c0", "a1", "b1", "a2", "a3", "a4", "a5"]


def test_who_comes_back_goes_to_the_end_of_the_round() -> None:
    queue = FairQueue(20)
    queue.put(jobs("a", "a0"))
    queue.put(jobs("b", "b0", "b1"))
    assert names(queue.take(1, 0.0)) == ["a0"]
    queue.put(jobs("a", "a1"))
    assert drain(queue) == ["b0", "a1", "b1"]


def test_a_batch_is_shared_between_clients_too() -> None:
    queue = FairQueue(20)
    queue.put(jobs("a", "a0", "a1", "a2"))
    queue.put(jobs("b", "b0"))
    assert names(queue.take(3, 0.0)) == ["a0", "b0", "a1"]


def test_a_batch_is_of_one_model_and_the_other_keeps_its_turn() -> None:
    queue = FairQueue(20)
    queue.put(jobs("a", "a0"))
    queue.put(jobs("b", "b0", model=DOG))
    queue.put(jobs("c", "c0"))
    assert names(queue.take(8, 30.0)) == ["a0", "c0"]
    assert names(queue.take(8, 0.0)) == ["b0"]


def test_a_request_is_taken_in_whole_or_not_at_all() -> None:
    queue = FairQueue(4)
    queue.put(jobs("a", "1", "2"))
    with pytest.raises(QueueFull) as caught:
        queue.put(jobs("b", "3", "4", "5"))
    assert (caught.value.own, caught.value.waiting) == (False, 2)
    assert drain(queue) == ["1", "2"]


def test_check_room_says_what_put_would() -> None:
    queue = FairQueue(2)
    queue.check_room("a", 2)
    queue.put(jobs("a", "1"))
    queue.check_room("b", 1)
    with pytest.raises(QueueFull):
        queue.check_room("b", 2)
    queue.put(jobs("b", "2"))
    with pytest.raises(QueueFull):
        queue.check_room("c", 1)


def test_while_others_wait_nobody_holds_more_than_a_share() -> None:
    queue = FairQueue(10)
    queue.put(jobs("a", *"12345"))
    queue.put(jobs("b", "6"))
    with pytest.raises(QueueFull) as caught:
        queue.put(jobs("a", "7"))
    assert caught.value.own
    queue.put(jobs("b", *"789"))
    queue.take(1, 0.0)  # one of a's
    queue.put(jobs("a", "x"))


def test_a_single_client_leaves_room_for_the_next() -> None:
    queue = FairQueue(16)
    for name in range(14):
        queue.put(jobs("a", str(name)))
    with pytest.raises(QueueFull) as caught:
        queue.put(jobs("a", "14"))
    assert not caught.value.own
    queue.put(jobs("b", "b0", "b1"))
    with pytest.raises(QueueFull):
        queue.put(jobs("c", "c0"))


def test_a_request_as_large_as_the_queue_fits_when_nothing_waits() -> None:
    queue = FairQueue(4)
    queue.put(jobs("a", *"1234"))
    assert drain(queue) == list("1234")


def test_a_request_larger_than_the_queue_is_taken_when_nothing_waits() -> None:
    queue = FairQueue(2)
    queue.put(jobs("a", "1"))
    with pytest.raises(QueueFull):
        queue.put(jobs("b", *"234"))
    queue.take(1, 0.0)
    queue.put(jobs("b", *"234"))
    with pytest.raises(QueueFull):
        queue.put(jobs("c", "5"))
    assert drain(queue) == ["2", "3", "4"]


def test_those_who_left_hold_no_places() -> None:
    queue = FairQueue(4)
    stays, left = jobs("a", "1"), jobs("a", "2", "3")
    queue.put(stays)
    queue.put(left)
    queue.put(jobs("b", "4"))
    left[0].ticket.cancel()
    queue.put(jobs("c", "5", "6"))
    assert len(queue) == 4
    assert drain(queue) == ["1", "4", "5", "6"]


def test_what_nobody_waits_for_is_not_handed_out() -> None:
    clock = Clock()
    queue = FairQueue(20, clock)
    cancelled, late, failed, fine = (
        jobs("a", "cancelled"),
        jobs("a", "late", deadline_s=101.0),
        jobs("a", "failed", "failed too"),
        jobs("a", "fine", deadline_s=103.0),
    )
    for each in (cancelled, late, failed, fine):
        queue.put(each)
    cancelled[0].ticket.cancel()
    failed[0].ticket.fail("the network failed")
    clock.now_s = 102.0
    assert drain(queue) == ["fine"]
    assert len(queue) == 0


def test_a_closed_queue_takes_nothing_in_and_hands_out_what_it_has() -> None:
    queue = FairQueue(4)
    queue.put(jobs("a", "1"))
    queue.close()
    with pytest.raises(QueueFull) as caught:
        queue.put(jobs("b", "2"))
    assert not caught.value.own
    assert names(queue.take(4, 30.0)) == ["1"]
    assert queue.take(4, 30.0) == []


@pytest.fixture
def watched() -> tuple[FairQueue, WatchedCondition]:
    """A queue, and the condition its takers wait on."""
    queue, condition = FairQueue(20), WatchedCondition()
    queue._ready = condition
    return queue, condition


def test_a_taker_waits_for_the_first(watched: tuple[FairQueue, WatchedCondition]) -> None:
    queue, condition = watched
    taker = Beside(lambda: queue.take(1, 0.0))
    condition.await_waiters()
    assert not taker.done
    queue.put(jobs("a", "1"))
    assert names(taker.result()) == ["1"]


def be_at_work(queue: FairQueue) -> None:
    """This thread takes something and does not come back: only then is there anything to wait for."""
    queue.put(jobs("busy", "0"))
    assert names(queue.take(1, 0.0)) == ["0"]


def test_a_lone_image_waits_for_nothing() -> None:
    queue = FairQueue(8)
    queue.put(jobs("a", "1"))
    assert names(queue.take(4, 3600.0)) == ["1"]
    # Who comes back has nothing in hand any more.
    queue.put(jobs("a", "2"))
    assert names(queue.take(4, 3600.0)) == ["2"]


def test_a_taker_waits_for_a_batch_to_fill(watched: tuple[FairQueue, WatchedCondition]) -> None:
    queue, condition = watched
    be_at_work(queue)
    queue.put(jobs("a", "1"))
    taker = Beside(lambda: queue.take(2, 3600.0))
    condition.await_waiters()
    queue.put(jobs("b", "2"))
    assert names(taker.result()) == ["1", "2"]


def test_a_batch_that_does_not_fill_goes_when_its_wait_is_over() -> None:
    queue = FairQueue(20)
    queue.put(jobs("a", "1"))
    assert names(queue.take(2, 0.001)) == ["1"]


def test_closing_ends_every_wait(watched: tuple[FairQueue, WatchedCondition]) -> None:
    queue, condition = watched
    be_at_work(queue)
    queue.put(jobs("a", "1"))
    filling = Beside(lambda: queue.take(2, 3600.0))
    condition.await_waiters()
    idle = Beside(lambda: queue.take(2, 3600.0))
    condition.await_waiters()
    queue.close()
    assert names(filling.result()) == ["1"]
    assert idle.result() == []


def test_another_models_image_is_not_left_beside_an_idle_taker(watched: tuple[FairQueue, WatchedCondition]) -> None:
    queue, condition = watched
    be_at_work(queue)
    queue.put(jobs("a", "1"))
    filling = Beside(lambda: queue.take(2, 3600.0))
    condition.await_waiters()
    idle = Beside(lambda: queue.take(2, 0.0))
    condition.await_waiters()
    # The one that fills its batch has waited longer and is woken first, though it cannot use this.
    queue.put(jobs("b", "2", model=DOG))
    assert names(filling.result()) == ["1"]
    assert names(idle.result()) == ["2"]


def test_who_is_alone() -> None:
    queue = FairQueue(8)
    queue.put(jobs("a", "1", "2"))
    queue.take(1, 0.0)
    assert not queue.is_alone  # another waits
    queue.take(1, 0.0)
    assert queue.is_alone
    queue.put(jobs("a", "3"))
    assert names(Beside(lambda: queue.take(1, 0.0)).result()) == ["3"]
    assert not queue.is_alone  # another is at work
