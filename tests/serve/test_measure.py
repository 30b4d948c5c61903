"""The measurement at start, on machines whose speed is made up: a clock that the network itself moves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from drivetrain.core.types import FloatArray
from drivetrain.data.image.preprocess import Preprocess, Resize
from drivetrain.model.inputs.image import ImageInput
from drivetrain.model.predictor import Predictor, load
from drivetrain.serve import settings
from drivetrain.serve.options import ServeOptions
from drivetrain.serve.settings import RequestLimits, Settings
from drivetrain.serve.work import measure
from drivetrain.serve.work.measure import pays_to_widen, plan

Cost = Callable[[int], float]
"""Images of a run → seconds it takes a core."""


class Machine:
    """Cores that all run one network; its clock moves with each run by the run's share of the cores."""

    def __init__(self, *costs: Cost) -> None:
        self._now_s = 0.0
        self._lock = threading.Lock()
        self.predictors = [self._predictor(cost) for cost in costs]

    def _predictor(self, cost: Cost) -> Predictor:
        def run_batch(tensors_NKHW: FloatArray) -> None:
            with self._lock:
                self._now_s += cost(len(tensors_NKHW))

        manifest = SimpleNamespace(input=ImageInput(preprocess=Preprocess(resize=Resize(size=(4, 4)))))
        return cast(
            Predictor, SimpleNamespace(manifest=manifest, run_batch=run_batch, is_wide=False, release=lambda: None)
        )

    def clock(self) -> float:
        with self._lock:
            return self._now_s

    def plan(self, **settings: Any) -> measure.Plan:
        return plan(Settings.of(ServeOptions(("b",), **settings)), self.predictors, self.clock)


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "available_cores", lambda: 2)


def flat(images: int) -> float:
    """As on a CPU: a batch takes as long as its images."""
    return 0.004 * images


def batched(images: int) -> float:
    """A run has a price of its own."""
    return 0.004 + 0.001 * images


def test_where_batches_do_not_pay_there_are_none() -> None:
    planned = Machine(flat).plan()
    assert (planned.workers, planned.max_batch, planned.max_wait_s) == (3, 1, 0.0)
    assert planned.images_per_s == pytest.approx(1 / (0.004 * (1 + measure.DECODE_SHARE)))


def test_where_batches_pay_they_are_made_and_waited_for() -> None:
    planned = Machine(batched).plan(target_ms=500.0)
    assert planned.max_batch == 8
    assert 0 < planned.max_wait_s < 0.5 / 4


def test_a_batch_must_be_worth_its_wait() -> None:
    # 4 images are 4 % faster than 1: within the few percent that do not count.
    assert Machine(lambda n: 0.004 * n * (0.96 if n >= 4 else 1.0)).plan().max_batch == 1
    assert Machine(lambda n: 0.004 * n * (0.8 if n >= 4 else 1.0)).plan().max_batch == 4


def test_a_batch_must_fit_the_target() -> None:
    assert Machine(batched).plan(target_ms=30.0).max_batch == 2
    assert Machine(batched).plan(target_ms=1.0).max_batch == 1


def test_the_slowest_model_counts() -> None:
    assert Machine(lambda n: flat(n) / 10, flat).plan().images_per_s == pytest.approx(Machine(flat).plan().images_per_s)


def test_the_queue_is_what_can_be_answered_in_time_and_holds_a_request() -> None:
    assert Machine(flat).plan(target_ms=2000.0).queue == round(
        measure.QUEUE_SHARE * 2.0 / (0.004 * (1 + measure.DECODE_SHARE))
    )
    assert Machine(flat).plan(target_ms=10.0).queue == RequestLimits().images
    assert Machine(flat).plan(target_ms=10.0, max_images=7).queue == 7


def test_what_was_fixed_is_not_chosen() -> None:
    planned = Machine(batched).plan(max_batch=3, max_wait_ms=0.0, queue=5, workers=9)
    assert (planned.workers, planned.max_batch, planned.max_wait_s, planned.queue) == (9, 3, 0.0, 5)


def test_a_wait_that_was_asked_for_is_kept() -> None:
    assert Machine(flat).plan(max_batch=4, max_wait_ms=12.0).max_wait_s == pytest.approx(0.012)


def test_a_real_network_is_measured(kept: Path) -> None:
    planned = plan(Settings.of(ServeOptions(("b",))), [load(kept)])
    assert planned.max_batch in measure.SIZES
    assert planned.images_per_s is not None
    assert planned.images_per_s > 0
    assert planned.queue >= RequestLimits().images


def test_a_lone_image_runs_on_all_cores_and_gets_the_same_answer(kept: Path) -> None:
    predictor = load(kept, threads=2)
    assert predictor.is_wide
    assert not load(kept).is_wide
    pixels_NKHW = np.random.default_rng(0).random((1, 3, 8, 8), np.float32)
    for narrow, wide in zip(predictor.run_batch(pixels_NKHW), predictor.run_batch(pixels_NKHW, wide=True), strict=True):
        np.testing.assert_allclose(wide, narrow, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("wide_s", "expected"), [(0.5, True), (0.9, False)])
def test_widening_has_to_pay(wide_s: float, expected: bool) -> None:
    assert pays_to_widen(Widened(wide_s), lambda: Widened.now_s) is expected  # type: ignore[arg-type]  # all that is asked of one


def test_what_cannot_be_widened_is_not(kept: Path) -> None:
    assert not pays_to_widen(load(kept))


class Widened:
    """Stands for a predictor whose runs take a second, wide ones ``wide_s``, on a clock of its own."""

    now_s = 0.0
    is_wide = True

    def __init__(self, wide_s: float) -> None:
        self._wide_s = wide_s
        self.manifest = load(Path(__file__).parent.parent / "bundles" / "v1").manifest

    def run_batch(self, pixels_NKHW: object, *, wide: bool) -> None:
        del pixels_NKHW
        Widened.now_s += self._wide_s if wide else 1.0
