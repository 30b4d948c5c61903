"""The bar on a terminal shows what a step has to say; in a log there is one line a stage."""

from __future__ import annotations

import io

from rich.console import Console

from drivetrain.cli.console import ConsoleProgress, _rate


def shown(terminal: bool) -> str:
    progress = ConsoleProgress()
    progress._console = Console(file=io.StringIO(), force_terminal=terminal, width=120)
    with progress.stage("epoch 1/2", 40) as advance:
        advance(10, "loss 0.312 [b]")
        advance(30, "loss 0.250 [b]")
    progress.figure("loss", "<svg/>")
    return progress._console.file.getvalue()


def test_the_bar_shows_the_last_note_as_it_is() -> None:
    text = shown(terminal=True)
    assert "40/40" in text
    assert "loss 0.250 [b]" in text
    assert "svg" not in text


def test_a_log_has_one_line_in_images() -> None:
    [line] = shown(terminal=False).splitlines()
    assert line.startswith("epoch 1/2: 40 images in ")
    assert "loss" not in line


def test_what_takes_longer_than_a_second_says_how_long_one_takes() -> None:
    assert [_rate(speed) for speed in (592.4, 1.0, 0.16, 0.0)] == ["592/s", "1/s", "6.2 s each", "0/s"]
