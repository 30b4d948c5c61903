"""Evaluate: a bundle on labelled images it has not seen. Shapes: J images judged, O outputs, C classes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError, UsageError
from ..core.finding import Finding
from ..core.ports import Progress, Silent
from ..core.types import Dataset, Item, ItemFacts, Skipped
from ..curate.duplicates import copies_of, find_duplicates, merge_groups
from ..data.block.blocks import TargetBlock
from ..data.block.datablock import DataBlock
from ..data.block.sample import Sample
from ..data.reasons import reasons
from ..data.sources.opening import open_source
from ..data.sources.splits import read_splits, split_value
from ..embed.cache import EmbeddingCache, default_folder
from ..embed.unpack_place import unpack_place
from ..learn.accept_rule import accepted_of
from ..learn.findings import (
    CACHE_DIFFERS,
    COPIES_OF_TRAINING,
    FILES_NOT_JUDGED,
    UNKNOWN_LABELS,
    check_codes,
    finding,
    without,
)
from ..learn.groups import group_numbers
from ..learn.judged import Judged
from ..learn.kinds.registry import TARGETS
from ..learn.kinds.targets import Targets
from ..learn.reading import Labelled, item_of, respelled, samples_of, targets_of
from ..learn.rendering_findings import about_rendering
from ..learn.sections import FILES_LEFT_OUT
from ..learn.spelling import counted, spelled
from ..learn.target_options import TargetOptions
from ..model.kinds.tasks import tasks_with
from ..model.manifest import Manifest
from ..model.predictor import Predictor, load
from .against_training import against_training, worse_than_claimed
from .answering import Embedded, answer_items
from .evaluation import Evaluation


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
    normalise_labels: bool = False,
    splits: str | None = None,
    edits: bool = True,
    cache: str | Path | None = None,
    use_cache: bool = True,
    workers: int | None = None,
    ignore: Sequence[str] = (),
) -> Evaluation:
    """Judge a bundle (its path, or as loaded) on a labelled source (anything that `drivetrain.train` takes).

    Images that are copies of training images are counted and left out, unless ``keep_leaks``; images of classes that the
    bundle does not know are skipped. ``split`` takes only the items so named (``train``, ``valid``, ``test``). ``block``
    reads the source as it did for training; ``delimiter`` (``;`` by default, or what does so there) stands between several
    labels. ``normalise_labels`` takes labels that differ from the bundle's only in case, spaces or the format of a number for
    these; ``splits`` names the folders that are splits, as for training; ``edits=False`` reads the source without what people
    changed. Images that are copies of each other count as one
    where intervals are reckoned. Findings whose codes stand in ``ignore`` are left out.

    Embeddings are taken from ``cache`` (the folder that `drivetrain.train` uses unless given; in memory only with
    ``use_cache=False``) and kept there; some are checked by the bundle's own graph. ``workers`` threads decode and run the
    network, by default one more than cores.

    Raises:
        BundleError: the bundle cannot be loaded.
        SourceError: the source cannot be read as a labelled data set.
        DataError: no image is left to judge, or one has no number where the bundle gives numbers.
        UsageError: the delimiter is empty or has no effect, ``ignore`` names no finding, or ``block`` reads targets of another
            kind than the bundle's.
    """
    start_s = time.perf_counter()
    ignore = check_codes(ignore)
    if delimiter == "":
        raise UsageError("the delimiter is empty; give the text that stands between two labels, such as ;")
    progress = progress or Silent()
    predictor = bundle if isinstance(bundle, Predictor) else load(bundle, golden=golden)
    _check_delimiter(delimiter, predictor.manifest, block)
    _check_reading(normalise_labels, splits, predictor.manifest, block)
    options = TargetOptions(predictor.manifest.task, delimiter, splits=splits, edits=edits)
    folder = Path(cache) if cache is not None else None
    place = unpack_place(folder, use_cache=use_cache)
    reads = predictor.manifest.input.block()
    found = samples_of(source, options, block, place, reads, predictor.manifest.outputs)
    if normalise_labels:
        found = respelled(found, spelled(counted(found.kind, found.samples), predictor.manifest.outputs))
    for note in found.dataset.notes:
        progress.say(note)
    _check_block(found.target, predictor.manifest, given=block is not None)
    known = _known(found, split, predictor.manifest)
    kept = EmbeddingCache(folder or default_folder() if use_cache else None, progress.say)
    try:
        answered = answer_items(predictor, known.items, kept, workers, progress)
    finally:
        kept.close()
    result = _judged(predictor, found, known, answered, ignore, start_s, keep_leaks=keep_leaks)
    return replace(result, place=place)


@dataclass(frozen=True, eq=False)
class _Known:
    """The part of a source that can be judged: N samples whose labels the bundle knows."""

    samples: tuple[Sample, ...]
    items: tuple[Item, ...]
    unknown: tuple[Skipped, ...]
    """Samples with a label that the bundle does not know."""
    foreign: tuple[str, ...]
    """The labels that the bundle does not know."""
    otherwise: str
    """A sentence on those among them that the bundle knows in another spelling; empty where there are none."""


def _judged(
    predictor: Predictor,
    found: Labelled,
    known: _Known,
    answered: Embedded,
    ignore: Sequence[str],
    start_s: float,
    *,
    keep_leaks: bool,
) -> Evaluation:
    manifest, kind = predictor.manifest, TARGETS[predictor.manifest.task]
    embeddings = answered.embeddings
    skipped = (*found.dataset.skipped, *known.unknown, *embeddings.skipped)
    leaks = _leaks(predictor, embeddings.facts)
    rows_J = np.asarray([n for n in range(len(embeddings.facts)) if keep_leaks or n not in leaks], np.intp)
    if not len(rows_J):
        raise DataError(_nothing_left(found.dataset.source, skipped, len(leaks)))
    read = embeddings.of(known.items)
    items = tuple(read[row] for row in rows_J)
    judged = _answers(manifest, found, known, answered, rows_J)
    settings = kind.settings_of(manifest.kind)
    figures = judged.figures(0, settings)
    seen = answered.seen(manifest.input).take(rows_J)
    accepted = accepted_of(judged, settings, manifest, predictor.policy, seen)
    comparisons = against_training(figures, accepted, manifest)
    # The most important findings come first.
    every = [*worse_than_claimed(comparisons), *_findings(found, known, answered, leaks, kind, keep_leaks=keep_leaks)]
    findings, ignored = without(every, ignore)
    return Evaluation(
        source=found.dataset.source,
        items=items,
        judged=judged,
        skipped=skipped,
        notes=found.dataset.notes,
        near_duplicates_of_training=len(leaks),
        figures=figures,
        accepted=accepted,
        against_training=comparisons,
        seconds=time.perf_counter() - start_s,
        findings=findings,
        preparation=manifest.input.preprocess,
        ignored=ignored,
        seen=seen,
    )


def _answers(
    manifest: Manifest, found: Labelled, known: _Known, answered: Embedded, rows_J: NDArray[np.intp]
) -> Judged:
    """The answers to be judged, with the truth; ``rows_J`` are theirs among those answered."""
    kind, embeddings = TARGETS[manifest.task], answered.embeddings
    items = [known.items[row] for row in embeddings.rows_N[rows_J]]
    samples = [known.samples[row] for row in embeddings.rows_N[rows_J]]
    copies = find_duplicates(tuple(embeddings.facts[row] for row in rows_J), embeddings.features_ND[rows_J])
    # The truth is numbered as the bundle's outputs are.
    block = kind.with_outputs(found.target, manifest.outputs)
    targets = targets_of(kind, block, samples, TargetOptions(manifest.task, target_names=manifest.outputs))
    logits_JW = answered.logits_NO[rows_J]
    groups_J = merge_groups(group_numbers(items), copies.groups_N)
    how = f"{len(rows_J)} images"
    return Judged(np.arange(len(rows_J)), targets, groups_J, logits_JW, manifest.kind.answers(logits_JW), how)


def _findings(
    found: Labelled, known: _Known, answered: Embedded, leaks: dict[int, int], kind: type[Targets], *, keep_leaks: bool
) -> list[Finding]:
    """Make the findings on how the figures came about."""
    embeddings, dataset = answered.embeddings, found.dataset
    findings = [finding(doubt.code, doubt.sentence) for doubt in dataset.doubts]
    findings += [finding(CACHE_DIFFERS, answered.remark)] if answered.remark else []
    if leaks:
        row, training_row = next(iter(leaks.items()))
        sentence = (
            f"{len(leaks)} of {len(embeddings.facts)} images are copies of training images (first: "
            f"{known.items[embeddings.rows_N[row]].name}, training image number {training_row + 1}) and "
            f"{'count in' if keep_leaks else 'are left out of'} the figures."
        )
        findings.append(finding(COPIES_OF_TRAINING, sentence))
    if known.unknown:
        sentence = f"{_about_unknown(len(known.unknown), known.foreign, kind)} {known.otherwise}".rstrip()
        findings.append(finding(UNKNOWN_LABELS, sentence, FILES_LEFT_OUT))
    details = [facts.details for facts in embeddings.facts]
    names = [known.items[row].name for row in embeddings.rows_N]
    findings += about_rendering(details, names)
    if unusable := [*dataset.skipped, *embeddings.skipped]:
        count = f"{len(unusable)} files do" if len(unusable) > 1 else "1 file does"
        sentence = f"{count} not count: {reasons(unusable)} (first: {unusable[0].name}, {unusable[0].detail})."
        findings.append(finding(FILES_NOT_JUDGED, sentence, FILES_LEFT_OUT))
    return findings


def _known(found: Labelled, split: str | None, manifest: Manifest) -> _Known:
    """Return the samples of a split whose labels the bundle knows, and what became of the others.

    Raises:
        DataError: there is no such split, or none of its labels is known.
    """
    kind, outputs, source = TARGETS[manifest.task], frozenset(manifest.outputs), found.dataset.source
    chosen = _of_split(found, split)
    foreign = [kind.foreign(one.target, outputs) for one in chosen]
    known = tuple(one for one, labels in zip(chosen, foreign, strict=True) if not labels)
    labels = tuple(sorted({label for labels in foreign for label in labels}))
    if not known:
        nothing = kind.nothing_known(source, ", ".join(manifest.outputs[:10]), ", ".join(labels[:10]))
        otherwise = _written_otherwise(labels, manifest)
        raise DataError(f"{nothing}. {otherwise}" if otherwise else nothing)
    unknown = tuple(
        Skipped(one.name, f"unknown {kind.one}", f"“{its[0]}” is not in the bundle")
        for one, its in zip(chosen, foreign, strict=True)
        if its
    )
    items = tuple(item_of(sample, found.target) for sample in known)
    return _Known(known, items, unknown, labels, _written_otherwise(labels, manifest))


def _of_split(found: Labelled, split: str | None) -> list[Sample]:
    """The samples of a split, or all of them.

    Raises:
        DataError: there are none.
    """
    source = found.dataset.source
    chosen = [one for one in found.samples if split is None or one.split == (split_value(split) or split)]
    if chosen:
        return chosen
    if not found.samples:
        raise DataError(f"no image of {source} has a label; give some that have")
    names = sorted({one.split for one in found.samples if one.split})
    splits = f"its splits are {', '.join(names)}" if names else "it has no splits"
    raise DataError(f"{source} has no split “{split}”; {splits}")


def _about_unknown(count: int, labels: Sequence[str], kind: type[Targets]) -> str:
    named = ", ".join(labels[:5]) + (f" and {len(labels) - 5} more" if len(labels) > 5 else "")
    images, were = ("1 image", "was") if count == 1 else (f"{count} images", "were")
    unknown = f"{kind.of_unknown()} the bundle does not know ({named})"
    return f"{images} {unknown} {were} not judged; predict shows what it calls {'them' if count > 1 else 'it'}."


def _written_otherwise(labels: Sequence[str], manifest: Manifest) -> str:
    """Say which labels the bundle knows in another spelling; nothing where it knows none."""
    names = (
        {}
        if manifest.task not in tasks_with("normalise_labels")
        else spelled(dict.fromkeys(labels, 1), manifest.outputs)
    )
    named = [f"“{label}” as “{name}”" for label, name in sorted(names.items()) if name in manifest.outputs]
    if not named:
        return ""
    more = f" and {len(named) - 3} more" if len(named) > 3 else ""
    return f"The bundle knows {', '.join(named[:3])}{more}: --normalise-labels takes the one for the other."


def _check_reading(normalise: bool, splits: str | None, manifest: Manifest, block: DataBlock | None) -> None:
    """Check that what is said of labels and splits has an effect.

    Raises:
        UsageError: it has not.
    """
    read_splits(splits)
    if normalise and manifest.task not in tasks_with("normalise_labels"):
        raise UsageError(
            f"normalise_labels (--normalise-labels) is for labels, and this bundle is for {manifest.task}; leave it out"
        )
    if splits is not None and block is not None and block.get_items is not open_source:
        raise UsageError(
            "the block's get_items reads the source; leave out splits (--splits), or read it with open_source"
        )


def _check_delimiter(delimiter: str | None, manifest: Manifest, block: DataBlock | None) -> None:
    """Check that a delimiter has an effect.

    Raises:
        UsageError: it has not.
    """
    if delimiter is None or (TARGETS[manifest.task].delimited and block is None):
        return
    reader_is = "the block says how labels are read" if block is not None else f"this bundle is for {manifest.task}"
    raise UsageError(f"delimiter (--delimiter) stands between several labels, and {reader_is}; leave it out")


def _check_block(reader: TargetBlock[Any], manifest: Manifest, *, given: bool) -> None:
    """Check that the block's targets can be compared with the bundle's answers.

    Raises:
        UsageError: it cannot.
    """
    kind, outputs = TARGETS[manifest.task], manifest.outputs
    what = kind.misread(reader, outputs)
    if what is None:
        return
    instead = f"the block reads {what}" if given else f"without block= one number {manifest.input.files.a_one} is read"
    raise UsageError(
        f"the bundle answers {', '.join(outputs[:10])} ({manifest.task}), and {instead}; give "
        f"block=DataBlock(({type(manifest.input.block()).__name__}, {kind.block_for_outputs(outputs)}), …) from Python"
    )


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
