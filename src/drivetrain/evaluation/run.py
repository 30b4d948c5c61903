"""Evaluate: a bundle on labelled images it has not seen. Shapes: J images judged, O outputs, C classes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..core.errors import DataError, UsageError
from ..core.ports import Progress, Silent
from ..core.types import Dataset, IntArray, Interval, Item, ItemFacts, Skipped
from ..curate.duplicates import copies_of, find_duplicates, merge_groups
from ..data.block.blocks import CategoryBlock, MultiCategoryBlock, RegressionBlock, TargetBlock
from ..data.block.datablock import DataBlock
from ..data.block.sample import Sample
from ..data.reasons import reasons
from ..data.sources.folder import SPLITS
from ..embed.cache import EmbeddingCache, default_folder
from ..learn.figures import AnyFigures, ClassFigures, figures_of
from ..learn.groups import group_numbers
from ..learn.interpretations import AnyInterpretation, interpretation_of
from ..learn.judged import Judged
from ..learn.reading import item_of, samples_of, targets_of, with_vocab
from ..learn.target_options import TargetOptions, Task
from ..model.kinds.classes import ClassKind
from ..model.kinds.labels import LabelKind
from ..model.kinds.numbers import NumberKind
from ..model.manifest import Manifest
from ..model.predictor import Predictor, load
from ..stats import metrics
from .accepted import Accepted, accepted_of
from .against_training import Comparison, against_training, worse_than_claimed
from .answering import answer_items


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Figures of a bundle on a source. ``near_duplicates_of_training`` images were left out of every figure."""

    source: str
    items: tuple[Item, ...] = field(repr=False)
    judged: Judged = field(repr=False)
    """Answers with the truth, in the order of ``items``."""
    skipped: tuple[Skipped, ...] = field(repr=False)
    near_duplicates_of_training: int
    figures: AnyFigures
    accepted: Accepted | None
    """What would have passed without a person; None for numbers, which never do."""
    against_training: tuple[Comparison, ...]
    """The claims of training, each beside the figure found here."""
    seconds: float
    warnings: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, labels or numbers."""
        return self.judged.targets.names

    @property
    def accuracy(self) -> Interval:
        """Share of right answers with its 95 % interval.

        Raises:
            AttributeError: the model does not give one label of several; see ``figures``.
        """
        return self._of_classes("accuracy").accuracy

    @property
    def auc(self) -> float | None:
        """With two classes, both of them present; else None. Raises what ``accuracy`` does."""
        return self._of_classes("auc").auc

    @property
    def log_loss(self) -> float:
        """Mean loss of the answers, see `Targets.losses`."""
        return float(self.judged.losses_J.mean())

    @property
    def confusion_CC(self) -> IntArray:
        """Counts, labels in rows and answers in columns. Raises what ``accuracy`` does."""
        self._of_classes("confusion matrix")
        labels_J, predicted_J = self.judged.targets.values, self.judged.answers_JO.argmax(axis=1)
        return metrics.confusion(labels_J, predicted_J, len(self.classes))

    def interpretation(self) -> AnyInterpretation:
        """What is wrong, to look at: tables, plots, top losses and slices, as the task has them."""
        return interpretation_of(self.judged, self.items, self.figures)

    def _of_classes(self, what: str) -> ClassFigures:
        if not isinstance(self.figures, ClassFigures):
            raise AttributeError(f"a model for {self.judged.targets.task} has no {what}; see figures")
        return self.figures

    def to_json(self) -> dict[str, object]:
        """The document that ``evaluate --json`` prints."""
        document: dict[str, object] = {
            "n": len(self.items),
            "skipped": len(self.skipped),
            "skipped_files": [asdict(skipped) for skipped in self.skipped],
            "near_duplicates_of_training": self.near_duplicates_of_training,
            "task": self.judged.targets.task,
            **self.figures.to_json(),
            "accepted": self.accepted.to_json() if self.accepted else None,
            "against_training": [comparison.to_json() for comparison in self.against_training],
            "warnings": list(self.warnings),
            "seconds": round(self.seconds, 3),
        }
        if isinstance(self.figures, ClassFigures):
            document["confusion"] = {"labels": list(self.classes), "counts": self.confusion_CC.tolist()}
            if len(self.classes) == 2:
                document["auc"] = self.figures.auc
        return document


def evaluate(
    bundle: str | Path | Predictor,
    source: str | Path | Dataset | Iterable[object],
    *,
    split: str | None = None,
    keep_leaks: bool = False,
    golden: bool = True,
    progress: Progress | None = None,
    block: DataBlock | None = None,
    delimiter: str | None = None,
    cache: str | Path | None = None,
    use_cache: bool = True,
    workers: int | None = None,
) -> Evaluation:
    """Judge a bundle (its path, or as loaded) on a labelled source (anything that `drivetrain.train` takes).

    Images that are copies of training images are counted and left out, unless ``keep_leaks``; images of classes that the
    bundle does not know are skipped. ``split`` takes only the items so named (``train``, ``valid``, ``test``). ``block``
    reads the source as it did for training; ``delimiter`` (``;`` by default) stands between several labels. Images that are
    copies of each other count as one where intervals are reckoned.

    Embeddings are taken from ``cache`` (the folder that `drivetrain.train` uses unless given; in memory only with
    ``use_cache=False``) and kept there; some are checked by the bundle's own graph. ``workers`` threads decode and run the
    network, by default one more than cores.

    Raises:
        BundleError: the bundle cannot be loaded.
        SourceError: the source cannot be read as a labelled data set.
        DataError: no image is left to judge, or one has no number where the bundle gives numbers.
        UsageError: the delimiter is empty or has no effect, or ``block`` reads targets of another kind than the bundle's.
    """
    start_s = time.perf_counter()
    if delimiter == "":
        raise UsageError("the delimiter is empty; give the text that stands between two labels, such as ;")
    progress = progress or Silent()
    predictor = bundle if isinstance(bundle, Predictor) else load(bundle, golden=golden)
    manifest = predictor.manifest
    if delimiter is not None and (manifest.task != "multi-label" or block is not None):
        reader_is = "the block says how labels are read" if block is not None else f"this bundle is for {manifest.task}"
        raise UsageError(f"delimiter (--delimiter) stands between several labels, and {reader_is}; leave it out")
    options = TargetOptions(cast(Task, manifest.task), delimiter or TargetOptions.delimiter)
    folder = Path(cache) if cache is not None else default_folder()
    dataset, samples, reader = samples_of(source, options, block, folder / "archives")
    _check_block(reader, manifest, given=block is not None)
    known, unknown, foreign = _known(dataset, samples, split, predictor)
    items = [item_of(sample, reader) for sample in known]
    kept = EmbeddingCache(folder if use_cache else None, progress.say)
    try:
        answered = answer_items(predictor, items, kept, workers, progress)
    finally:
        kept.close()
    found = answered.embeddings
    skipped = [*dataset.skipped, *unknown, *found.skipped]
    leaks = _leaks(predictor, found.facts)
    warnings = [answered.remark] if answered.remark else []
    if leaks:
        row, training_row = next(iter(leaks.items()))
        warnings.append(
            f"{len(leaks)} of {len(found.facts)} images are copies of training images (first: "
            f"{items[found.rows_N[row]].name}, training image number {training_row + 1}) and "
            f"{'count in' if keep_leaks else 'are left out of'} the figures."
        )
    if unknown:
        warnings.append(_about_unknown(len(unknown), foreign, manifest))
    if unusable := [*dataset.skipped, *found.skipped]:
        count = f"{len(unusable)} files do" if len(unusable) > 1 else "1 file does"
        warnings.append(f"{count} not count: {reasons(unusable)} (first: {unusable[0].name}, {unusable[0].detail}).")
    rows_J = np.asarray([row for row in range(len(found.facts)) if keep_leaks or row not in leaks], np.intp)
    if not len(rows_J):
        raise DataError(_nothing_left(dataset.source, skipped, len(leaks)))
    judged_samples = [known[row] for row in found.rows_N[rows_J]]
    judged_items = tuple(items[row] for row in found.rows_N[rows_J])
    logits_JO = answered.logits_NO[rows_J]
    copies = find_duplicates(tuple(found.facts[row] for row in rows_J), found.features_ND[rows_J])
    judged = Judged(
        np.arange(len(rows_J)),
        targets_of(with_vocab(reader, manifest.outputs), judged_samples, manifest.outputs),
        merge_groups(group_numbers(judged_items), copies.groups_N),
        logits_JO,
        manifest.kind.answers(logits_JO),
        f"{len(rows_J)} images",
    )
    kind = manifest.kind
    thresholds = np.asarray(kind.thresholds) if isinstance(kind, LabelKind) else None
    half_widths = np.asarray(kind.half_widths) if isinstance(kind, NumberKind) else None
    figures = figures_of(judged, 0, thresholds_L=thresholds, half_widths_M=half_widths)
    accepted = accepted_of(judged, manifest)
    comparisons = against_training(figures, accepted, manifest)
    # What matters most comes first.
    warnings[:0] = worse_than_claimed(comparisons)
    return Evaluation(
        source=dataset.source,
        items=judged_items,
        judged=judged,
        skipped=tuple(skipped),
        near_duplicates_of_training=len(leaks),
        figures=figures,
        accepted=accepted,
        against_training=comparisons,
        seconds=time.perf_counter() - start_s,
        warnings=tuple(warnings),
    )


def _known(
    dataset: Dataset, samples: Sequence[Sample], split: str | None, predictor: Predictor
) -> tuple[list[Sample], list[Skipped], list[str]]:
    """The samples of a split whose labels the bundle knows, the others as skipped, and the labels that it does not know.

    Raises:
        DataError: there is no such split, or none of its labels is known.
    """
    chosen = [one for one in samples if split is None or one.split == SPLITS.get(split.lower(), split)]
    if not chosen:
        if not samples:
            raise DataError(f"no image of {dataset.source} has a label; give some that have")
        names = sorted({one.split for one in samples if one.split})
        found = f"its splits are {', '.join(names)}" if names else "it has no splits"
        raise DataError(f"{dataset.source} has no split “{split}”; {found}")
    if isinstance(predictor.manifest.kind, NumberKind):
        return chosen, [], []
    outputs = set(predictor.classes)
    foreign = [_foreign(one, outputs) for one in chosen]
    known = [one for one, labels in zip(chosen, foreign, strict=True) if not labels]
    labels = sorted({label for labels in foreign for label in labels})
    if not known:
        known_names, found = ", ".join(predictor.classes[:10]), ", ".join(labels[:10])
        if isinstance(predictor.manifest.kind, LabelKind):
            raise DataError(
                f"every image of {dataset.source} has labels that the bundle ({known_names}) does not know; found {found}; name "
                "them as the bundle does, and say what stands between two of them (--delimiter, delimiter=)"
            )
        raise DataError(
            f"no image of {dataset.source} has a class of the bundle ({known_names}); found {found}; "
            "name the folders as the bundle names its classes"
        )
    kind = predictor.manifest.kind.words.output
    unknown = [
        Skipped(one.name, f"unknown {kind}", f"“{its[0]}” is not in the bundle")
        for one, its in zip(chosen, foreign, strict=True)
        if its
    ]
    return known, unknown, labels


def _about_unknown(count: int, labels: Sequence[str], manifest: Manifest) -> str:
    named = ", ".join(labels[:5]) + (f" and {len(labels) - 5} more" if len(labels) > 5 else "")
    images, were = ("1 image", "was") if count == 1 else (f"{count} images", "were")
    what = "with labels" if isinstance(manifest.kind, LabelKind) else "of a class"
    ends = "them" if count > 1 else "it"
    return f"{images} {what} the bundle does not know ({named}) {were} not judged; predict shows what it calls {ends}."


def _check_block(reader: TargetBlock[Any], manifest: Manifest, *, given: bool) -> None:
    """Whether what the block reads can be compared with what the bundle answers.

    Raises:
        UsageError: it cannot.
    """
    match reader, manifest.kind:
        case (CategoryBlock(), ClassKind()) | (MultiCategoryBlock(), LabelKind()):
            return
        case RegressionBlock(n_out=count), NumberKind(targets=names):
            if count == len(names):
                return
            what = f"{count} number{'s' if count > 1 else ''} an image"
            wanted = f"RegressionBlock(n_out={len(names)})"
        case _:
            what = type(reader).__name__
            wanted = {"classification": "CategoryBlock", "multi-label": "MultiCategoryBlock"}.get(
                manifest.task, f"RegressionBlock(n_out={len(manifest.outputs)})"
            )
    instead = f"the block reads {what}" if given else "without block= one number an image is read"
    raise UsageError(
        f"the bundle answers {', '.join(manifest.outputs[:10])} ({manifest.task}), and {instead}; give "
        f"block=DataBlock((ImageBlock, {wanted}), …) from Python"
    )


def _foreign(sample: Sample, outputs: set[str]) -> list[str]:
    """A sample's labels that the bundle does not know."""
    labels = sample.target if isinstance(sample.target, tuple) else (sample.target,)
    return [str(label) for label in labels if label not in outputs]


def _nothing_left(source: str, skipped: Sequence[Skipped], leaks: int) -> str:
    if leaks:
        return (
            f"all {leaks} readable images of {source} are copies of training images, so they say nothing about new ones; "
            "give others, or count them all the same with --keep-leaks"
        )
    first = f"first {skipped[0].name}: {skipped[0].reason}, {skipped[0].detail}"
    if len(skipped) == 1:
        return (
            f"the one file of {source} cannot be judged ({first.removeprefix('first ')}); give images that can be read"
        )
    return f"none of the {len(skipped)} files of {source} can be judged ({first}); give images that can be read"


def _leaks(predictor: Predictor, facts: Sequence[ItemFacts]) -> dict[int, int]:
    arrays = predictor.arrays()
    return copies_of(facts, arrays.pixels_sha256_T32, arrays.frequencies_TKK.astype(np.float32))
