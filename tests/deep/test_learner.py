"""Training: it learns, it is the same for a seed, it can be stopped in every way and goes on to the bit."""

import dataclasses
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import MILD, Loaders, Photos, TinyBatch, TinyNetwork, same, tiny_learner, weights

from drivetrain.core.errors import DataError, UsageError, WeightsError
from drivetrain.core.ports import Advance
from drivetrain.learn.deep.checkpoint import FILE
from drivetrain.learn.deep.feed import Fed
from drivetrain.learn.deep.headed import HeadedNetwork
from drivetrain.learn.deep.learner import Learner
from drivetrain.learn.deep.network import Activation
from drivetrain.learn.deep.objective import MULTI_LABEL, REGRESSION, SINGLE_LABEL, SQUARED_REGRESSION, Objective
from drivetrain.learn.deep.recorder import Recorder
from drivetrain.learn.deep.run import DivergedError
from drivetrain.learn.deep.stepper import MemoryFullError, Options, Stepper


@pytest.mark.parametrize(
    ("objective", "kind", "metric", "at_least"),
    [
        (SINGLE_LABEL, "single", "accuracy", 0.9),
        (MULTI_LABEL, "multi", "label accuracy", 0.9),
        (REGRESSION, "number", "mean error", -0.25),
        (SQUARED_REGRESSION, "number", "mean error", -0.25),
    ],
    ids=["single", "multi", "smooth l1", "squared"],
)
def test_it_learns(objective: Objective, kind: str, metric: str, at_least: float) -> None:
    loaders = Loaders(Photos(48, kind=kind), Photos(24, first_row=1000, shuffle=False, kind=kind))
    learner = tiny_learner(loaders=loaders, objective=objective)
    before = learner.validate().loss
    learner.fine_tune(10, base_lr=2e-2)
    last = learner.recorder.epochs[-1]
    assert len(learner.recorder.epochs) == 11
    assert last.valid_loss < 0.6 * before
    figure = last.metrics[metric]
    assert (figure if at_least > 0 else -figure) >= at_least
    assert learner.validate().loss == pytest.approx(last.valid_loss, abs=1e-6)


@pytest.mark.parametrize(
    ("objective", "kind"),
    [(SINGLE_LABEL, "single"), (MULTI_LABEL, "multi"), (REGRESSION, "number")],
    ids=["single", "multi", "number"],
)
def test_an_item_counts_its_weight(objective: Objective, kind: str) -> None:
    """Gradients by hand: the sum over the items, each alone and times its weight, over their number."""
    n_outputs = 1 if kind == "number" else 3
    model = HeadedNetwork(TinyNetwork(), n_outputs, seed=2)
    batch = next(Photos(6, 6, kind=kind, shuffle=False).batches(0))
    inputs, device = torch.from_numpy(batch.x).float() / 255, torch.device("cpu")
    weight_N = torch.tensor([3.0, 0.0, 1.0, 0.5, 0.5, 1.0])
    rates = tuple(1e-3 for _ in model.groups())
    one = Stepper(model, objective, Options(), device, rates, weights=torch.cat([weight_N, torch.full((4,), 99.0)]))
    loss, _ = one.backward(Fed(inputs, batch.y, batch.rows), 1.0)
    found = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
    model.zero_grad()
    plain, total = Stepper(model, objective, Options(), device, rates), 0.0
    for row in range(6):
        alone = Fed(inputs[row : row + 1], batch.y[row : row + 1], batch.rows[row : row + 1])
        own, _ = plain.backward(alone, float(weight_N[row]) / 6)
        total += float(own) * float(weight_N[row]) / 6
    assert float(loss) == pytest.approx(total, rel=1e-5)
    expected = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert len(found) == len(expected) > 0
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)


def test_weights_of_one_change_nothing_and_others_do() -> None:
    runs = []
    for weighing in (None, np.ones(24, np.float32), np.linspace(0.1, 1.9, 24).astype(np.float32)):
        learner = tiny_learner(Options(seed=3), weights=weighing)
        learner.fit_one_cycle(2, 1e-2)
        runs.append(weights(learner))
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])


