"""The options of a training run have one definition: everything else that names them is proved equal to it here."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import drivetrain as dt
from drivetrain.core.errors import UsageError
from drivetrain.core.option import Row
from drivetrain.learn.target_options import TargetOptions
from drivetrain.model.kinds.tasks import TASKS, tasks_with
from drivetrain.training.choices import Choices, options_of
from drivetrain.training.options import TrainOptions, Tuning, table

# Python takes more for some types than the table keeps.
WIDER: dict[Any, Any] = {Path: str | PathLike[str], tuple[str, ...]: Sequence[str]}


def test_keyword_arguments_for_type_checkers_are_those_of_the_table() -> None:
    # A missing row is added to `Choices` by name and type; nothing else is to be done for a new option.
    assert get_type_hints(Choices) == {row.name: WIDER.get(row.type, row.type) | None for row in table()}
    assert not Choices.__required_keys__


def test_help_and_notebooks_see_every_choice() -> None:
    parameters = inspect.signature(dt.train).parameters
    assert list(parameters) == ["source", "out", "settings", "block", "progress", *(row.name for row in table())]
    assert (parameters["backbone"].default, parameters["gallery"].default) == ("auto", 300)
    assert (parameters["accept"].default, parameters["deep"].default) == (None, False)
    assert parameters["task"].default is None  # a block may say it
    text = inspect.getdoc(dt.train) or ""
    described = re.findall(r"^    (\w+): ", text.partition("Raises:")[0], re.MULTILINE)
    assert described[-len(table()) :] == [row.name for row in table()]
    assert "choices:" not in text
    assert "{default}" not in text
    assert "0.9 by default" in text


@pytest.mark.parametrize("row", table(), ids=lambda row: row.name)
def test_every_row_says_what_it_is_for_and_has_a_default_that_may_be_chosen(row: Row) -> None:
    assert len(row.option.about.split()) >= 3
    assert not row.option.help or row.option.help[-1] == "."
    only = tasks_with(row.name)
    beside = {**({"task": only[0]} if only else {}), **({row.needs: True} if row.needs else {})}
    assert options_of({row.name: row.default, **beside}) == options_of(beside)


def test_no_two_rows_have_one_name() -> None:
    names, flags = [row.name for row in table()], [row.flag for row in table()]
    assert len(set(names)) == len(names)
    assert len(set(flags)) == len(flags)


def test_what_was_given_is_in_the_options() -> None:
    assert options_of({}) == TrainOptions()
    found = options_of(
        {"task": "multi-label", "delimiter": ",", "deep": True, "rate": 1, "name": "\ud800", "size": None}
    )
    assert found == TrainOptions(targets=TargetOptions("multi-label", ","), deep=Tuning(rate=1.0), name="?")
    assert options_of({"name": ""}).name is None
    assert options_of({"deep": False}).deep is None


def test_each_task_refuses_what_has_no_meaning_for_it() -> None:
    values: dict[str, object] = {
        "delimiter": ",",
        "target_names": ["years"],
        "balance": "sqrt",
        "order": ["low", "high"],
        "normalise_labels": True,
        "accept_width": 2.5,
    }
    assert {name for options in TASKS.values() for name in options.own} == set(values)
    assert set(values) <= {row.name for row in table()}
    for name, value in values.items():
        for task in TASKS:
            given = {"task": task, name: value}
            if task in tasks_with(name):
                options_of(given)
                continue
            with pytest.raises(UsageError, match=f"is for the task {tasks_with(name)[0]}.*; this is {task}"):
                options_of(given)


def test_what_is_senseless_for_a_task_is_refused_with_the_reason() -> None:
    senseless = [(task, name, why) for task, options in TASKS.items() for name, why in options.senseless.items()]
    assert senseless
    for task, name, why in senseless:
        row = next(row for row in table() if row.name == name)
        with pytest.raises(UsageError, match=re.escape(why)):
            options_of({"task": task, name: row.default if row.default is not None else row.option.low})


def test_a_name_that_is_none_is_a_type_error_as_of_any_function(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'epoch'; did you mean epochs"):
        dt.train(tmp_path, tmp_path / "b", epoch=3)  # type: ignore[call-arg]
