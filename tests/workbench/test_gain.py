"""The gain of a session, and the prospects of going on."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from made import classes, cloud, made

from drivetrain.data.edits.edit import Fate, Standing
from drivetrain.workbench.board import Board
from drivetrain.workbench.gain import Gain, NoGain, changed_rows, compared, gain_of, one_of_each
from drivetrain.workbench.merit import Merit
from drivetrain.workbench.prospects import Prospecting, Prospects, drawn_means, nested, prospecting
from drivetrain.workbench.ranking import Ranking
from drivetrain.workbench.refit import Refitter
from drivetrain.workbench.situation import Situation
from drivetrain.workbench.survey import Survey
from drivetrain.workbench.suspecting import suspects_of

SHARE = Merit("accuracy", is_share=True)


def situation_of(board: Board, changes: dict[int, Standing]) -> Situation:
    situation = Situation(board, {})
    object.__setattr__(situation, "standings", tuple(changes.get(row, one) for row, one in enumerate(board.lying)))
    object.__setattr__(situation, "standing", lambda row: situation.standings[row])
    return situation


def rankings(lying: Survey, changes: dict[int, Standing]) -> tuple[Ranking, Ranking, Refitter]:
    board = Board.of(lying)
    refitter = Refitter(lying, board)
    first = Ranking(1, refitter.refit(board.lying), Situation(board, {}), suspects_of(lying))
    situation = situation_of(board, changes)
    survey = refitter.refit(situation.standings)
    return first, Ranking(2, survey, situation, suspects_of(survey)), refitter


def right(ranking: Ranking, rows: Iterable[int]) -> np.ndarray:
    """1 for each answer that is the label of now."""
    judged = ranking.survey.judged
    assert judged is not None
    return np.asarray([float(judged.answers_JO[row].argmax() == judged.targets.values[row]) for row in rows])


def test_only_items_with_the_label_they_had_are_compared() -> None:
    lying, wrong, truth = classes(400, wrong=60)
    first, now, _ = rankings(lying, {row: Standing(truth[row], Fate.KEPT) for row in wrong})
    found = gain_of(first, now, SHARE)
    assert isinstance(found, Gain)
    assert found.groups == 400 - 60
    others = [row for row in range(400) if row not in wrong]
    assert found.before.value == pytest.approx(right(first, others).mean())
    assert found.after.value == pytest.approx(right(now, others).mean())
    assert found.difference.value == pytest.approx(found.after.value - found.before.value)
    assert found.difference.low <= found.difference.value <= found.difference.high
    assert found.difference.value > 0  # a seventh of the labels was wrong


def test_labels_put_to_what_the_model_says_gain_nothing_by_themselves() -> None:
    """The edited ones would all be right; the others' answers hardly change."""
    lying, _, _ = classes(400, wrong=0, spread=1.2)
    assert lying.judged is not None
    said = lying.judged.answers_JO.argmax(axis=1)
    yielding = np.flatnonzero(said != lying.sample.targets.values)
    assert len(yielding) > 20
    first, now, _ = rankings(
        lying, {row: Standing(lying.sample.targets.names[said[row]], Fate.KEPT) for row in yielding}
    )
    claimed = compared(right(first, range(400)), right(now, range(400)), SHARE)
    assert claimed.difference.low > 0  # as if the edited ones counted
    honest = gain_of(first, now, SHARE)
    assert isinstance(honest, Gain)
    assert honest.groups == 400 - len(yielding)
    assert honest.difference.value <= 0


def test_items_that_were_looked_at_and_kept_count() -> None:
    """Doubted ones that are right have to: without them the first model would be right by selection."""
    lying, wrong, truth = classes(600, wrong=90, spread=0.9)
    first = rankings(lying, {})[0]
    doubted = set(first.by_row)
    assert len(doubted) > 120
    first, now, _ = rankings(lying, {row: Standing(truth[row], Fate.KEPT) for row in doubted})
    kept = gain_of(first, now, SHARE)
    assert isinstance(kept, Gain)
    changed = changed_rows(first.situation, now.situation)
    assert changed == doubted & set(wrong)
    assert kept.groups == 600 - len(changed)
    assert kept.difference.low > 0
    never_looked_at = [row for row in range(600) if row not in doubted]
    assert right(first, never_looked_at).mean() > 0.99


