"""The sheet of blind adjudications: nothing tells whose answer is whose, and what was filled in is read back."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest
from past_world import LABELS, World

from drivetrain.core.case import ModelAnswer
from drivetrain.core.errors import DataError
from drivetrain.rollout.backtest.past import PastLog
from drivetrain.rollout.backtest.queue import SHEET, Drawn, draw, read_back, sheet
from drivetrain.rollout.backtest.suppositions import discordant
from drivetrain.rollout.backtest.table import read_table


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> PastLog:
    path = tmp_path_factory.mktemp("past") / "cases.csv"
    return read_table(World(cases=3000, outcomes=False).write(path), ["site"])


@pytest.fixture(scope="module")
def answers(past: PastLog) -> dict[str, ModelAnswer]:
    rows = {row["key"]: row for row in World(cases=3000, outcomes=False)}
    return {
        one.case.id: ModelAnswer(rows[one.case.key]["answer"], 0.9, None, True, True, 0.0, "b" * 16)
        for one in past.cases
    }


def test_the_draw_is_random_among_those_that_differ(past: PastLog, answers: dict[str, ModelAnswer]) -> None:
    drawn = draw(past.cases, [answers], 100, 0)
    assert len({one.case.case.id for one in drawn}) == 100
    assert all(discordant(one.case, answers[one.case.case.id]) for one in drawn)
    assert draw(past.cases, [answers], 100, 0) == drawn
    assert draw(past.cases, [answers], 40, 0) == drawn[:40]
    assert draw(past.cases, [answers], 100, 1) != drawn
    halves = Counter(one.case.order > past.cases[1500].order for one in drawn)
    assert 30 <= halves[True] <= 70


def test_the_order_of_answers_says_nothing(past: PastLog, answers: dict[str, ModelAnswer]) -> None:
    drawn = draw(past.cases, [answers], 10_000, 0)
    first = sum(one.first == answers[one.case.case.id].label for one in drawn)
    assert len(drawn) > 200
    # 99.9 % of fair coins.
    assert abs(first - len(drawn) / 2) < 3.3 * (len(drawn) / 4) ** 0.5


def test_the_sheet_names_no_case(past: PastLog, answers: dict[str, ModelAnswer]) -> None:
    drawn = draw(past.cases, [answers], 50, 0)
    text = sheet(drawn, {})
    for one in drawn:
        assert one.case.case.id not in text
        assert f"{one.case.case.key}," not in text
    head = text.splitlines()[0].split(",")
    assert head[:6] == ["number", "case", "picture", "first", "second", "right"]
    assert "confidence" not in head
    assert "answer" not in head


def fill(folder: Path, drawn: tuple[Drawn, ...], rights: list[str]) -> Path:
    path = folder / SHEET
    rows = list(csv.reader(sheet(drawn, {}).splitlines()))
    for row, right in zip(rows[1:], rights, strict=True):
        row[5] = right
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def test_what_was_filled_in_is_read_back(past: PastLog, answers: dict[str, ModelAnswer], tmp_path: Path) -> None:
    drawn = draw(past.cases, [answers], 4, 0)
    path = fill(tmp_path, drawn, ["first", "second", "dim", "?"])
    told = read_back(path, drawn, LABELS)
    ids = [one.case.case.id for one in drawn]
    assert [told[name] for name in ids] == [drawn[0].first, drawn[1].second, "dim", None]


@pytest.mark.parametrize(
    ("rights", "said"),
    [
        (["first", "", "", "first"], "2 of 4 cases are not adjudicated yet (first: queue.csv, line 3)"),
        (["first", "third", "first", "first"], "right is 'third'; write first, second, one of bright, dark, dim, or ?"),
    ],
)
def test_what_cannot_be_read_back_is_refused(
    past: PastLog, answers: dict[str, ModelAnswer], tmp_path: Path, rights: list[str], said: str
) -> None:
    drawn = draw(past.cases, [answers], 4, 0)
    with pytest.raises(DataError) as refused:
        read_back(fill(tmp_path, drawn, rights), drawn, LABELS)
    assert said in str(refused.value)


def test_another_logs_sheet_is_refused(past: PastLog, answers: dict[str, ModelAnswer], tmp_path: Path) -> None:
    path = fill(tmp_path, draw(past.cases, [answers], 4, 1), ["first"] * 4)
    with pytest.raises(DataError, match=r"lacks \d of 4 cases drawn from this log"):
        read_back(path, draw(past.cases, [answers], 4, 0), LABELS)


def test_of_several_bundles_each_that_differs_may_be_shown(past: PastLog, answers: dict[str, ModelAnswer]) -> None:
    others = {name: ModelAnswer("dim", 0.9, None, True, True, 0.0, "c" * 16) for name in answers}
    drawn = draw(past.cases, [answers, others], 10_000, 0)
    shown = Counter(
        {True: 0, False: 0}
        | Counter(
            "dim" in (one.first, one.second)
            for one in drawn
            if answers[one.case.case.id].label not in ("dim", one.case.people) and one.case.people != "dim"
        )
    )
    assert shown[True] > 30
    assert shown[False] > 30
