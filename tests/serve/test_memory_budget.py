"""The budget of memory for pictures: nobody gets more than there is, who waits is served in turn, too much is refused."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from waiting import LONG_S

from drivetrain.core.errors import ImageError, UsageError
from drivetrain.core.memory import available_memory, parse_size, shown_size
from drivetrain.core.memory_budget import MemoryBudget
from drivetrain.data.image.true_size import MAX_PIXELS
from drivetrain.serve.settings import RequestLimits
from drivetrain.serve.work.memory_shares import shares


def test_never_more_than_there_is_and_all_are_served() -> None:
    budget = MemoryBudget(100)
    done: list[int] = []

    def work(amount: int) -> None:
        for _ in range(200):
            with budget.hold(amount):
                assert budget.held <= 100
        done.append(amount)

    threads = [threading.Thread(target=work, args=(amount,)) for amount in (10, 30, 60, 100, 1, 45)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_S)
    assert sorted(done) == [1, 10, 30, 45, 60, 100]
    assert (budget.held, budget.waiting) == (0, 0)
    assert budget.most_held <= 100


def test_small_amounts_do_not_pass_a_large_one_that_waits() -> None:
    budget, order = MemoryBudget(100), []
    large_waits = threading.Thread(target=lambda: _note(budget, 100, order))
    small = threading.Thread(target=lambda: _note(budget, 10, order))
    with budget.hold(50):
        large_waits.start()
        _until(budget, 1)
        assert not budget.try_hold(10)
        small.start()
        _until(budget, 2)
    large_waits.join(LONG_S)
    small.join(LONG_S)
    assert order == [100, 10]


def _note(budget: MemoryBudget, amount: int, order: list[int]) -> None:
    with budget.hold(amount):
        order.append(amount)


def _until(budget: MemoryBudget, waiting: int) -> None:
    pause = threading.Event()
    for _ in range(2000):
        if budget.waiting == waiting:
            return
        pause.wait(0.01)
    raise AssertionError("nobody waits")


def test_more_than_all_of_it_is_refused_and_nothing_is_held_after_a_fault() -> None:
    budget = MemoryBudget(64 << 20)
    with pytest.raises(ImageError, match="takes 65 MiB of memory; at most 64 MiB"), budget.hold(65 << 20):
        pass
    with pytest.raises(RuntimeError), budget.hold(64 << 20):
        raise RuntimeError
    assert budget.try_hold(64 << 20)
    budget.release(64 << 20)
    assert budget.held == 0


def test_sizes_as_people_write_them() -> None:
    assert [parse_size(text) for text in ("512M", "2G", "1.5 GiB", "100", "3kb", "1T")] == [
        512 << 20, 2 << 30, 3 << 29, 100, 3 << 10, 1 << 40,
    ]  # fmt: skip
    for text in ("", "0", "-1G", "many", "1X", "1e9", "9" * 30, "G"):
        with pytest.raises(UsageError, match="no size"):
            parse_size(text)
    assert (shown_size(1), shown_size(1 << 30)) == ("1 MiB", "1 GiB")


def test_a_containers_limit_counts(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    machine = available_memory(tmp_path)
    (tmp_path / "memory.max").write_text(f"{300 << 20}\n")
    assert available_memory(tmp_path) == 300 << 20 < machine
    (tmp_path / "memory.max").unlink()
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text(f"{200 << 20}\n")
    assert available_memory(tmp_path) == 200 << 20


@pytest.mark.parametrize("given", [5 << 28, 2 << 30, 3 << 30, 8 << 30])
@pytest.mark.parametrize("processes", [1, 2])
def test_the_shares_add_up(given: int, processes: int) -> None:
    body = 16 << 20
    found = shares(given, 100 << 20, body, processes)
    assert found.total == given // processes
    assert found.base + found.bodies + found.pictures == found.total
    assert RequestLimits(body, in_flight_bytes=found.bodies).largest_body == body
    assert 0 < found.pixels <= MAX_PIXELS


def test_with_memory_enough_the_bound_of_pixels_is_the_one_everywhere() -> None:
    assert shares(4 << 30, 200 << 20, 64 << 20).pixels == MAX_PIXELS


def test_what_is_said_to_be_enough_is() -> None:
    with pytest.raises(UsageError, match="give at least") as caught:
        shares(100 << 20, 100 << 20, 64 << 20)
    least = parse_size(str(caught.value).partition("at least ")[2].partition(" with")[0])
    assert shares(least + (1 << 20), 100 << 20, 64 << 20).pictures > 0