def test_it_is_the_same_for_a_seed_and_another_for_another() -> None:
    runs = []
    for seed in (3, 3, 4):
        torch.manual_seed(len(runs))  # the global state must not matter
        learner = tiny_learner(Options(seed=seed))
        learner.fit_one_cycle(2, 1e-2)
        runs.append((weights(learner), learner.recorder.losses))
    assert same(runs[0][0], runs[1][0])
    assert runs[0][1] == runs[1][1]
    assert not same(runs[0][0], runs[2][0])


def test_averaged_weights_are_the_mean_over_the_later_steps_and_what_is_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stepped: list[dict[str, torch.Tensor]] = []
    update = Stepper.update

    def noted(stepper: Stepper, factor: float, momentum: float) -> None:
        update(stepper, factor, momentum)
        stepped.append({name: tensor.clone() for name, tensor in stepper.model.state_dict().items()})

    monkeypatch.setattr(Stepper, "update", noted)
    plain, averaged = tiny_learner(Options(seed=3)), tiny_learner(Options(seed=3, swa=0.4))
    plain.fine_tune(2, base_lr=1e-2, freeze_epochs=1)
    stepped.clear()
    averaged.fine_tune(2, base_lr=1e-2, freeze_epochs=1)
    steps = len(stepped) // 3 * 2
    later = stepped[-steps:][int(np.ceil(0.4 * steps)) :]
    assert 1 < len(later) < steps
    found = weights(averaged)
    for name, tensor in found.items():
        expected = torch.stack([step[name].double() for step in later]).mean(0).to(tensor.dtype)
        torch.testing.assert_close(tensor, expected, atol=1e-6, rtol=1e-5)
    # Averaging looks on: the steps themselves are those of a run without it.
    assert same(stepped[-1], weights(plain))
    assert not same(found, weights(plain))
    assert averaged.validate().loss == pytest.approx(averaged.recorder.epochs[-1].valid_loss, abs=1e-6)
    with pytest.raises(UsageError, match=r"swa is 1\.5; it must be a share of the steps"):
        Options(swa=1.5)


def test_global_randomness_is_left_alone() -> None:
    state = torch.get_rng_state()
    tiny_learner().fit_one_cycle(1)
    assert torch.equal(torch.get_rng_state(), state)


def test_frozen_groups_and_statistics_stay_and_the_others_move() -> None:
    learner = tiny_learner()
    for group, moving in ((-1, {"weight_CD", "bias_C"}), (2, {"stages.2", "weight_CD", "bias_C"})):
        before = weights(learner)
        learner.freeze_to(group)
        learner.fit_one_cycle(1, 1e-2)
        after = weights(learner)
        moved = {name for name in before if not torch.equal(before[name], after[name])}
        assert moved
        assert all(any(part in name for part in moving) for name in moved)
        assert not any("running" in name or "num_batches" in name for name in moved)
    learner.unfreeze()
    before = weights(learner)
    learner.fit_one_cycle(1, 1e-2)
    assert not torch.equal(before["network.stages.0.1.weight"], weights(learner)["network.stages.0.1.weight"])
    with pytest.raises(UsageError, match="there are 4 groups; cannot freeze to 4"):
        learner.freeze_to(4)


def test_early_groups_move_less_under_discriminative_rates() -> None:
    learner = tiny_learner(Options(weight_decay=0))
    before = weights(learner)
    learner.fit_one_cycle(1, slice(1e-5, 1e-2))
    after = weights(learner)
    moves = [float((after[n] - before[n]).abs().mean()) for n in
             ("network.stages.0.1.weight", "network.stages.1.1.weight", "network.stages.2.1.weight", "weight_CD")]  # fmt: skip
    assert all(b > 3 * a for a, b in pairwise(moves))


