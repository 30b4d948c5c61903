"""Images are kept for their days, however the clock jumps."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import typer
from made_records import made_entry
from typer.testing import CliRunner

from drivetrain.cli import storing
from drivetrain.core.calendar import CONFIRMED, Calendar
from drivetrain.core.errors import UsageError
from drivetrain.core.retention import Retention
from drivetrain.serve.work.forgetting import FORGET_S, Forgetting
from drivetrain.store.sql_store import SqlStore, open_store

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
MONTH = Retention.parse("30d")


class Machine:
    """A clock on the wall, which may jump, and time that passes."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.true = START
        self.off = timedelta()
        """By how much the clock is wrong."""
        self.server: Forgetting | None = None
        self.images = 0

    @property
    def now(self) -> datetime:
        return self.true + self.off

    def start(self) -> None:
        """A server; what time passed before it cannot know."""
        begun = self.true
        self.server = Forgetting(self.store, MONTH, lambda: self.now, lambda: (self.true - begun).total_seconds() + 7)
        self.server.forget()

    def run(self, span: timedelta, every: timedelta = timedelta(hours=6)) -> None:
        """Let the server run for so long; more seldom than it would look, which changes nothing."""
        assert self.server is not None
        end = self.true + span
        while self.true < end:
            self.true += min(every, end - self.true)
            self.server.forget()

    def keep(self) -> str:
        """An image that is sent now; its hash."""
        self.images += 1
        entry = made_entry(self.images, at=self.now)
        self.store.append([entry])
        assert entry.input is not None
        return entry.input.sha256

    def has(self, image: str) -> bool:
        return self.store.input(image) is not None


@pytest.fixture
def machine(store: SqlStore) -> Iterator[Machine]:
    return Machine(store)


@pytest.fixture(autouse=True)
def _logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="drivetrain")


def test_an_image_is_kept_for_its_days_and_then_deleted(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    machine.start()
    image = machine.keep()
    machine.run(29.5 * DAY, DAY / 2)
    assert machine.has(image)
    assert not caplog.records
    machine.run(DAY)
    assert not machine.has(image)
    assert "deleted 1 images (0.0 MB)" in caplog.text
    assert "2026-03-01 00:00 UTC" in caplog.text


@pytest.mark.parametrize("restarted", [False, True])
def test_a_clock_that_jumps_ahead_deletes_nothing(
    machine: Machine, caplog: pytest.LogCaptureFixture, restarted: bool
) -> None:
    machine.start()
    image = machine.keep()
    machine.run(DAY)
    machine.off = 400 * DAY
    if restarted:
        machine.start()
    machine.run(DAY)
    assert machine.has(image)
    assert caplog.text.count("the clock says") == 1
    assert "400 days ahead" in caplog.text
    assert "--trust-clock" in caplog.text
    later = machine.keep()  # as of a moment that is more than a year away
    machine.off = timedelta()
    machine.run(DAY)
    assert machine.has(image)
    assert "trusted again" in caplog.text
    # Neither for longer than it should be.
    machine.run(30 * DAY)
    assert not machine.has(image)
    assert not machine.has(later)


def test_a_clock_that_jumps_back_and_forth_deletes_nothing_and_keeps_nothing_for_ever(machine: Machine) -> None:
    machine.start()
    before = machine.keep()
    machine.run(DAY)
    machine.off = -5000 * DAY
    machine.run(DAY)
    between = machine.keep()
    machine.run(DAY)
    machine.off = timedelta()
    machine.run(DAY)
    assert machine.has(before)
    assert machine.has(between)
    machine.run(28 * DAY)
    assert not machine.has(before)
    assert machine.has(between)
    machine.run(3 * DAY)
    assert not machine.has(between)


def test_a_server_that_was_off_deletes_in_the_end(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    machine.start()
    image = machine.keep()
    machine.true += 40 * DAY
    machine.start()
    assert "40 days ahead" in caplog.text
    machine.run(DAY)
    # It was started anew meanwhile; what it knows stays in the store.
    machine.start()
    machine.run(CONFIRMED - DAY - timedelta(hours=6))
    assert machine.has(image)
    machine.run(DAY)
    assert not machine.has(image)


def test_a_weekend_off_is_nothing_to_doubt(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    machine.start()
    image = machine.keep()
    for _ in range(10):
        machine.true += 2.5 * DAY
        machine.start()
        machine.run(timedelta(hours=16))
    assert not machine.has(image)
    assert "the clock says" not in caplog.text


def test_a_clock_that_goes_on_jumping_is_never_believed(machine: Machine) -> None:
    machine.start()
    image = machine.keep()
    for _ in range(20):
        machine.off += 10 * DAY
        machine.run(DAY)
    assert machine.has(image)


def test_a_store_of_before_there_was_a_calendar_goes_by_its_newest_moment(machine: Machine) -> None:
    image = machine.keep()
    machine.true += 5 * DAY
    machine.keep()
    machine.off = 400 * DAY
    machine.start()
    assert machine.has(image)


def test_processes_of_one_store_agree(machine: Machine) -> None:
    machine.start()
    image = machine.keep()
    first = machine.server
    machine.start()
    second = machine.server
    assert first is not None
    assert second is not None
    machine.off = 400 * DAY
    for _ in range(20):  # ten days of looks, if they were added up
        machine.true += timedelta(hours=3)
        first.forget()
        second.forget()
    assert machine.has(image)
    machine.store.set_calendar(Calendar(machine.now))
    first.forget()
    second.forget()
    assert not machine.has(image)


def test_a_store_that_fails_is_said_in_a_line(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    machine.start()
    machine.store.close()
    assert machine.server is not None
    machine.server.forget()
    assert "no image was deleted this time" in caplog.text
    assert "Traceback" not in caplog.text


def test_looks_are_often_enough() -> None:
    assert FORGET_S <= 3600


# The command


whole = typer.Typer()
whole.add_typer(storing.app, name="store")


def run(*arguments: str) -> str:
    done = CliRunner().invoke(whole, ["store", "prune", *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def test_the_command_asks_for_a_clock_that_can_be_believed(place: str) -> None:
    store = open_store(place)
    old = datetime.now(UTC) - 400 * DAY
    store.append([made_entry(1, at=old), made_entry(2, at=old + DAY)])
    # Whether the machine was off for so long or its clock is wrong, nobody here can know.
    with pytest.raises(UsageError, match=r"399 days after what this store knows .*--trust-clock"):
        run(place, "--images-days", "30")
    assert store.info().inputs == 2
    assert "would delete 0 predictions and 2 images" in run(place, "--images-days", "30", "--dry-run")
    told = json.loads(run(place, "--images-days", "30", "--trust-clock", "--json"))
    assert (told["images"], told["oldest"][:10], told["newest"][:10]) == (2, str(old.date()), str((old + DAY).date()))
    assert store.info().inputs == 0
    store.append([made_entry(3, at=old)])
    assert "deleted 0 predictions and 1 images" in run(place, "--images-days", "30")
    store.close()


def test_to_trust_the_clock_needs_nothing_to_delete(place: str) -> None:
    store = open_store(place)
    old = datetime.now(UTC) - 400 * DAY
    store.append([made_entry(1, at=old)])
    run(place, "--trust-clock")
    assert store.info().inputs == 1
    calendar = store.calendar()
    assert calendar is not None
    assert datetime.now(UTC) - calendar.trusted < DAY
    store.close()
