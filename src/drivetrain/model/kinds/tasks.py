"""The tasks there are, and the options of `train` that have a meaning for some of them only: the one table of their names.

The kinds' registries name the same tasks, which is tested. Nothing heavy may be imported here: ``--help`` is built from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

TaskName = Literal["classification", "multi-label", "regression", "ordinal"]

FIRST: TaskName = "classification"
"""The task that is meant where nobody names one, and by the first manifests, which knew no other."""


@dataclass(frozen=True)
class TaskOptions:
    """A task, as far as a person who chooses options has to know it."""

    reads: str
    """The word for what stands beside each image."""
    own: tuple[str, ...] = ()
    """Options that have a meaning for it and not for every task."""
    senseless: Mapping[str, str] = field(default_factory=dict)
    """By option that has a meaning for every task but a few such as this one: why, as a whole error."""


TASKS: Mapping[TaskName, TaskOptions] = {
    "classification": TaskOptions("one label an image", own=("normalise_labels", "balance")),
    "multi-label": TaskOptions("any number of labels", own=("normalise_labels", "delimiter")),
    "regression": TaskOptions(
        "a number",
        own=("target_names", "accept_width"),
        senseless={
            "accept": "accept is a confidence, and numbers have none; leave it out for regression, or name the half-width up to "
            "which a number may pass with accept_width (--accept-width)",
            "max_error": "max_error is a share of wrong answers, and a number is never quite right; leave it out for "
            "regression, or name the half-width up to which a number may pass with accept_width (--accept-width)",
        },
    ),
    "ordinal": TaskOptions("one of several grades that have an order", own=("normalise_labels", "balance", "order")),
}


def tasks_with(name: str) -> tuple[TaskName, ...]:
    """The tasks that an option is for; empty of one that is for all."""
    return tuple(task for task, options in TASKS.items() if name in options.own)


def in_a_sentence() -> str:
    """Say in a sentence what each task reads.

    >>> in_a_sentence()
    'One label an image, any number of labels, a number, or one of several grades that have an order.'
    """
    *first, last = (options.reads for options in TASKS.values())
    text = f"{', '.join(first)}, or {last}."
    return text[:1].upper() + text[1:]


def by_name() -> str:
    """The names, each with what it reads, in the middle of a sentence."""
    *first, last = (
        f"``{task}`` ({options.reads}{', the default' * (task == FIRST)})" for task, options in TASKS.items()
    )
    return f"{', '.join(first)} or {last}"


def as_option(task: str) -> str:
    """The option that names a task, behind a command; nothing for the one that is meant without it."""
    return "" if task == FIRST else f" --task {task}"