def test_fine_tune_follows_the_published_schedule() -> None:
    """One frozen epoch at the base rate (peak near its end), then half of it with a peak at 30 %."""
    learner = tiny_learner(loaders=Loaders(Photos(80, 8)))
    learner.fine_tune(2, base_lr=1e-2)
    rates = learner.recorder.rates
    assert len(rates) == 30
    assert max(rates[:10]) == pytest.approx(1e-2, rel=0.05)
    assert int(np.argmax(rates[:10])) == 9
    assert max(rates[10:]) == pytest.approx(5e-3)
    assert int(np.argmax(rates[10:])) == 6
    assert rates[10] == pytest.approx(5e-3 / 5)


def test_a_fitted_head_needs_no_frozen_epoch() -> None:
    fresh, fitted = tiny_learner(), tiny_learner()
    fitted.model.fitted = True
    fresh.fine_tune(1)
    fitted.fine_tune(1)
    assert (len(fresh.recorder.epochs), len(fitted.recorder.epochs)) == (2, 1)


def test_accumulated_batches_are_one_large_batch() -> None:
    """Without dropout, whose noise differs; five batches in steps of two leave one over."""
    found = []
    for batch_size, accumulate in ((8, 1), (4, 2)):
        loaders = Loaders(Photos(36, batch_size, shuffle=False))
        learner = tiny_learner(Options(accumulate=accumulate), loaders)
        learner.model.network.stages[2][0].p = 0.0
        learner.fit_one_cycle(2, 1e-3)
        found.append(weights(learner))
    for name, value in found[0].items():
        torch.testing.assert_close(found[1][name], value, atol=2e-5, rtol=1e-4)


def test_early_stopping_goes_back_to_the_best() -> None:
    loaders = Loaders(Photos(16), Photos(16, first_row=2000, shuffle=False))
    learner = tiny_learner(Options(patience=2), loaders)
    learner.fit_one_cycle(60, 0.3)
    losses = [epoch.valid_loss for epoch in learner.recorder.epochs]
    assert len(losses) < 60
    assert int(np.argmin(losses)) == len(losses) - 3
    assert learner.validate().loss == pytest.approx(min(losses), abs=1e-6)


@dataclasses.dataclass(frozen=True)
class Poisoned(Photos):
    """Targets of one row are not numbers."""

    row: int = 13

    def batches(self, epoch: int, start: int = 0) -> Iterator[TinyBatch]:
        for batch in super().batches(epoch, start):
            y = np.where(batch.rows == self.row, np.nan, batch.y) if epoch == 1 else batch.y
            yield TinyBatch(batch.x, y, batch.rows)


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_weights() -> None:
    loaders = Loaders(Poisoned(kind="number"), Photos(8, first_row=1000, kind="number"))
    learner = tiny_learner(loaders=loaders, objective=REGRESSION)
    sound = tiny_learner(loaders=Loaders(Photos(kind="number"), loaders.valid), objective=REGRESSION)
    order = np.random.default_rng((1, 1)).permutation(24)
    number = int(np.flatnonzero(order == 13)[0]) // 8
    with pytest.raises(
        DivergedError, match=rf"nan in batch {number} of epoch 1 \(rows {order[number * 8]}, .*lower rate"
    ):
        learner.fit_one_cycle(3, 1e-2)
    with pytest.raises(KeyboardInterrupt):
        _interrupted(sound, after_epochs=1)
    assert same(weights(learner), weights(sound))
    assert np.isfinite(learner.validate().outputs_NC).all()


def _interrupted(learner: Learner, after_epochs: int) -> None:
    learner._progress = CtrlC(after_epochs * len(learner.loaders.train))
    learner.fit_one_cycle(3, 1e-2)


class CtrlC:
    """A person who presses Ctrl-C when a number of batches has been shown."""

    def __init__(self, after: int) -> None:
        self.left = after
        self.lines: list[str] = []
        self.notes: list[str] = []
        self.figures: list[tuple[str, str]] = []

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:  # noqa: ARG002
        if self.left == 0:
            self.left = -1
            signal.raise_signal(signal.SIGINT)

        def advance(_count: int, note: str = "") -> None:
            self.left -= 1
            self.notes.append(note)

        yield advance

    def say(self, line: str) -> None:
        self.lines.append(line)

    def figure(self, name: str, svg: str) -> None:
        self.figures.append((name, svg))


