"""`train` as Python code calls it: keyword arguments instead of an options object."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from ..core.ports import Progress
from ..core.types import Dataset
from ..learn.head import Balance
from .options import TrainOptions
from .train import train as run_training
from .trained import TrainResult


def train(
    source: str | Path | Dataset | Iterable[object],
    out: str | Path,
    *,
    backbone: str = "auto",
    budget_s: float = 60.0,
    resize: Literal["crop", "pad", "squish"] | None = None,
    balance: Balance = "none",
    accept: float = 0.9,
    seed: int = 0,
    name: str | None = None,
    cache: str | Path | None = None,
    use_cache: bool = True,
    progress: Progress | None = None,
) -> TrainResult:
    """Train a classifier on labelled images and write its bundle.

    Args:
        source: folder of class folders (``train/`` and ``valid/`` may stand above them), CSV or Parquet with path and
            label columns, zip or tar of these, or an iterable of ``Item``, ``(path, label)`` or
            ``(path, label, group)``.
        out: bundle to write: a folder, or a name ending in ``.zip``.
        backbone: ``efficientnet-lite0``, ``-lite1``, ``-lite2``, ``FILE.onnx``, ``hub:owner/name`` or ``auto``.
        budget_s: seconds that embedding may take; ``auto`` chooses within it.
        resize: how an image becomes the network's square; the backbone's own way by default.
        balance: ``none``: classes weigh by their numbers; ``classes``: all the same; ``sqrt``: half way.
        accept: confidence (0–1) from which on a prediction's verdict is ``accept``.
        seed: everything random follows from it.
        name: what the bundle calls itself.
        cache: folder of the embedding cache.
        use_cache: False keeps embeddings in memory only.
        progress: told how far the work has come; silent by default.

    Raises:
        UsageError: an argument or ``out`` is unusable.
        SourceError: the source cannot be read as a labelled data set.
        DataError: fewer than two classes, or a class with fewer than two usable images.
    """
    options = TrainOptions(
        backbone=backbone,
        budget_s=budget_s,
        resize=resize,
        balance=balance,
        accept=accept,
        seed=seed,
        name=name,
        cache=Path(cache) if cache is not None else None,
        use_cache=use_cache,
    )
    return run_training(source, out, options, progress)
