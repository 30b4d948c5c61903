"""Fit: from labelled items to everything that a training run finds out. The one place that walks this flow."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..core.cores import available_cores
from ..core.ports import Progress
from ..core.types import FloatArray, IntArray
from ..curate.duplicates import find_duplicates, merge_groups
from ..embed.backbone import Backbone
from ..embed.cache import EmbeddingCache
from ..embed.embedder import Embedder
from ..learn.figures import figures_of
from ..learn.groups import group_numbers
from ..learn.head import FittedHead
from ..learn.judged import Judged
from ..learn.reading import Read
from ..learn.targets import Targets
from ..learn.worst_of import worst_of
from .checks import check_copies, check_groups, check_usable, warnings_for
from .contradictions import contradictory
from .features import candidates, choose_and_embed
from .holdout import HeldOut, held_out, held_out_rows, judge_head, leak_of
from .options import TrainOptions
from .stopwatch import Stopwatch
from .trained import Ready, Trained, Tuned, verdict_on

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
        backbones = [backbone] if backbone else candidates(options, found.input_block)
        chosen = choose_and_embed(
            everything, targets_M, user_groups_M, weights_M, options, embedder, cache, progress, backbones
        )
    with watch("fit"):
        embeddings = chosen.embeddings
        rows = embeddings.rows_N
        items, targets = embeddings.of(everything), targets_M.take(rows)
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
            attempt = fine_tune(ready, found.input_block, progress) if tuner is None else tuner(ready)
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