def test_ctrl_c_leaves_a_learner_that_can_be_used_and_trained() -> None:
    learner = tiny_learner()
    with pytest.raises(KeyboardInterrupt):
        _interrupted(learner, after_epochs=2)
    assert len(learner.recorder.epochs) == 2
    assert not learner.model.training
    assert all(parameter.grad is None for parameter in learner.model.parameters())
    assert np.isfinite(learner.validate().outputs_NC).all()
    learner.fit_one_cycle(1)
    assert [epoch.epoch for epoch in learner.recorder.epochs] == [0, 1, 2]


class Hungry(TinyNetwork):
    """Asks for 4 TB as soon as a batch has more than five images."""

    def run_stage(self, activation: Activation) -> Activation:
        if len(activation) > 5 and self.training:
            torch.empty(2**42, dtype=torch.uint8).fill_(1)
        return super().run_stage(activation)


class Starving(TinyNetwork):
    def run_stage(self, activation: Activation) -> Activation:
        if self.training:
            torch.empty(2**47)
        return super().run_stage(activation)


def test_out_of_memory_says_what_fits_and_leaves_the_weights() -> None:
    learner = Learner(Loaders(Photos(20, 10)), HeadedNetwork(Hungry(), 3), augment=MILD)
    before = weights(learner)
    with pytest.raises(MemoryFullError, match=r"batch of 10 .* memory of cpu; 5 fit: .* 5, with accumulate=2"):
        learner.fit_one_cycle(1)
    assert same(weights(learner), before)
    assert learner.validate().outputs_NC.shape == (12, 3)
    with pytest.raises(MemoryFullError, match="neither does one image"):
        Learner(Loaders(), HeadedNetwork(Starving(), 3)).fit_one_cycle(1)


def test_lr_find_suggests_a_rate_and_changes_nothing() -> None:
    learner = tiny_learner()
    before, state = weights(learner), torch.get_rng_state()
    found = learner.lr_find()
    assert same(weights(learner), before)
    assert torch.equal(torch.get_rng_state(), state)
    assert 1e-5 < found.suggestion < 1
    assert min(found.losses) < found.losses[0]
    assert found.rates == learner.lr_find().rates
    assert not learner.recorder.losses


def test_progress_is_told() -> None:
    progress = CtrlC(10**6)
    learner = tiny_learner()
    learner._progress = progress
    learner.fit_one_cycle(2)
    assert [line.split(":")[0] for line in progress.lines] == ["epoch 1/2", "epoch 2/2"]
    assert "accuracy" in progress.lines[0]


def test_loss_and_rate_are_shown_on_the_way_and_drawn_after_each_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    progress, learner = CtrlC(10**6), tiny_learner()
    learner._progress = progress
    learner.fit_one_cycle(2)
    losses, rates = learner.recorder.losses, learner.recorder.rates
    assert len(progress.notes) == len(losses) == 6
    assert progress.notes[0] == f"loss {losses[0]:.3f}, rate {rates[0]:.1e}"
    assert progress.notes[-1] == f"loss {learner.recorder.smoothed()[-1]:.3f}, rate {rates[-1]:.1e}"
    # One at the first batch, then after each epoch: the batches take far less than what lies between two figures.
    assert [name for name, _ in progress.figures] == ["loss"] * 3
    assert progress.figures[-1][1] == learner.recorder.plot()
    assert [record.steps for record in learner.recorder.epochs] == [3, 6]
    monkeypatch.setattr("drivetrain.learn.deep.run.FIGURE_EVERY_S", 0.0)
    learner.fit_one_cycle(1)
    assert len(progress.figures) == 3 + 3 + 1


