"""Train: from a source of labelled images to a bundle on disk. The one place that walks the whole first flow."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.cores import available_cores
from ..core.ports import Progress, Silent
from ..core.types import FloatArray, IntArray
from ..curate.duplicates import find_duplicates, merge_groups
from ..data.datablock import DataBlock
from ..embed.backbone import Backbone
from ..embed.cache import EmbeddingCache, default_folder
from ..embed.embedder import Embedder
from ..embed.quarantine import Quarantine
from ..learn.head import FittedHead
from ..learn.targets import Targets
from ..model import storage
from .bundling import bundle_files
from .checks import check_classes, check_copies, check_groups, check_usable, per_output, warnings_for
from .contradictions import contradictory
from .dating import created_at
from .features import candidates, choose_and_embed
from .figures import figures_of
from .groups import group_numbers
from .holdout import HeldOut, held_out, held_out_rows, judge_head, leak_of
from .judged import Judged
from .options import TrainOptions
from .random_split import claim, meaning
from .reading import Read, Source, read
from .report_page import training_report
from .stopwatch import Stopwatch
from .trained import Ready, Trained, TrainResult, Tuned, verdict_on
from .worst import worst_of


def train(
    source: Source,
    out: str | Path,
    options: TrainOptions | None = None,
    progress: Progress | None = None,
    block: DataBlock | None = None,
) -> TrainResult:
    """Train a model and write its bundle.

    ``source``: a folder, table or archive of labelled images (see `drivetrain.data.sources`), an iterable of items, or
    what ``block`` makes items of.

    Raises:
        UsageError: an option, ``out`` or ``SOURCE_DATE_EPOCH`` is unusable.
        SourceError: the source cannot be read as a labelled data set.
        DataError: fewer than two classes, or a class with fewer than two usable images.
    """
    options, progress, out = options or TrainOptions(), progress or Silent(), Path(out)
    storage.check_out(out)
    created_at(os.environ, time.time())  # whether it can be told; an hour is not to be lost to a typo
    watch = Stopwatch(time.perf_counter)
    cache_folder = options.cache or default_folder()
    with watch("read"):
        found = read(source, options, block, cache_folder / "archives")
        check_classes(found.dataset, found.targets)
    cache = EmbeddingCache(cache_folder if options.use_cache else None, progress.say)
    try:
        trained = fit(found, options, cache, progress, watch)
    finally:
        cache.close()
    return write(trained, out, watch)


def write(trained: Trained, out: Path, watch: Stopwatch) -> TrainResult:
    """The bundle of a run, and what a person asks for first.

    How long anything took is told, not written: equal runs give equal bytes, but for the date.
    """
    with watch("write"):
        made_at = created_at(os.environ, time.time())
        files = bundle_files(trained, made_at)
        page = training_report(trained, files, made_at)
        sums = storage.write_files({**files, storage.REPORT: page.encode()}, out)
        if trained.options.use_cache and trained.options.cache is None:
            Quarantine().note(sums)  # it was made and run here, and need not be tried when it is first loaded
    tuned, claimed = trained.tuned, claim(trained.figures)
    splits = [split for split in ("valid", "test") if any(item.split == split for item in trained.all_items)]
    means = (
        meaning(trained.figures, held_out=trained.on_given_split, grouped=trained.grouped)
        if claimed is not None
        else ""
    )
    return TrainResult(
        bundle=out,
        report=out / storage.REPORT if out.suffix.lower() != ".zip" else None,
        images_used=len(trained.items),
        skipped=trained.skipped,
        task=trained.targets.task,
        classes=per_output(trained.targets),
        figures=trained.figures,
        groups_duplicates=len(trained.duplicates.clusters()),
        groups_user=trained.user_groups,
        random_split=f"{claimed}: {means}" if claimed is not None else None,
        worst=trained.worst,
        contradictory=trained.contradictory,
        leak=trained.leak,
        features=tuned.name if tuned else trained.chosen.features.name,
        fine_tuning=trained.verdict_on_tuning,
        warnings=trained.warnings,
        seconds=watch.totals(),
        example=trained.items[0].path,
        untouched_split="test" if len(splits) > 1 else None,
    )


Tuner = Callable[[Ready], Tuned]
"""Trains the network itself on what is ready for it."""


def fit(
    found: Read,
    options: TrainOptions,
    cache: EmbeddingCache,
    progress: Progress,
    watch: Stopwatch,
    tuner: Tuner | None = None,
    backbone: Backbone | None = None,
) -> Trained:
    """Embed, group, choose, fit and judge; fine-tune where that is asked for.

    ``tuner`` brings a network that was trained already; it is used whatever a frozen one achieves. ``backbone`` is used
    instead of what the options name.
    """
    embedder = Embedder(cache, options.workers, progress)
    everything, targets_M = found.dataset.items, found.targets
    user_groups_M = group_numbers(everything)
    weights_M = np.asarray([item.weight for item in everything], np.float32)
    check_groups(user_groups_M, options.balance)
    with watch("embed"):
        backbones = [backbone] if backbone else candidates(options, found.image_block.mode)
        chosen = choose_and_embed(
            everything, targets_M, user_groups_M, weights_M, options, embedder, cache, progress, backbones
        )
    with watch("fit"):
        embeddings = chosen.embeddings
        rows = embeddings.rows_N
        items, targets = tuple(everything[row] for row in rows), targets_M.take(rows)
        skipped = (*found.dataset.skipped, *embeddings.skipped)
        check_usable(targets, skipped)
        duplicates = find_duplicates(embeddings.facts, embeddings.features_ND, chosen.probe_cosines)
        groups_A = merge_groups(user_groups_M[rows], duplicates.groups_N)
        check_copies(groups_A)
        held_A = held_out_rows(items)
        training = np.flatnonzero(~held_A)
        if held_A.any():
            check_usable(targets.take(training), skipped, where=" in the training split")
        held = held_out(items, held_A, groups_A, duplicates) if held_A.any() else None
        weights_N = targets.take(training).weights(weights_M[rows][training], options.balance, groups_A[training])
        fitted = targets.take(training).fit(
            embeddings.features_ND[training],
            groups_A[training],
            weights_N,
            seed=options.seed,
            threads=available_cores(),
        )
        judged, with_leak = _judged(held, targets, groups_A, training, embeddings.features_ND, fitted)
    tuned = attempt = None
    if options.deep is not None or tuner is not None:
        from .tuning import fine_tune

        with watch("fine-tune"):
            ready = Ready(items, targets, groups_A, weights_M[rows], training, held, judged, chosen, fitted, options)
            attempt = fine_tune(ready, found.image_block, progress) if tuner is None else tuner(ready)
        better = attempt.loss < attempt.frozen_loss
        tuned = attempt if better or tuner is not None else None
        judged = tuned.judged if tuned else judged
    random_split = fitted.random_split if tuned is None else None
    figures = figures_of(judged, options.seed, random_split)
    sizes = np.bincount(np.unique(user_groups_M[rows], return_inverse=True)[1])
    leak = leak_of(held, with_leak) if held and with_leak else None
    verdict = verdict_on(attempt, kept=tuned is not None)
    contradicting = contradictory(duplicates, items, targets)
    return Trained(
        dataset=found.dataset,
        options=options,
        targets=targets.take(training),
        items=tuple(items[row] for row in training),
        rows_N=training.astype(np.int64),
        groups_N=groups_A[training],
        user_groups=int((sizes > 1).sum()),
        duplicates=duplicates,
        contradictory=contradicting,
        all_items=items,
        chosen=chosen,
        fitted=fitted,
        judged=judged,
        leak=leak,
        with_leak=figures_of(with_leak, options.seed) if with_leak else None,
        tuned=tuned,
        verdict_on_tuning=verdict,
        skipped=skipped,
        figures=figures,
        worst=worst_of(judged, options.seed),
        warnings=warnings_for(
            targets.take(training),
            skipped,
            figures,
            leak,
            contradicting,
            fitted,
            options,
            verdict,
            held_out=held is not None,
        ),
    )


def _judged(
    held: HeldOut | None,
    targets: Targets,
    groups_A: IntArray,
    training: NDArray[np.intp],
    features_AD: FloatArray,
    fitted: FittedHead,
) -> tuple[Judged, Judged | None]:
    """The frozen head's answers to what it has not seen; and, of a split that leaks, to all of it."""
    if held is None:
        logits = fitted.out_of_fold.logits_NC
        how = f"out of fold, {fitted.n_folds} folds that keep groups together"
        answers = targets.answers(logits, fitted.head.beta)
        return Judged(training, targets.take(training), groups_A[training], logits, answers, how), None
    judged = judge_head(held.rows_H, held.how, targets, groups_A, features_AD, fitted)
    if not len(held.leaking):
        return judged, None
    both = np.sort(np.concatenate([held.rows_H, held.leaking]))
    return judged, judge_head(both, "with leaking images", targets, groups_A, features_AD, fitted)
