"""A table becomes a command's options: how each is named, shown and read, and what counts as given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import typer
from typer.testing import CliRunner

from drivetrain.cli.from_table import given, with_options
from drivetrain.core.option import Option, by_commas, option, rows


@dataclass(frozen=True)
class Table:
    order: tuple[str, ...] = option((), Option("Grades, the lowest first.", read=by_commas, metavar="LOW,…,HIGH"))
    ignore: tuple[str, ...] = option((), Option("Codes to leave out.", repeated=True, metavar="CODE"))
    title: tuple[str, ...] = option((), Option("What it is called.", flag="--name"))
    form: Literal["round", "square"] = option("round", Option("Its form.", shown=True))
    seed: int = option(0, Option("Of chance.", low=0, shown=True))
    share: float = option(0.5, Option("A part ({default} unless given).", low=0, high=1))
    whole: bool = option(True, Option("Only a part.", flag="--no-whole"))
    quick: bool = option(False, Option("Fast."))
    folder: Path | None = option(None, Option("Where.", metavar="FOLDER"))
    place: str | None = option(None, Option("Of it.", env="TEST_PLACE"))
    hidden: int = option(1, Option(about="Not for the command line."))


TABLE = rows(Table)
seen: dict[str, object] = {}
app = typer.Typer(rich_markup_mode=None)


@app.command()
@with_options(TABLE)
def command(context: typer.Context, source: str, *, json: bool = False, **choices: Any) -> None:
    """Do it."""
    seen.clear()
    seen.update(given(context, TABLE, choices))
    seen["json"], seen["source"] = json, source


def run(*arguments: str, code: int = 0, **environment: str) -> str:
    done = CliRunner().invoke(app, ["src", *arguments], env=environment)
    assert done.exit_code == code, done.output
    return done.output


def test_only_what_was_given_is_chosen_also_where_it_is_the_default() -> None:
    run()
    assert seen == {"json": False, "source": "src"}
    run("--seed", "0", "--share", "0.5", "--form", "round", "--json")
    assert seen == {"seed": 0, "share": 0.5, "form": "round", "json": True, "source": "src"}


def test_each_kind_of_row_is_read_as_the_table_has_it() -> None:
    run("--order", "low, middle,high", "--ignore", "a", "--ignore", "b", "--name", "x,y", "--no-whole", "--quick")
    assert (seen["order"], seen["ignore"], seen["title"]) == (("low", "middle", "high"), ("a", "b"), ("x,y",))
    assert (seen["whole"], seen["quick"]) == (False, True)
    run("--folder", "a/b", TEST_PLACE="here")
    assert (seen["folder"], seen["place"]) == (Path("a/b"), "here")


def test_bounds_are_said_with_what_was_received() -> None:
    assert "2 is not 0 to 1" in run("--share", "2", code=2)
    assert "nan is not 0 to 1" in run("--share", "nan", code=2)
    assert "-1 is not 0 or more" in run("--seed", "-1", code=2)
    assert "'oval' is not one of 'round', 'square'" in run("--form", "oval", code=2)


def test_help_lists_the_rows_between_the_command_s_own_parameters() -> None:
    text = run("--help")
    places = [text.index(flag) for flag in ("--order", "--ignore", "--name", "--form", "--no-whole", "--json")]
    assert places == sorted(places)
    assert "A part (0.5 unless given)." in text
    assert "--hidden" not in text
    assert "--no-quick" not in text
