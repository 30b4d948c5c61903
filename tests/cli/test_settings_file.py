"""A settings file: the names of the keyword arguments; the command line goes before it; what is wrong in it is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_line import CommandLine

import drivetrain as dt
from drivetrain.core.errors import UsageError
from drivetrain.training.choices import options_of
from drivetrain.training.options import table
from drivetrain.training.settings import read_settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.toml"


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("epochs = 3", (), "epochs is for training the network itself; add --deep"),
        ("epochs = 3", ("--deep",), "there is no "),
        ("deep = true\nrate = 0.01\nbatch_size = 8\ndevice = 'cpu'", (), "there is no "),
        ("task = 'multi-label'\ndelimiter = ','", (), "there is no "),
        ("task = 'multi-label'\ndelimiter = ','", ("--task", "regression"), "delimiter is for the task multi-label"),
        ("task = 'regression'\ntarget_names = ['a', 'b']", (), "there is no "),
        ("accept = 0.5", ("--task", "regression"), "accept is a confidence, and numbers have none"),
        ("cache = 'somewhere'", ("--no-cache",), "there is no "),
    ],
)
def test_file_and_command_line_count_together(
    drivetrain: CommandLine, file: Path, text: str, arguments: tuple[str, ...], message: str
) -> None:
    file.write_text(text)
    done = drivetrain("train", file.parent / "x", "--out", file.parent / "b", "--settings", file, *arguments)
    assert done.code == 2
    assert message in done.error


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", "“epoch” is no option of train; did you mean epochs?"),
        ("budget-s = 3", "“budget-s” is no option of train; did you mean budget_s?"),
        ("target = 'a'", "“target” is no option of train; did you mean target_names?"),
        ("no_cache = true", "“no_cache” is no option of train; did you mean use_cache?"),
        ("colour = 'red'", "“colour” is no option of train; the names are those of the keyword arguments"),
        ("[train]\nseed = 3", "“train” is no option of train"),
        ("seed = 1.5", "seed is 1.5; it must be a whole number"),
        ("seed = true", "seed is True; it must be a whole number"),
        ("accept = 2", "accept is 2; it must be 0 to 1"),
        ("deep = 'yes'", "deep is 'yes'; it must be true or false"),
        ("target_names = 'a'", "target_names is the text 'a'; give a list of names"),
        ("balance = 'equal'", "balance is 'equal'; it must be one of 'none', 'sqrt', 'classes', 'groups'"),
        ("seed =", "is no TOML: Invalid value (at end of document)"),
        ("seed = 1\nseed = 2", "is no TOML: Cannot overwrite a value"),
        ("seed = " + "9" * 6000, "is no settings file: it holds a number or a list that is too long"),
        ("order = " + "[" * 100_000, "is no settings file: it holds a number or a list that is too long"),
        ("task = ordinal", 'texts stand in quotes, such as task = "ordinal"'),
        ("order = 'low,middle,high'", "give a list of names, such as ['low', 'middle', 'high']"),
        (b"name = '\xff'", "is no settings file: it is not text in UTF-8"),
        (b"#" * (1 << 20) + b"\n", "is no settings file; it is larger than 1 MiB"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(drivetrain: CommandLine, file: Path, text: str | bytes, message: str) -> None:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = drivetrain("train", file.parent, "--out", file.parent / "b", "--settings", file)
    assert done.code == 2
    assert f"{file}" in done.error
    assert message in done.error
    with pytest.raises(dt.DrivetrainError):
        dt.train(file.parent, file.parent / "b", settings=file)


def test_a_file_that_is_not_there_is_said(drivetrain: CommandLine, tmp_path: Path) -> None:
    done = drivetrain("train", tmp_path, "--out", tmp_path / "b", "--settings", tmp_path / "none.toml")
    assert done.code == 2
    assert "none.toml: No such file or directory" in done.error


def test_keyword_arguments_go_before_the_file(tmp_path: Path, file: Path) -> None:
    file.write_text("turns = true\ndeep = true\n")
    with pytest.raises(UsageError, match=r"turns .* exchanges top and bottom already"):
        dt.train(tmp_path / "x", tmp_path / "b", settings=file, flip_vertical=True)
    with pytest.raises(dt.DrivetrainError, match="there is no "):
        dt.train(tmp_path / "x", tmp_path / "b", settings=file, turns=False, flip_vertical=True)


def test_a_byte_order_mark_is_no_part_of_the_first_name(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfseed = 3\n")
    assert read_settings(file) == {"seed": 3}


@pytest.mark.trains
def test_grades_in_a_file_may_be_numbers(file: Path, pictures: Path) -> None:
    file.write_text('task = "ordinal"\norder = [0, 0.33, 1]\n')
    with pytest.raises(dt.DrivetrainError, match=r"order \(--order\) names 0, 0\.33, 1, which no image"):
        dt.train(pictures, file.parent / "b", settings=file)


@pytest.mark.trains
def test_a_bundle_is_trained_as_the_file_says(drivetrain: CommandLine, pictures: Path, file: Path) -> None:
    file.write_text('backbone = "efficientnet-lite0"\naccept = 0.75\ngallery = 0\nname = "from the file"\nseed = 7\n')
    out = file.parent / "b"
    done = drivetrain("train", pictures, "--out", out, "--settings", file, "--name", "typed", "--seed", "0")
    assert done.code == 0, done.err
    manifest = dt.load(out).manifest
    assert (manifest.name, manifest.backbone.name) == ("typed", "efficientnet-lite0")
    assert manifest.accept.confidence == 0.75
    assert manifest.training.seed == 0
    assert not (out / "gallery.safetensors").exists()


def test_the_example_in_the_documentation_can_be_chosen(file: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
    file.write_text(page.split("```toml\n")[1].split("```")[0])
    options = options_of(read_settings(file))
    assert (options.targets.task, options.size, options.deep and options.deep.epochs) == ("multi-label", 300, 6)
    alone = {row.name for row in table() if not row.option.help}
    renamed = {row.name for row in table() if row.option.help and row.flag != "--" + row.name.replace("_", "-")}
    assert alone == set(re.findall(r"`(\w+)`", page.split("`--no-cache`. ")[1].split(" have no option")[0]))
    assert renamed == {"target_names", "use_cache", "edits"}
