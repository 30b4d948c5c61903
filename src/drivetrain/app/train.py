"""Train: from a source of labelled images to a bundle on disk. The one place that walks the whole first flow."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..core.cores import available_cores
from ..core.ports import Progress, Silent
from ..core.types import Dataset, IntArray
from ..curate.duplicates import find_duplicates, merge_groups
from ..data.sources import open_source
from ..embed.cache import EmbeddingCache, default_folder
from ..embed.embedder import Embedder
from ..learn.head import FittedHead, class_weights, fit_head
from ..learn.interpret import balanced_accuracy
from ..model import metrics, storage
from .bundling import bundle_files
from .checks import check_classes, check_groups, check_usable, per_class, warnings_for
from .features import choose_and_embed
from .groups import group_numbers
from .holdout import HeldOut, held_out_rows, judge_held_out
from .options import TrainOptions
from .report_page import training_report
from .stopwatch import Stopwatch
from .trained import Figures, Trained, TrainResult


def train(
    source: str | Path | Dataset | Iterable[object],
    out: str | Path,
    options: TrainOptions | None = None,
    progress: Progress | None = None,
) -> TrainResult:
    """Train a classifier and write its bundle.

    ``source``: a folder, table or archive of labelled images (see `drivetrain.data.sources`), or an iterable of items.

    Raises:
        UsageError: an option or ``out`` is unusable.
        SourceError: the source cannot be read as a labelled data set.
        DataError: fewer than two classes, or a class with fewer than two usable images.
    """
    options, progress, out = options or TrainOptions(), progress or Silent(), Path(out)
    storage.check_out(out)
    watch = Stopwatch(time.perf_counter)
    cache_folder = options.cache or default_folder()
    with watch("read"):
        dataset = open_source(source, unpack_dir=cache_folder / "archives")
        check_classes(dataset)
    cache = EmbeddingCache(cache_folder if options.use_cache else None, progress.say)
    try:
        trained = fit(dataset, options, cache, progress, watch)
    finally:
        cache.close()
    with watch("write"):
        created_at = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        files = bundle_files(trained, created_at)
        page = training_report(trained, files, watch, created_at)
        storage.write_files({**files, storage.REPORT: page.encode()}, out)
    clusters = trained.duplicates.clusters()
    return TrainResult(
        bundle=out,
        report=out / storage.REPORT if out.suffix.lower() != ".zip" else None,
        images_used=len(trained.items),
        skipped=trained.skipped,
        classes=per_class(trained.labels_N, trained.classes),
        figures=trained.figures,
        groups_duplicates=len(clusters),
        groups_user=trained.user_groups,
        leak=trained.held_out.leak if trained.held_out else None,
        features=trained.chosen.features.name,
        warnings=trained.warnings,
        seconds=watch.totals(),
    )


def fit(
    dataset: Dataset, options: TrainOptions, cache: EmbeddingCache, progress: Progress, watch: Stopwatch
) -> Trained:
    """Embed, group, choose, fit and judge."""
    embedder = Embedder(cache, options.workers, progress)
    labelled = [item for item in dataset.items if item.label is not None]
    classes = dataset.classes
    index = {name: c for c, name in enumerate(classes)}
    labels_M = np.asarray([index[item.label or ""] for item in labelled], np.int64)
    user_groups_M = group_numbers(labelled)
    weights_M = np.asarray([item.weight for item in labelled], np.float32)
    check_groups(user_groups_M)
    with watch("embed"):
        chosen = choose_and_embed(labelled, labels_M, user_groups_M, weights_M, options, embedder, cache, progress)
    with watch("fit"):
        embeddings = chosen.embeddings
        rows = embeddings.rows_N
        items = tuple(labelled[row] for row in rows)
        labels_N, weights_N = labels_M[rows], weights_M[rows]
        skipped = (*dataset.skipped, *embeddings.skipped)
        check_usable(labels_N, classes, skipped)
        duplicates = find_duplicates(embeddings.facts, embeddings.features_ND, chosen.probe_cosines)
        groups_N = merge_groups(user_groups_M[rows], duplicates.groups_N)
        check_groups(groups_N)
        held = held_out_rows(items)
        training = np.flatnonzero(~held)
        if held.any():
            check_usable(labels_N[training], classes, skipped, where=" in the training split")
        weights_T = class_weights(labels_N[training], weights_N[training], options.balance)
        fitted = fit_head(
            embeddings.features_ND[training],
            labels_N[training],
            groups_N[training],
            weights_T,
            n_classes=len(classes),
            seed=options.seed,
            threads=available_cores(),
        )
        held_out = (
            judge_held_out(items, held, labels_N, groups_N, duplicates, embeddings, fitted) if held.any() else None
        )
        figures = _figures(fitted, labels_N[training], groups_N[training], held_out)
    used = tuple(items[row] for row in training)
    sizes = np.bincount(np.unique(user_groups_M[rows], return_inverse=True)[1])
    return Trained(
        dataset=dataset,
        options=options,
        classes=classes,
        items=used,
        labels_N=labels_N[training],
        groups_N=groups_N[training],
        user_groups=int((sizes > 1).sum()),
        duplicates=duplicates,
        all_items=items,
        chosen=chosen,
        fitted=fitted,
        held_out=held_out,
        skipped=skipped,
        figures=figures,
        warnings=warnings_for(labels_N[training], classes, skipped, figures, held_out, fitted, options),
    )


def _figures(fitted: FittedHead, labels_N: IntArray, groups_N: IntArray, held_out: HeldOut | None) -> Figures:
    probs_NC = fitted.probs_NC
    how = f"out of fold, {fitted.n_folds} folds that keep groups together"
    if held_out is not None:
        labels_N, probs_NC, groups_N, how = held_out.labels_H, held_out.probs_HC, held_out.groups_H, held_out.how
    predicted_N = probs_NC.argmax(axis=1)
    n_classes = probs_NC.shape[1]
    return Figures(
        accuracy=metrics.accuracy(labels_N, predicted_N, groups_N),
        random_split=fitted.random_split_accuracy,
        log_loss=metrics.log_loss(labels_N, probs_NC),
        ece=metrics.expected_calibration_error(labels_N, probs_NC),
        auc=metrics.auc(labels_N == 1, probs_NC[:, 1]) if n_classes == 2 else None,
        balanced_accuracy=balanced_accuracy(labels_N, predicted_N, n_classes),
        how=how,
    )
