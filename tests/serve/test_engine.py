"""The engine: answers in order, stored before they are told, batches, faults of single images, who left, and the end."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from memory_store import MemoryStore, is_down
from PIL import Image
from running import jpeg
from waiting import LONG_S, Beside

from drivetrain.core.errors import StoreError
from drivetrain.core.memory_budget import MemoryBudget
from drivetrain.core.records import Context, Entry
from drivetrain.core.retention import Retention
from drivetrain.core.types import FloatArray, Reason, Verdict
from drivetrain.data.image.decode import decode
from drivetrain.data.image.preprocess import apply
from drivetrain.embed.session import Session
from drivetrain.model.kinds.kind import Answer
from drivetrain.model.manifest import Manifest
from drivetrain.model.memory import Memory
from drivetrain.model.policy import Policy
from drivetrain.model.predictor import Predictor, load
from drivetrain.model.rule import Lets, Rule, Ruling
from drivetrain.model.seen import Seen
from drivetrain.serve.served import ServedModel
from drivetrain.serve.work.engine import Engine, Plan
from drivetrain.serve.work.fair_queue import QueueFull
from drivetrain.serve.work.job import Ticket, Upload, jobs_of
from drivetrain.serve.work.keeping import Keeping
from drivetrain.serve.work.ledger import Ledger
from drivetrain.serve.work.pictures import Pictures


class Gauge:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, int]] = []
        self.entries: list[Entry] = []

    def batch(self, model: str, size: int, network_s: float) -> None:
        assert network_s >= 0
        self.batches.append((model, size))

    def answered(self, entry: Entry) -> None:
        self.entries.append(entry)


class Outcome:
    """What came of a request."""

    def __init__(self) -> None:
        self._come = threading.Event()
        self.stored = 0
        self.ticket: Ticket | None = None
        self.error: StoreError | None = None

    def settle(self, ticket: Ticket, error: StoreError | None) -> None:
        self.ticket, self.error = ticket, error
        self._come.set()

    @property
    def come(self) -> bool:
        return self._come.is_set()

    def entries(self) -> list[Entry]:
        """The answers; waits for them."""
        return self.wait().complete()

    def wait(self) -> Ticket:
        assert self._come.wait(LONG_S), "no outcome"
        assert self.ticket is not None
        return self.ticket


class Bench:
    """An engine with a store in memory, and a network that can be held up or made to fail."""

    def __init__(self, predictor: Predictor, plan: Plan, keeping: Keeping) -> None:
        self.store, self.gauge = MemoryStore(), Gauge()
        self.pictures = Pictures(MemoryBudget(1 << 30))
        self.engine = Engine(plan, Ledger(self.store), keeping, self.pictures, self.gauge)
        held = replace(predictor, _session=cast(Session, self))
        self.model = ServedModel("farben", Path("farben"), held)
        self.running = threading.Semaphore(0)
        """Released whenever a run of the network begins."""
        self.go = threading.Event()
        self.go.set()
        self.before: Callable[[FloatArray], None] = lambda _: None
        self._session = predictor._session

    def run(self, pixels_NKHW: FloatArray, outputs: Sequence[str] | None = None) -> list[FloatArray]:
        """In place of the session's own."""
        self.running.release()
        assert self.go.wait(LONG_S)
        self.before(pixels_NKHW)
        return self._session.run(pixels_NKHW, outputs)

    def send(self, *uploads: Upload, client: str = "a", model: ServedModel | None = None, **more: float) -> Outcome:
        outcome = Outcome()
        deadline_s = more.get("deadline_s", float("inf"))

        def make(ticket: Ticket) -> list:  # type: ignore[type-arg]
            return jobs_of(
                model or self.model,
                uploads,
                ticket,
                client=client,
                request_id=f"request of {client}",
                key_id=None,
                now_s=0.0,
                deadline_s=deadline_s,
            )

        outcome.ticket = self.engine.submit(make, len(uploads), outcome.settle)
        return outcome

    def occupy(self) -> Outcome:
        """Hold up the network with one image; everything after that waits."""
        self.go.clear()
        outcome = self.send(Upload("first", jpeg()))
        assert self.running.acquire(timeout=LONG_S)
        return outcome


