"""The items to label, with all that choosing among them goes by; from one pass, before anything is known of their labels.

Shapes: A usable items, B items that a bundle was trained on, D features.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..core.errors import DataError, UsageError
from ..core.ports import Progress
from ..core.scratch import Into
from ..core.types import Dataset, FloatArray, Item, ItemFacts, Skipped
from ..curate.duplicates import Duplicates, find_duplicates, merge_groups
from ..data.block.blocks import ImageBlock, InputBlock
from ..data.sources.folder import listed
from ..data.sources.opening import open_source
from ..embed.cache import EmbeddingCache
from ..embed.embedder import Embedder
from ..embed.registry import packaged
from ..evaluation.answering import answer_items
from ..learn.groups import group_numbers
from ..learn.kinds.registry import TARGETS
from ..learn.selection import default_features
from ..model.arrays import unit
from ..model.predictor import Predictor
from ..training.backbones import resolve
from .label_model import MOST_TAUGHT, Taught


@dataclass(frozen=True, eq=False)
class Pool:
    """Items to label; row a of every part is about the same one."""

    title: str
    items: tuple[Item, ...]
    facts: tuple[ItemFacts, ...]
    features_AD: FloatArray
    """The features, of unit length."""
    duplicates: Duplicates
    """Copies, and items of one group as the source has it, are in one group."""
    taught: Taught | None
    """Items that a bundle was trained on, where one was given."""
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.items)


def read_unlabelled(
    source: str, unpack_dir: Into, classes: Collection[str], inputs: InputBlock | None = None
) -> Dataset:
    """Read a source's items, whatever folders they stand in.

    An item in a folder that is called as one of ``classes`` has that label: `drivetrain apply` has put it there.

    Raises:
        SourceError: the source cannot be read, or holds nothing of the kind.
    """
    block = inputs or ImageBlock()
    dataset = open_source(source, unpack_dir=unpack_dir, labelled=False, form=block.files)
    items = tuple(replace(item, label=_folder(item, classes)) for item in dataset.items)
    return replace(dataset, items=items).noting(*_about_folders(items))


def _about_folders(items: Sequence[Item]) -> Iterator[str]:
    """Say so where training would take folders for classes that are none."""
    tops = sorted({item.name.partition("/")[0] for item in items if "/" in item.name and item.label is None})
    if len(tops) > 1:
        yield (
            f"the folders {listed(tops)} are no classes here, but “drivetrain train” would take them for such: give --into DATA, "
            "and train on that"
        )


def _folder(item: Item, classes: Collection[str]) -> str | None:
    top, slash, _ = item.name.partition("/")
    return top if slash and top in classes else None


def pool_of(
    dataset: Dataset,
    cache: EmbeddingCache,
    progress: Progress,
    *,
    bundle: Predictor | None = None,
    backbone: str | None = None,
    workers: int | None = None,
) -> Pool:
    """Embed items and find copies; with the network of ``bundle``, or else of ``backbone`` (by default the smallest packaged).

    Raises:
        DataError: no item can be used.
        UsageError: there is no such backbone, or the bundle's answers are not one label of several.
    """
    for note in dataset.notes:
        progress.say(note)
    if bundle is not None:
        check_bundle(bundle)
        embeddings = answer_items(bundle, dataset.items, cache, workers, progress).embeddings
        features_AD = unit(embeddings.features_ND)
    else:
        features = default_features(resolve(backbone or packaged(ImageBlock.input_type)[0]))
        embedded = Embedder(cache, workers, progress).embed(dataset.items, features.recipes)
        embeddings = embedded[features.recipes[0].key]
        features_AD = unit(features.matrix(lambda recipe: embedded[recipe.key].features_ND))
    if not len(features_AD):
        first = embeddings.skipped[0] if embeddings.skipped else None
        why = f" (first {first.name}: {first.detail})" if first else ""
        raise DataError(
            f"none of the {len(dataset.items)} items of {dataset.source} can be used{why}; give images that can be"
        )
    items = embeddings.of(dataset.items)
    duplicates = find_duplicates(embeddings.facts, features_AD)
    groups_A = merge_groups(group_numbers(items), duplicates.groups_N)
    return Pool(
        title=dataset.source,
        items=items,
        facts=embeddings.facts,
        features_AD=features_AD,
        duplicates=replace(duplicates, groups_N=groups_A),
        taught=None if bundle is None else taught_by(bundle),
        skipped=(*dataset.skipped, *embeddings.skipped),
        notes=dataset.notes,
    )


def check_bundle(bundle: Predictor) -> None:
    """Check that a bundle's answers are what labelling asks for.

    Raises:
        UsageError: they are not one label of several.
    """
    if not TARGETS[bundle.manifest.task].one_label:
        raise UsageError(
            f"{bundle.path} is a bundle for {bundle.manifest.task}, and one key gives one label; give a bundle whose answer is "
            "one label of several, or --classes"
        )


def taught_by(bundle: Predictor) -> Taught:
    """Return what a bundle was trained on: `MOST_TAUGHT` of it at most, drawn at random."""
    arrays = bundle.arrays()
    rows = np.random.default_rng(0).permutation(len(arrays.targets_N))[:MOST_TAUGHT]
    names: Sequence[str] = bundle.manifest.outputs
    return Taught(
        unit(arrays.embeddings_ND[rows]),
        tuple(names[int(target)] for target in arrays.targets_N[rows]),
        np.unique(arrays.groups_N[rows], return_inverse=True)[1].astype(np.int64),
    )