def test_a_long_run_is_drawn_in_a_few_hundred_points() -> None:
    recorder = Recorder([1 / (1 + step) for step in range(20_000)], [0.1] * 20_000)
    [points] = re.findall('points="([^"]*)"', recorder.plot())
    assert 400 < len(points.split()) <= 500
    assert recorder.note().startswith(f"loss {recorder.smoothed()[-1]:.3f}, ")


@dataclasses.dataclass(frozen=True)
class Deadly(Photos):
    """Kills the process, as a power cut would, at one batch of one epoch."""

    deadly: tuple[int, int] = (-1, -1)

    def batches(self, epoch: int, start: int = 0) -> Iterator[TinyBatch]:
        for number, batch in enumerate(super().batches(epoch, start), start):
            if (epoch, number) == self.deadly:
                os.kill(os.getpid(), signal.SIGKILL)
            yield batch


def watched_run(folder: Path, swa: float | None, deadly: tuple[int, int] = (-1, -1)) -> Learner:
    """A frozen epoch and two others, nine batches each in steps of two, on from where it was."""
    patience = 5 if swa is None else None
    options = Options(checkpoints=folder, checkpoint_steps=1, accumulate=2, patience=patience, swa=swa)
    learner = tiny_learner(options, Loaders(Deadly(72, 8, deadly=deadly)))
    learner.fine_tune(2, base_lr=1e-2, resume=True)
    return learner


RUN = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
from test_learner import watched_run
watched_run(Path(sys.argv[2]), float(sys.argv[3]) if sys.argv[3] else None, (int(sys.argv[4]), int(sys.argv[5])))
"""


@pytest.mark.parametrize("swa", [None, 0.4])
def test_a_killed_run_goes_on_to_the_same_weights_to_the_bit(tmp_path: Path, swa: float | None) -> None:
    """Killed before the first checkpoint of the second phase, then in the middle of the last epoch."""
    whole = watched_run(tmp_path / "whole", swa)
    for deadly in ("1 1", "2 7"):
        folders = [str(Path(__file__).parent), str(tmp_path / "killed")]
        command = [sys.executable, "-c", RUN, *folders, str(swa or ""), *deadly.split()]
        assert subprocess.run(command, check=False, timeout=300).returncode == -signal.SIGKILL
    resumed = watched_run(tmp_path / "killed", swa)
    assert same(weights(resumed), weights(whole))
    assert resumed.recorder.losses == whole.recorder.losses
    assert resumed.recorder.rates == whole.recorder.rates
    assert len(resumed.recorder.losses) == 27


def test_a_finished_run_resumed_is_finished(tmp_path: Path) -> None:
    first, second = (tiny_learner(Options(checkpoints=tmp_path)) for _ in range(2))
    first.fit_one_cycle(2, 1e-2)
    second.fit_one_cycle(2, 1e-2, resume=True)
    assert same(weights(first), weights(second))
    assert second.recorder == first.recorder
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    tiny_learner(Options(checkpoints=tmp_path)).fit_one_cycle(1)
    with pytest.raises(UsageError, match="of another run: its seed is 0, now it is 1"):
        tiny_learner(Options(checkpoints=tmp_path, seed=1)).fit_one_cycle(1, resume=True)
    with pytest.raises(UsageError, match="nothing to resume from"):
        tiny_learner().fit_one_cycle(1, resume=True)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    tiny_learner(Options(checkpoints=tmp_path)).fit_one_cycle(1)
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="is damaged"):
        tiny_learner(Options(checkpoints=tmp_path)).fit_one_cycle(1, resume=True)


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_precision_is_what_was_asked_for(precision: str) -> None:
    plain, asked = tiny_learner(), tiny_learner(Options(precision=precision))
    plain.fit_one_cycle(2, 1e-2)
    asked.fit_one_cycle(2, 1e-2)
    assert same(weights(plain), weights(asked)) == (precision == "fp32")
    assert asked.recorder.losses == pytest.approx(plain.recorder.losses, rel=0.05)


def test_gradients_are_clipped_together() -> None:
    """A clip so small that Adam's ε swallows the step."""
    moves = []
    for clip in (None, 1e-9):
        learner = tiny_learner(Options(clip=clip, weight_decay=0))
        before = weights(learner)
        learner.fit_one_cycle(1, 1e-2)
        moves.append(max(float((after - before[n]).abs().max()) for n, after in weights(learner).items()))
    assert moves[0] > 1e-3
    assert moves[1] < 1e-4


