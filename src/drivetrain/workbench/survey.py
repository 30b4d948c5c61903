"""A survey of a data set: everything that curating goes by, from one pass over the items.

Unlike a training run it keeps nothing out: an item of a given test split is as likely to be wrong as any other, and each is
judged by a head that has not seen its group. Shapes: A usable items, J of them judged, N items of a sample, D features, W logits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from threadpoolctl import threadpool_limits

from ..core.cores import available_cores
from ..core.errors import DataError
from ..core.ports import Progress
from ..core.scratch import Into
from ..core.types import FloatArray, Skipped
from ..curate.duplicates import Duplicates, find_duplicates, merge_groups
from ..data.block.datablock import DataBlock
from ..data.image.traits import Traits
from ..embed.cache import EmbeddingCache
from ..embed.embedder import Embedder
from ..learn.gate_fit import Asked, NoGate, fit_gate
from ..learn.head import FittedHead
from ..learn.judged import Judged
from ..learn.logistic import Axes
from ..learn.reading import Read, Source, read
from ..stats.folds import DEFAULT_FOLDS, grouped_folds
from ..stats.metrics import Floats
from ..training.features import Chosen, candidates, choose_and_embed
from ..training.gating import last_layer
from ..training.holdout import out_of_fold
from ..training.options import TrainOptions
from ..training.sample import Sample

# The gate's scores are wanted, not its limit; the level decides only how few items are too few.
FALSE_ALARM = 0.05


@dataclass(frozen=True, eq=False)
class Survey:
    """A data set as a curator sees it; row a of every part is about the same usable item."""

    found: Read
    chosen: Chosen
    sample: Sample
    """The A usable items with their features; copies are in one group."""
    duplicates: Duplicates
    fitted: FittedHead | None
    """The head on the items judged, with its out-of-fold evidence; None where nothing can be learned yet."""
    judged: Judged | None
    """The items' answers by heads that have not seen their group; `Judged.rows_J` says of which: all, but for those of a class
    that stands in one group."""
    unfit: str | None
    """The reason why there is no head."""
    options: TrainOptions
    strangeness_A: Floats | None = None
    """The strangeness of each item beside the others, see `strangeness`; None where there are too few to tell."""
    traits: Mapping[str, Traits] = field(default_factory=dict)
    """Traits of each picture, by item name; empty of other inputs."""

    @property
    def features_AD(self) -> FloatArray:
        """The features, of unit length."""
        return self.sample.features_ND

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Files that could not be used."""
        return (*self.found.dataset.skipped, *self.chosen.embeddings.skipped)


def survey(
    source: Source,
    options: TrainOptions,
    cache: EmbeddingCache,
    progress: Progress,
    unpack_dir: Into,
    block: DataBlock | None = None,
) -> Survey:
    """Read, embed, find copies, and fit on grouped folds.

    Raises:
        SourceError: the source cannot be read.
        DataError: no item can be used.
        UsageError: an option is unusable.
    """
    found = read(source, options.targets, block, unpack_dir)
    items = tuple(replace(item, split=None) for item in found.dataset.items)
    found = replace(found, dataset=replace(found.dataset, items=items))
    everything = Sample.of(found)
    embedder = Embedder(cache, options.workers, progress)
    backbones = candidates(options, found.input_block)
    chosen = choose_and_embed(everything, options, embedder, cache, progress, backbones)
    usable = everything.embedded(chosen.embeddings)
    duplicates = find_duplicates(chosen.embeddings.facts, usable.features_ND, chosen.probe_cosines)
    sample = usable.grouped(merge_groups(usable.groups_N, duplicates.groups_N))
    strangeness_A = strangeness(sample, chosen, options.seed)
    taken = zip(sample.items, found.input_block.traits(sample.items, progress, options.workers, cache), strict=True)
    traits = {item.name: one for item, one in taken if one is not None}
    return fit_survey(Survey(found, chosen, sample, duplicates, None, None, None, options, strangeness_A, traits))


def fit_survey(survey: Survey) -> Survey:
    """Return the survey with a head for its sample as it is now, or with the reason why there is none."""
    fitted, judged, unfit = None, None, None
    try:
        fitted, judged = _fitted(survey.sample, survey.options)
    except DataError as error:
        unfit = str(error)
    return replace(survey, fitted=fitted, judged=judged, unfit=unfit)


def _fitted(sample: Sample, options: TrainOptions) -> tuple[FittedHead, Judged]:
    """Fit on all items that others can judge, which are all but those of a class that stands in one group.

    Raises:
        DataError: nothing can be learned, as with one class only.
    """
    if len(np.unique(sample.groups_N)) < 2:
        raise DataError(
            "all images are copies of each other, or of one group, so that nothing can be learned; add others"
        )
    rows_J = np.flatnonzero(sample.targets.judgeable(sample.groups_N))
    known = sample if len(rows_J) == len(sample) else sample.take(rows_J)
    weights_J = known.targets.weights(known.weights_N, options.balance, known.groups_N)
    fitted = known.targets.fit(
        known.features_ND, known.groups_N, weights_J, seed=options.seed, threads=available_cores()
    )
    fitted = _at_least_loss(fitted, known, weights_J)
    how = f"out of fold, {fitted.n_folds} folds that keep groups together"
    return fitted, out_of_fold(rows_J, known, fitted, how)


def _at_least_loss(fitted: FittedHead, known: Sample, weights_J: FloatArray) -> FittedHead:
    """Return the head with its out-of-fold evidence at the penalty of the least loss.

    The head itself keeps the strongest penalty that is nearly as good, as it does better on images of another source. Answers
    of it are blurred, and wrong labels stand out less; here they are of the very images that were learned from.
    """
    penalty = min(fitted.penalties, key=lambda tried: tried[1])[0]
    if penalty == fitted.out_of_fold.penalty:
        return fitted
    threads = available_cores()
    with threadpool_limits(threads, user_api="blas"):
        axes = Axes.of(known.features_ND)
    found = known.targets.validation(axes, fitted.folds_N, weights_J, threads).at(penalty)
    return replace(fitted, out_of_fold=found, head=replace(fitted.head, beta=found.beta))


def strangeness(sample: Sample, chosen: Chosen, seed: int) -> Floats | None:
    """(A,) how unlike the others each item is, the larger the stranger: the gate's score with a minus, out of fold. None where
    there are too few items to tell."""
    groups_N, strata_N = sample.groups_N, sample.targets.strata_N
    n_folds = min(DEFAULT_FOLDS, len(np.unique(groups_N)))
    if n_folds < 2:
        return None
    folds_N = grouped_folds(strata_N, groups_N, n_folds, seed)
    asked = Asked(FALSE_ALARM, "marginal", seed)
    gate = fit_gate(sample.features_ND, strata_N, groups_N, folds_N, asked, last_layer(chosen))
    return None if isinstance(gate, NoGate) else -gate.scores_N