MakeBench = Callable[..., Bench]


@pytest.fixture
def make_bench(kept: Path) -> Iterator[MakeBench]:
    benches: list[Bench] = []

    def make(workers: int = 1, batch: int = 1, queue: int = 64, images: str = "keep") -> Bench:
        bench = Bench(load(kept), Plan(workers, batch, 0.0, queue), Keeping(Retention.parse(images)))
        benches.append(bench)
        return bench

    yield make
    for bench in benches:
        bench.go.set()
        bench.store.open.set()
        bench.engine.close()


def plain(colour: tuple[int, int, int]) -> bytes:
    out = BytesIO()
    Image.new("RGB", (20, 16), colour).save(out, "PNG")
    return out.getvalue()


RED, GREEN, BLUE, WHITE = plain((220, 30, 20)), plain((20, 190, 60)), plain((30, 40, 210)), plain((255, 255, 255))


def labels(entries: Sequence[Entry]) -> list[str | None]:
    return [entry.record.prediction.label for entry in entries]


@pytest.mark.parametrize(("workers", "batch"), [(1, 1), (1, 4), (3, 2)])
def test_answers_come_in_the_order_of_the_images(make_bench: MakeBench, workers: int, batch: int) -> None:
    bench = make_bench(workers, batch)
    colours = [RED, GREEN, b"no image", BLUE, GREEN, RED]
    outcome = bench.send(*(Upload(f"{n}.png", data, Context(site=str(n))) for n, data in enumerate(colours)))
    entries = outcome.entries()
    assert labels(entries) == ["rot", "grün", None, "blau", "grün", "rot"]
    assert [entry.record.prediction.path for entry in entries] == [f"{n}.png" for n in range(6)]
    assert [entry.record.context.site for entry in entries] == [str(n) for n in range(6)]
    assert entries[2].record.prediction.verdict is Verdict.UNREADABLE
    assert {entry.record.id for entry in entries} == set(bench.store.records)