def test_last_stages_are_trained_on_activations_as_on_images() -> None:
    """One view, no augmentation, no dropout: the activations carry half precision, so the two runs stay close."""
    found = []
    for cached in (False, True):
        loaders = Loaders(Photos(24, 24, shuffle=False))
        learner = Learner(loaders, HeadedNetwork(TinyNetwork(), 3), augment=dataclasses.replace(MILD, p_affine=0))
        learner.transform.augment = dataclasses.replace(MILD, flip=False, rotate=0, lighting=0)
        learner.model.network.stages[2][0].p = 0.0
        learner.freeze_to(2)
        if cached:
            learner.fit_last_stages(4, 1e-2, stages=1, views=1)
        else:
            learner.fit_one_cycle(4, 1e-2)
        found.append((weights(learner), learner.recorder.losses))
    assert found[1][1] == pytest.approx(found[0][1], rel=2e-3)
    assert torch.equal(found[0][0]["network.stages.1.1.weight"], found[1][0]["network.stages.1.1.weight"])
    torch.testing.assert_close(found[1][0]["weight_CD"], found[0][0]["weight_CD"], atol=2e-3, rtol=0)


def test_without_views_it_is_training_with_the_first_stages_frozen() -> None:
    cut, whole = tiny_learner(), tiny_learner()
    cut.fit_last_stages(3, slice(1e-3, 1e-2), stages=1)
    whole.freeze_to(2)
    whole.fit_one_cycle(3, slice(1e-3, 1e-2))
    theirs = whole.model.state_dict()
    for name, tensor in cut.model.state_dict().items():
        torch.testing.assert_close(tensor, theirs[name], atol=1e-6, rtol=1e-5)
    assert cut.recorder.losses == pytest.approx(whole.recorder.losses, abs=1e-5)
    assert cut.recorder.epochs[-1].valid_loss == pytest.approx(whole.recorder.epochs[-1].valid_loss, abs=1e-5)
    assert not torch.equal(theirs["weight_CD"], tiny_learner().model.state_dict()["weight_CD"])


def test_views_are_used_in_turn_and_frozen_stages_run_once_a_view() -> None:
    learner = tiny_learner()
    runs = []
    learner.model.network.stages[0].register_forward_hook(lambda *_: runs.append(1))
    learner.fit_last_stages(6, 1e-2, stages=1, views=2)
    assert len(runs) == 2 * 3 + 2  # training batches twice, validation batches once
    assert len(learner.recorder.epochs) == 6
    assert learner.recorder.epochs[-1].train_loss < learner.recorder.epochs[0].train_loss


def test_stages_that_are_not_there_are_refused() -> None:
    with pytest.raises(UsageError, match="tiny has 3 stages; cannot train its last 4"):
        tiny_learner().fit_last_stages(1, stages=4)


def test_items_without_a_target_are_named() -> None:
    @dataclasses.dataclass(frozen=True)
    class Bare(Photos):
        def batches(self, epoch: int, start: int = 0) -> Iterator[TinyBatch]:
            for batch in super().batches(epoch, start):
                yield TinyBatch(batch.x, None, batch.rows)

    with pytest.raises(DataError, match="have no target"):
        tiny_learner(loaders=Loaders(Bare())).fit_one_cycle(1)


def test_without_validation_items_there_is_no_figure_for_them() -> None:
    learner = tiny_learner(loaders=Loaders(Photos(), Photos(0)))
    learner.fit_one_cycle(1)
    assert np.isnan(learner.recorder.epochs[0].valid_loss)
    with pytest.raises(DataError, match="not one training batch"):
        tiny_learner(loaders=Loaders(Photos(0))).fit_one_cycle(1)
