"""A survey of a data set: everything that curating goes by, from one pass over the items.

Unlike a training run it keeps nothing out: an item of a given test split is as likely to be wrong as any other, and each is
judged by a head that has not seen its group. Shapes: A usable items, D features, W logits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..core.cores import available_cores
from ..core.errors import DataError
from ..core.ports import Progress
from ..core.scratch import Into
from ..core.types import FloatArray, Skipped
from ..curate.duplicates import Duplicates, find_duplicates, merge_groups
from ..data.block.datablock import DataBlock
from ..embed.cache import EmbeddingCache
from ..embed.embedder import Embedder
from ..learn.head import FittedHead
from ..learn.judged import Judged
from ..learn.reading import Read, Source, read
from ..training.features import Chosen, candidates, choose_and_embed
from ..training.holdout import out_of_fold
from ..training.options import TrainOptions
from ..training.sample import Sample


@dataclass(frozen=True, eq=False)
class Survey:
    """A data set as a curator sees it; row a of every part is about the same usable item."""

    found: Read
    chosen: Chosen
    sample: Sample
    """The A usable items with their features; copies are in one group."""
    duplicates: Duplicates
    fitted: FittedHead | None
    """The head on all A items, with its out-of-fold evidence; None where nothing can be learned yet."""
    judged: Judged | None
    """Each item's answer by a head that has not seen its group."""
    unfit: str | None
    """The reason why there is no head."""
    options: TrainOptions

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
    return fit_survey(Survey(found, chosen, sample, duplicates, None, None, None, options))


def fit_survey(survey: Survey) -> Survey:
    """Return the survey with a head for its sample, or the reason why there is none."""
    sample = survey.sample
    fitted, unfit = _fitted(sample, survey.options)
    judged = None
    if fitted is not None:
        how = f"out of fold, {fitted.n_folds} folds that keep groups together"
        judged = out_of_fold(np.arange(len(sample)), sample, fitted, how)
    return replace(survey, fitted=fitted, judged=judged, unfit=unfit)


def _fitted(sample: Sample, options: TrainOptions) -> tuple[FittedHead | None, str | None]:
    """Fit the head; or say why there is none, as a set that is only being gathered may have one class yet."""
    try:
        sample.targets.check()
        weights_A = sample.targets.weights(sample.weights_N, options.balance, sample.groups_N)
        return sample.targets.fit(
            sample.features_ND, sample.groups_N, weights_A, seed=options.seed, threads=available_cores()
        ), None
    except DataError as error:
        return None, str(error)