def test_pictures_that_take_long_hold_up_none_of_their_batch(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivetrain.serve.work.worker.TURN_S", -1.0)
    bench = make_bench(batch=8)
    bench.occupy()
    outcomes = [bench.send(Upload("a", RED), Upload("a", GREEN), client="a"), bench.send(Upload("b", BLUE), client="b")]
    bench.go.set()
    assert [labels(outcome.entries()) for outcome in outcomes] == [["rot", "grün"], ["blau"]]
    assert bench.gauge.batches == [("farben", 1)] * 4
    assert [entry.record.prediction.path for entry in bench.gauge.entries] == ["first", "a", "b", "a"]


def test_an_answer_is_told_only_when_it_is_stored(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.store.open.clear()
    outcome = bench.send(Upload("1", RED))
    assert bench.store.begun.acquire(timeout=LONG_S)
    assert not outcome.come
    bench.store.open.set()
    assert labels(outcome.entries()) == ["rot"]


def test_answers_that_cannot_be_stored_are_told_with_the_reason(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.store.failure = is_down()
    outcome = bench.send(Upload("1", RED))
    outcome.wait()
    assert str(outcome.error) == "the store is down"
    assert bench.store.records == {}


def test_what_waits_is_run_together_up_to_the_batch(make_bench: MakeBench) -> None:
    bench = make_bench(batch=4)
    first = bench.occupy()
    others = [bench.send(Upload(str(n), RED), client=str(n)) for n in range(6)]
    bench.go.set()
    for outcome in (first, *others):
        outcome.wait()
    assert bench.gauge.batches == [("farben", 1), ("farben", 4), ("farben", 2)]
    assert len(bench.gauge.entries) == 7


def test_models_do_not_share_a_run(make_bench: MakeBench, kept: Path) -> None:
    bench = make_bench(batch=8)
    first = bench.occupy()
    other = ServedModel("other", kept, load(kept))
    outcomes = [bench.send(Upload("", RED), client=str(n), model=other if n % 2 else None) for n in range(4)]
    bench.go.set()
    for outcome in (first, *outcomes):
        outcome.wait()
    assert bench.gauge.batches == [("farben", 1), ("farben", 2), ("other", 2)]
    assert [outcome.entries()[0].record.model for outcome in outcomes] == ["farben", "other", "farben", "other"]


def refuse_white(error: Exception) -> Callable[[FloatArray], None]:
    def before(tensors_NKHW: FloatArray) -> None:
        # White is the only picture here that is bright everywhere.
        if (tensors_NKHW.min(axis=(1, 2, 3)) > np.float32(0.5)).any():
            raise error

    return before


@pytest.mark.parametrize(
    ("error", "reason"), [(RuntimeError("a shape"), "the network failed"), (MemoryError(), "not enough memory")]
)
def test_one_images_fault_is_no_fault_of_the_others(make_bench: MakeBench, error: Exception, reason: str) -> None:
    bench = make_bench(batch=4)
    first = bench.occupy()
    white, red, green = (bench.send(Upload("", data), client=str(n)) for n, data in enumerate((WHITE, RED, GREEN)))
    bench.before = refuse_white(error)
    bench.go.set()
    first.wait()
    assert [labels(outcome.entries()) for outcome in (red, green)] == [["rot"], ["grün"]]
    assert white.wait().failure == reason
    assert white.error is None
    # The worker lives on.
    assert labels(bench.send(Upload("", BLUE)).entries()) == ["blau"]


def test_a_request_with_one_fault_has_no_answer_and_stores_none(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.before = refuse_white(RuntimeError("a shape"))
    outcome = bench.send(Upload("1", RED), Upload("2", WHITE), Upload("3", GREEN))
    assert outcome.wait().failure == "the network failed"
    last = bench.send(Upload("4", BLUE))
    last.wait()
    assert [record.prediction.path for record in bench.store.records.values()] == ["4"]
    # What was left of the request was not run for nobody.
    assert [entry.record.prediction.path for entry in bench.gauge.entries] == ["1", "4"]


def test_images_of_who_left_or_came_too_late_are_not_run(make_bench: MakeBench) -> None:
    bench = make_bench()
    first = bench.occupy()
    left, late, stays = (
        bench.send(Upload("left", RED)),
        bench.send(Upload("late", RED), deadline_s=0.0),
        bench.send(Upload("stays", RED)),
    )
    assert left.ticket is not None
    left.ticket.cancel()
    bench.go.set()
    first.wait()
    stays.wait()
    assert [entry.record.prediction.path for entry in bench.gauge.entries] == ["first", "stays"]
    assert not left.come
    assert not late.come


def test_closing_answers_and_stores_what_was_accepted(make_bench: MakeBench) -> None:
    bench = make_bench(workers=2)
    first = bench.occupy()
    waiting = [bench.send(Upload(str(n), RED)) for n in range(5)]
    closing = Beside(bench.engine.close)
    bench.go.set()
    closing.result()
    assert all(outcome.come for outcome in (first, *waiting))
    assert len(bench.store.records) == 6
    with pytest.raises(QueueFull):
        bench.send(Upload("", RED))


@pytest.mark.parametrize(
    ("images", "hashed", "stored"),
    [("none", False, False), ("hash", True, False), ("keep", True, True), ("7d", True, True)],
)
def test_of_an_image_is_kept_what_the_rule_says(make_bench: MakeBench, images: str, hashed: bool, stored: bool) -> None:
    bench = make_bench(images=images)
    entry = bench.send(Upload("1.png", RED)).entries()[0]
    assert (entry.record.input_sha256 is not None) is hashed
    assert (entry.input is not None) is stored
    assert entry.record.facts == {"width": 20, "height": 16}


def test_what_an_image_says_of_people_is_not_kept(make_bench: MakeBench) -> None:
    with_comment = BytesIO()
    Image.new("RGB", (20, 16)).save(with_comment, "JPEG", comment=b"taken at home")
    entry = make_bench(images="keep").send(Upload("1.jpg", with_comment.getvalue())).entries()[0]
    assert entry.input is not None
    assert b"home" not in entry.input.data
    assert entry.input.sha256 == entry.record.input_sha256 == hashlib.sha256(with_comment.getvalue()).hexdigest()


def test_rules_see_each_images_own_embedding_and_facts(make_bench: MakeBench) -> None:
    bench = make_bench()
    met: list[Seen] = []

    class Watching(Rule):
        needs_frozen = True

        @classmethod
        def of(cls, manifest: Manifest, memory: Memory | None) -> Watching | None:  # noqa: ARG003
            return None

        def ruling(self, seen: Seen, answer: Answer) -> Ruling:
            met.append(seen)
            return Ruling(Reason("sure", "too sure") if answer.confidence > 0.5 else None)

        @property
        def lets(self) -> Lets:
            return Lets("that are unsure", "every answer is sure")

    # What `policy` keeps is set beforehand: no manifest names such a rule.
    vars(bench.model.predictor)["policy"] = Policy((Watching(),))
    entries = bench.send(Upload("", RED), Upload("", RED[:60]), Upload("", GREEN)).entries()
    assert [[reason.code for reason in e.record.prediction.reasons] for e in entries] == [
        ["sure"],
        ["unreadable"],
        ["sure"],
    ]
    for entry, data, seen in zip((entries[0], entries[2]), (RED, GREEN), met, strict=True):
        predictor = bench.model.predictor
        spec = predictor.manifest.input.preprocess
        logits_W, embedding_D = predictor.run_tensor(apply(decode(data, spec.decode_size).image, spec))
        np.testing.assert_allclose(seen.logits_W, logits_W, atol=1e-6)
        np.testing.assert_allclose(seen.embedding_D, embedding_D, atol=1e-6)
        assert seen.frozen_embedding_F is not None
        np.testing.assert_allclose(seen.frozen_embedding_F, embedding_D, atol=1e-6)
        assert seen.facts == entry.record.facts != {}


def test_what_cannot_be_read_is_hashed_and_not_kept(make_bench: MakeBench) -> None:
    entry = make_bench().send(Upload("1.png", RED[:60])).entries()[0]
    assert entry.record.input_sha256 is not None
    assert entry.input is None
    assert entry.record.facts == {}


def test_prepared_pixels_give_the_answer_of_their_image(make_bench: MakeBench) -> None:
    bench = make_bench()
    spec = bench.model.predictor.manifest.input.preprocess
    tensor_KHW = apply(decode(RED, spec.decode_size).image, spec)
    by_file, by_tensor = bench.send(Upload("", RED), Upload("", b"", tensor=tensor_KHW)).entries()
    assert by_tensor.record.prediction == by_file.record.prediction
    assert by_tensor.record.input_sha256 is None
    assert by_tensor.input is None


def test_a_ticket_is_answered_once() -> None:
    done: list[Ticket] = []
    ticket = Ticket(2, done.append)
    ticket.fail("one")
    ticket.fail("two")
    assert (done, ticket.failure) == ([ticket], "one")


def test_nobody_is_told_of_a_ticket_that_was_cancelled(make_bench: MakeBench) -> None:
    entry = make_bench().send(Upload("", RED)).entries()[0]
    done: list[Ticket] = []
    for end in (lambda ticket: ticket.answer(0, entry), lambda ticket: ticket.fail("late")):
        ticket = Ticket(1, done.append)
        ticket.cancel()
        end(ticket)
    assert done == []
