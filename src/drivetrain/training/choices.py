"""The choices for a training run, from Python, the command line or a settings file: read, and checked as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TypedDict, cast

from ..core.errors import UsageError
from ..core.given import is_chosen, read_given
from ..core.option import Row, filled
from ..data.block.datablock import DataBlock
from ..data.sources.opening import open_source
from ..data.sources.splits import read_splits
from ..learn.balance import Balance
from ..learn.findings import check_codes
from ..learn.reading import task_of_block
from ..model.kinds.tasks import TASKS, TaskName, tasks_with
from .options import GateMode, Resize, TrainOptions, table


class Choices(TypedDict, total=False):
    """Keyword arguments of `drivetrain.train`: the names and types of the table, for editors and type checkers.

    None chooses nothing. That no row of the table is missing is tested.
    """

    backbone: str | None
    task: TaskName | None
    delimiter: str | None
    target_names: Sequence[str] | None
    order: Sequence[str] | None
    normalise_labels: bool | None
    splits: str | None
    edits: bool | None
    deep: bool | None
    epochs: int | None
    stages: int | None
    rate: float | None
    batch_size: int | None
    turns: bool | None
    flip_vertical: bool | None
    maxima: bool | None
    tta: bool | None
    swa: bool | None
    device: str | None
    budget_s: float | None
    balance: Balance | None
    resize: Resize | None
    range: tuple[float, float] | None
    size: int | None
    accept: float | None
    max_error: float | None
    confidence: float | None
    accept_width: float | None
    false_alarm: float | None
    gate_mode: GateMode | None
    subjects: bool | None
    seed: int | None
    name: str | None
    gallery: int | None
    cache: str | PathLike[str] | None
    use_cache: bool | None
    ignore: Sequence[str] | None
    workers: int | None


def options_of(given: Mapping[str, object], block: DataBlock | None = None) -> TrainOptions:
    """Make options from the values given by name, the others at their defaults. None gives nothing.

    Raises:
        UsageError: something cannot be chosen, or would have no effect together with the rest.
    """
    chosen = read_given(table(), given)
    task = _task(cast("TaskName | None", chosen.get("task")), block)
    if chosen.get("delimiter") == "":
        raise UsageError("the delimiter is empty; give the text that stands between two labels, such as ;")
    _check_task(chosen, task)
    if block is not None and "delimiter" in chosen:
        raise UsageError("the block says how labels are read; leave out delimiter, or give it to the block's get_y")
    if block is not None and "order" in chosen:
        raise UsageError(
            "the block says how labels are read; leave out order, or give OrdinalBlock a vocab in that order"
        )
    if block is not None and block.get_items is not open_source and "splits" in chosen:
        raise UsageError(
            "the block's get_items reads the source; leave out splits (--splits), or read it with open_source"
        )
    read_splits(cast("str | None", chosen.get("splits")))
    if chosen.get("turns") and chosen.get("flip_vertical"):
        raise UsageError("turns (--turns) exchanges top and bottom already; leave out flip_vertical (--flip-vertical)")
    _check_accept(chosen)
    _check_switches(chosen)
    check_codes(chosen.get("ignore", ()))
    # Text that cannot be encoded cannot be written to the manifest either.
    name = str(chosen.pop("name", "")).encode("utf-8", "replace").decode("utf-8")
    return filled(TrainOptions, {**chosen, "task": task, **({"name": name} if name else {})})


def _task(chosen: TaskName | None, block: DataBlock | None) -> TaskName:
    read_by_block = task_of_block(block)
    if read_by_block is not None and chosen not in (None, read_by_block):
        raise UsageError(
            f"task is {chosen!r}, and the block reads targets for {read_by_block}; leave one of the two out"
        )
    return read_by_block or chosen or TrainOptions.targets.task


def _check_task(chosen: Mapping[str, object], task: TaskName) -> None:
    """Check that every choice has a meaning for the task: a choice that is silently ignored would mislead."""
    for row in _chosen_rows(chosen):
        only = tasks_with(row.name)
        if only and task not in only:
            raise UsageError(
                f"{row.told} is for the task {' or '.join(only)}; this is {task}: leave it out, or set --task (task=)"
            )
        if row.name in TASKS[task].senseless:
            raise UsageError(TASKS[task].senseless[row.name])


def _check_accept(chosen: Mapping[str, object]) -> None:
    """Check that the threshold is either stated or looked for."""
    if chosen.get("max_error") is None:
        if chosen.get("confidence") is not None:
            raise UsageError("confidence (--confidence) goes with an error that may pass; add max_error (--max-error)")
    elif chosen.get("accept") is not None:
        raise UsageError(
            "accept (--accept) states a threshold, and max_error (--max-error) finds one from the data; leave one of the two out"
        )


def _check_switches(chosen: Mapping[str, object]) -> None:
    """Check that the choices of a part come with its switch."""
    for row in _chosen_rows(chosen):
        if row.needs and not chosen.get(row.needs):
            raise UsageError(
                f"{row.name} is for training the network itself; add --{row.needs} ({row.needs}=True), or leave it out"
            )


def _chosen_rows(chosen: Mapping[str, object]) -> list[Row]:
    return [row for row in table() if is_chosen(chosen.get(row.name))]
