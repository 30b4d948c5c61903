"""How the targets of a source are read. It imports nothing heavy: ``--help`` is built from this table, too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..core.option import Option, option

Task = Literal["classification", "multi-label", "regression"]


@dataclass(frozen=True)
class TargetOptions:
    """Choices with their defaults, where no DataBlock says how to read."""

    task: Task = option(
        "classification",
        Option(
            "One label an image, any number of labels, or a number.",
            about="``classification`` (one label an image, the default), ``multi-label`` (any number) or ``regression`` (a "
            "number); with ``block``, what that says.",
            shown=True,
        ),
    )
    delimiter: str = option(
        ";",
        Option(
            "Between the labels of one image, for multi-label ({default} unless given); alone it means none.",
            about="between the labels of one image, ``{default}`` by default.",
            tasks=("multi-label",),
        ),
    )
    target_names: tuple[str, ...] = option(
        (),
        Option(
            "What the number is called, for regression.",
            about="what the numbers are called.",
            flag="--target",
            tasks=("regression",),
        ),
    )
