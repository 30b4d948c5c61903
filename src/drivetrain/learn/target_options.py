"""Options for reading a source and its targets. The module imports nothing heavy, as ``--help`` is built from it, too."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.option import Option, by_commas, option
from ..model.kinds.tasks import FIRST, TaskName, by_name, in_a_sentence

DELIMITER = ";"
"""The text between several labels where nobody says otherwise."""


@dataclass(frozen=True)
class TargetOptions:
    """Choices with their defaults, where no DataBlock says how to read."""

    task: TaskName = option(
        FIRST,
        Option(
            in_a_sentence(),
            about=f"{by_name()}; with ``block``, what that says.",
            shown=True,
        ),
    )
    delimiter: str | None = option(
        None,
        Option(
            "Between the labels of one image, for multi-label (; or what is found there unless given); alone it means none.",
            about="between the labels of one image; by default ``;``, or what stands between them where no cell has one.",
        ),
    )
    target_names: tuple[str, ...] = option(
        (),
        Option(
            "What the number is called, for regression.",
            about="what the numbers are called.",
            flag="--target",
        ),
    )
    order: tuple[str, ...] = option(
        (),
        Option(
            "The grades from the lowest to the highest, for ordinal: low,middle,high (as numbers unless given).",
            about="the grades from the lowest to the highest; by default in the order of the numbers that they are.",
            metavar="GRADES",
            read=by_commas,
            numbers=True,
        ),
    )
    normalise_labels: bool = option(
        False,
        Option(
            "Merge labels that differ only in case, spaces or the format of a number.",
            about="merge labels that differ only in case, spaces, Unicode form or the format of a number (``Black``, ``black ``; "
            "``0``, ``0.0``), into the commonest spelling, or that of ``order`` or of the block's vocab.",
        ),
    )
    splits: str | None = option(
        None,
        Option(
            "Folders that are splits, such as seg_train=train,holdout=test, or none (found by their names unless given).",
            about="folders that are splits, ``seg_train=train,holdout=test``, or ``none``; by default they are found by their "
            "names, where mostly the same class folders stand under each.",
            metavar="FOLDERS",
        ),
    )
    edits: bool = option(
        True,
        Option(
            "Read the data as they lie, without what people changed (edits.jsonl beside them).",
            about="False reads the data as they lie, without what people changed: the log ``edits.jsonl`` beside them.",
            flag="--no-edits",
        ),
    )
