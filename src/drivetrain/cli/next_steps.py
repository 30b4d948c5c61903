"""Next steps after training: two or three commands that run as they are typed."""

from __future__ import annotations

import shlex
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ..core.shell_path import quoted

if TYPE_CHECKING:
    from ..training.trained import TrainResult

# The share of files left out from which on looking at them is the first step.
MANY_SKIPPED = 0.05

Step = tuple[str, str]


def next_steps(result: TrainResult, source: str, delimiter: str | None = None, *, own_data: bool = True) -> list[Step]:
    """List (purpose, command), the most urgent first; ``source`` and ``delimiter`` as they were given to train.

    ``own_data``: ``source`` is a data set of the person's, which can be cleaned.
    """
    bundle, between = quoted(result.bundle), f" --delimiter {shlex.quote(delimiter)}" if delimiter else ""
    steps = [(_why_look(result), f"drivetrain report {bundle} --open")]
    if own_data and result.contradictory and find_spec("uvicorn"):
        what = "look in the browser at what seems wrong, put it right, and train again"
        steps.append((what, f"drivetrain clean {quoted(source)}{_task(result)}{between}"))
    if result.untouched_split:
        steps.append(
            (
                f"judge it on the {result.untouched_split} split, which it has not seen either",
                f"drivetrain evaluate {bundle} {quoted(source)} --split {result.untouched_split}{between}",
            )
        )
    elif result.example is not None:
        steps.append(
            ("ask it about a picture, here one of its own", f"drivetrain predict {bundle} {quoted(result.example)}")
        )
    if find_spec("uvicorn"):
        steps.append(("put it before people, in the browser", f"drivetrain serve {bundle}"))
    # Text that a terminal would not print as it is cannot be typed either.
    return [(what, command) for what, command in steps if command.isprintable()]


def _task(result: TrainResult) -> str:
    from ..model.kinds.tasks import as_option

    return as_option(result.task)


def _why_look(result: TrainResult) -> str:
    if result.contradictory:
        from ..learn.kinds.registry import TARGETS

        return f"see which pictures carry {TARGETS[result.task].said} that contradict each other"
    if result.images_skipped > MANY_SKIPPED * (result.images_used + result.images_skipped):
        return "see which files were left out, and why"
    return "see what it gets wrong"