def test_one_item_of_each_group_counts() -> None:
    assert one_of_each(np.asarray([2, 3, 5, 6]), np.asarray([0, 0, 7, 8, 8, 7, 9])) == [2, 3, 6]


def test_where_nothing_can_be_said_the_reason_is() -> None:
    lying, _, _ = classes(100, wrong=4)
    first, now, _ = rankings(lying, {row: Standing("elk", Fate.REMOVED) for row in range(90)})
    assert isinstance(gain_of(first, first, SHARE), NoGain)
    few = gain_of(first, now, SHARE)
    assert isinstance(few, NoGain)
    assert few.sentence.startswith("10 independent items")


def test_losses_are_compared_by_their_mean() -> None:
    rng = np.random.default_rng(0)
    before = rng.gamma(2.0, size=500)
    found = compared(before, before - 0.3 + 0.1 * rng.normal(size=500), Merit("squared error", is_share=False))
    assert found.difference.low < -0.3 < found.difference.high < 0
    assert found.difference.high - found.difference.low < 0.03


def test_parts_are_nested_whole_groups_and_hold_their_share_of_every_stratum() -> None:
    groups = np.repeat(np.arange(200), 2)
    strata = np.repeat(np.arange(200) % 4, 2)
    place = nested(groups, strata, 0)
    assert (place[::2] == place[1::2]).all()
    for share in (0.125, 0.5):
        counts = np.bincount(strata[place <= share])
        assert counts.tolist() == [int(100 * share) // 2 * 2] * 4
    assert (place <= 1).all()
    assert not (nested(groups, strata, 1) == place).all()


def test_groups_are_drawn_for_all_sizes_at_once() -> None:
    values = np.stack([np.arange(6.0), np.arange(6.0)])
    drawn = drawn_means(values, np.asarray([0, 0, 1, 1, 2, 2]), 50, 0)
    assert drawn.shape == (50, 2)
    assert (drawn[:, 0] == drawn[:, 1]).all()
    assert np.unique(drawn).size > 3


def prospects_of(lying: Survey, changes: dict[int, Standing]) -> Prospects:
    _, now, refitter = rankings(lying, changes)
    work: Prospecting = prospecting(refitter, now, SHARE)
    for _ in work.steps():
        assert work.found is None
    assert work.found is not None
    return work.found


def test_a_curve_rises_with_the_items_learned_of() -> None:
    lying, _, _ = classes(600, wrong=90, spread=0.9)
    found = prospects_of(lying, {})
    assert [point.n for point in found.points] == sorted(point.n for point in found.points)
    assert found.points[-1].n == 480
    assert found.points[0].figure.value < found.points[-1].figure.value
    assert found.more is not None
    assert found.more.low <= found.more.change <= found.more.high
    assert found.more.change >= 0


def test_a_small_set_has_no_curve() -> None:
    lying, _, _ = classes(60, wrong=2)
    assert prospects_of(lying, {}).points == ()


def test_what_more_labels_bring_is_told_about_right() -> None:
    """Read from the curve of two hundred, and measured on five thousand fresh items with fifty more: means over ten sets."""
    told, truly, ranges = [], [], []
    for seed in range(10):
        features, truth = cloud(5250, 4, seed=seed, spread=1.1)
        names = [f"c{one}" for one in truth]
        more = prospects_of(made(features[:200], names[:200]), {}).more
        assert more is not None
        told.append(more.change)
        ranges.append((more.low, more.high))
        truly.append(fresh(features, names, 250) - fresh(features, names, 200))
    assert np.mean(truly) / 2 < np.mean(told) < np.mean(truly) * 2
    low, high = np.mean(ranges, axis=0)
    assert low < np.mean(truly) < high


def fresh(features: np.ndarray, names: list[str], n: int) -> float:
    """The accuracy of a head that learned of the first n on five thousand items."""
    lying = made(features[:n], names[:n])
    assert lying.fitted is not None
    said = lying.fitted.head.logits(features[250:]).argmax(axis=1)
    return float(
        np.mean([lying.sample.targets.names[one] == name for one, name in zip(said, names[250:], strict=True)])
    )
