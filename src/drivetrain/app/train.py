"""`train` as Python code calls it: keyword arguments instead of an options object."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, SupportsIndex, TypeVar, get_args

from ..core.errors import UsageError
from ..core.ports import Progress
from ..core.types import Dataset
from ..data.block.datablock import DataBlock
from ..learn.head import Balance
from ..learn.reading import Task, task_of_block
from ..training.options import GALLERY, TrainOptions, Tuning
from ..training.trained import TrainResult
from .run import train as run_training

Resize = Literal["crop", "pad", "squish"]
T = TypeVar("T")


def train(
    source: str | Path | Dataset | Iterable[object],
    out: str | Path,
    *,
    backbone: str = "auto",
    budget_s: float | None = None,
    resize: Resize | None = None,
    size: int | None = None,
    balance: Balance | None = None,
    accept: float | None = None,
    seed: int = 0,
    name: str | None = None,
    cache: str | Path | None = None,
    use_cache: bool = True,
    workers: int | None = None,
    task: Task | None = None,
    delimiter: str | None = None,
    target_names: Sequence[str] = (),
    block: DataBlock | None = None,
    deep: bool = False,
    epochs: int | None = None,
    stages: int | None = None,
    rate: float | None = None,
    batch_size: int | None = None,
    turns: bool = False,
    flip_vertical: bool = False,
    maxima: bool = False,
    tta: bool = False,
    swa: bool = False,
    device: str | None = None,
    gallery: int = GALLERY,
    progress: Progress | None = None,
) -> TrainResult:
    """Train a model on labelled images and write its bundle.

    What is None takes its default. A choice that would have no effect together with the others is refused.

    Args:
        source: folder of class folders (``train/`` and ``valid/`` may stand above them), CSV or Parquet with path and
            label columns, zip or tar of these, or an iterable of ``Item``, ``(path, label)`` or
            ``(path, label, group)``; or whatever ``block`` reads.
        out: bundle to write: a folder, or a name ending in ``.zip``.
        backbone: ``efficientnet-lite0``, ``-lite1``, ``-lite2``, ``FILE.onnx``, ``hub:owner/name`` or ``auto``.
        budget_s: seconds (0 or more) that embedding may take on two laptop cores, 60 by default; counted, not timed. What is
            tried (networks with ``auto``, a mirrored view) fits in it, and is the same on every machine.
        resize: how an image becomes the network's square; the backbone's own way by default.
        size: side of a packaged network's input in pixels, 32 to 1024: a larger one sees finer detail and takes longer.
        balance: ``none`` (the default): classes weigh by their numbers; ``classes``: all the same; ``sqrt``: half way;
            ``groups``: all the same within every group, so that where an image comes from says nothing about its class.
        accept: confidence (0–1) from which on a prediction's verdict is ``accept``, 0.9 by default; numbers have none.
        seed: everything random follows from it; 0 or more.
        name: what the bundle calls itself.
        cache: folder of the embedding cache; archives are unpacked there too.
        use_cache: False keeps embeddings in memory only; ``cache`` is then for archives alone.
        workers: threads that decode and run the network; by default one more than cores.
        task: ``classification`` (one label an image, the default), ``multi-label`` (any number) or ``regression`` (a
            number); with ``block``, what that says.
        delimiter: between the labels of one image, ``;`` by default.
        target_names: what the numbers are called.
        block: a `DataBlock` that says how to read the source; its transforms are for `drivetrain.vision` only.
        deep: train the network itself as well, beginning at the fitted head; kept where its held-out loss is lower.
        epochs: passes over the images while doing so, 4 by default.
        stages: train only the last so many stages; by default all on a GPU, 3 on a CPU.
        rate: peak learning rate of the head, 0.001 by default; the first trained stage gets a tenth.
        batch_size: images a step; 32 by default, fewer where there are few images.
        turns: pictures have no up: vary them by all flips and quarter turns.
        flip_vertical: pictures have no up, but always lie along the same axis: vary them by exchanging top and bottom.
        maxima: pool features by their largest value over the picture too: for small marks that a mean would drown.
        tta: with ``deep``, answer by the mean over the image and its mirror image (over all four mirror images with
            ``turns`` or ``flip_vertical``), test-time augmentation: a little more accurate, and two or four times the
            work of every prediction.
        swa: with ``deep``, keep the mean of the weights over the later part of training (stochastic weight averaging)
            instead of the last ones: steadier on images unlike those trained on, and no more work.
        device: as torch names it; the best there is by default.
        gallery: pictures of the training set to keep in the bundle, for showing similar ones: 128 pixels, without
            metadata, seen by whoever gets the bundle; 0 keeps none.
        progress: told how far the work has come; silent by default.

    Raises:
        UsageError: an argument or ``out`` is unusable.
        SourceError: the source cannot be read as a labelled data set.
        DataError: fewer than two classes, or a class with fewer than two usable images.
    """
    _check_choice("resize", resize, (*get_args(Resize), None))
    _check_choice("balance", balance, (*get_args(Balance), None))
    _check_range("accept", _or(accept, TrainOptions.accept), 0, 1)
    _check_range("budget_s", _or(budget_s, TrainOptions.budget_s), 0)
    if not isinstance(seed, SupportsIndex):
        raise UsageError(f"seed is {seed!r}; it must be a whole number")
    _check_range("seed", operator.index(seed), 0)
    _check_range("workers", 1 if workers is None else workers, 1)
    _check_choice("task", task, (*get_args(Task), None))
    _check_range("epochs", _or(epochs, Tuning.epochs), 1)
    if not isinstance(gallery, SupportsIndex):
        raise UsageError(f"gallery is {gallery!r}; it must be a whole number")
    _check_range("gallery", operator.index(gallery), 0)
    _check_range("size", 32 if size is None else size, 32, 1024)
    _check_range("stages", 1 if stages is None else stages, 1)
    _check_range("batch_size", 1 if batch_size is None else batch_size, 1)
    if not 0 < _or(rate, Tuning.rate) < float("inf"):
        raise UsageError(f"rate is {rate}; it must be more than 0")
    read_by_block = task_of_block(block)
    if read_by_block is not None and task not in (None, read_by_block):
        raise UsageError(f"task is {task!r}, and the block reads targets for {read_by_block}; leave one of the two out")
    task = read_by_block or task or TrainOptions.task
    _check_for_task(task, delimiter, target_names, balance, accept)
    if block is not None and delimiter is not None:
        raise UsageError("the block says how labels are read; leave out delimiter, or give it to the block's get_y")
    if turns and flip_vertical:
        raise UsageError("turns (--turns) exchanges top and bottom already; leave out flip_vertical (--flip-vertical)")
    for choice, given in (
        ("epochs", epochs is not None),
        ("rate", rate is not None),
        ("stages", stages is not None),
        ("batch_size", batch_size is not None),
        ("turns", turns),
        ("flip_vertical", flip_vertical),
        ("maxima", maxima),
        ("tta", tta),
        ("swa", swa),
        ("device", device is not None),
    ):
        if given and not deep:
            raise UsageError(f"{choice} is for training the network itself; add --deep (deep=True), or leave it out")
    tuning = Tuning(
        _or(epochs, Tuning.epochs),
        stages,
        _or(rate, Tuning.rate),
        batch_size,
        turns,
        device,
        flip_vertical,
        maxima,
        tta,
        swa,
    )
    options = TrainOptions(
        backbone=backbone,
        budget_s=_or(budget_s, TrainOptions.budget_s),
        resize=resize,
        size=size,
        balance=balance or TrainOptions.balance,
        accept=_or(accept, TrainOptions.accept),
        seed=operator.index(seed),
        # What cannot be encoded cannot be written to the manifest either.
        name=name.encode("utf-8", "replace").decode("utf-8") if name else None,
        cache=Path(cache) if cache is not None else None,
        use_cache=use_cache,
        workers=workers,
        task=task,
        delimiter=delimiter or TrainOptions.delimiter,
        target_names=tuple(target_names),
        gallery=operator.index(gallery),
        deep=tuning if deep else None,
    )
    return run_training(source, out, options, progress, block)


def _or(given: T | None, default: T) -> T:
    return default if given is None else given


def _check_for_task(
    task: Task, delimiter: str | None, target_names: Sequence[str], balance: Balance | None, accept: float | None
) -> None:
    """Whether what was chosen has a meaning for the task: a choice that is silently ignored would mislead."""
    if delimiter == "":
        raise UsageError("the delimiter is empty; give the text that stands between two labels, such as ;")
    if isinstance(target_names, str):
        raise UsageError(f"target_names is the text {target_names!r}; give a list of names, such as [{target_names!r}]")
    for name, given, only in (
        ("delimiter", delimiter is not None, "multi-label"),
        ("target_names (--target)", len(target_names) > 0, "regression"),
        ("balance", balance is not None, "classification"),
    ):
        if given and task != only:
            raise UsageError(f"{name} is for the task {only}; this is {task}: leave it out, or set --task (task=)")
    if accept is not None and task == "regression":
        raise UsageError(
            "accept is a confidence, and numbers have none (every one is marked review); leave it out for regression"
        )


def _check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        raise UsageError(f"{name} is {value!r}; it must be one of {', '.join(map(repr, choices))}")


def _check_range(name: str, value: float, low: float, high: float = float("inf")) -> None:
    # Written so that NaN is refused as well.
    if not low <= value <= high:
        raise UsageError(
            f"{name} is {value}; it must be {f'{low} to {high}' if high < float('inf') else f'{low} or more'}"
        )
