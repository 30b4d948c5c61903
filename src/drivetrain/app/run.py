"""Run a training: read, fit, report, and write the bundle."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

from ..core.ports import Progress, Silent
from ..core.reference import local_file
from ..core.scratch import Scratch
from ..data.block.datablock import DataBlock
from ..embed.cache import EmbeddingCache, default_folder
from ..embed.quarantine import Quarantine
from ..embed.unpack_place import leave, unpack_place
from ..learn.reading import Source, read
from ..model import storage
from ..model.accept_words import accept_words
from ..model.gate_words import gate_words
from ..model.manifest import Manifest, parse_manifest
from ..report.training import training_report
from ..training.bundling import bundle_files
from ..training.checks import check_read
from ..training.dating import created_at
from ..training.options import TrainOptions
from ..training.random_split import claim, meaning
from ..training.run import fit
from ..training.stopwatch import Stopwatch
from ..training.trained import Trained, TrainResult


def train(
    source: Source,
    out: str | Path,
    options: TrainOptions | None = None,
    progress: Progress | None = None,
    block: DataBlock | None = None,
) -> TrainResult:
    """Train a model and write its bundle.

    ``source``: a folder, table or archive of labelled images (see `drivetrain.data.sources.opening`), an iterable of items, or
    what ``block`` makes items of.

    Raises:
        UsageError: an option, ``out`` or ``SOURCE_DATE_EPOCH`` is unusable.
        SourceError: the source cannot be read as a labelled data set.
        DataError: fewer than two classes, or a class with fewer than two usable images.
    """
    options, progress, out = options or TrainOptions(), progress or Silent(), Path(out)
    storage.check_out(out)
    created_at(os.environ, time.time())  # checked first, so that a typo in it does not lose an hour of work
    watch = Stopwatch(time.perf_counter)
    place = unpack_place(options.cache, use_cache=options.use_cache)
    try:
        with watch("read"):
            found = read(source, options.targets, block, place)
            for note in found.dataset.notes:
                progress.say(note)
            check_read(found.dataset, found.targets)
        cache = EmbeddingCache(options.cache or default_folder() if options.use_cache else None, progress.say)
        try:
            trained = fit(found, options, cache, progress, watch)
        finally:
            cache.close()
        result = write(trained, out, watch)
        gone = result.example is not None and isinstance(place, Scratch) and place.holds(result.example)
        return replace(result, example=None) if gone else result
    finally:
        leave(place)


def write(trained: Trained, out: Path, watch: Stopwatch) -> TrainResult:
    """Write the bundle of a run, and return the result that a person asks for first.

    How long anything took is told, not written: equal runs give equal bytes, but for the date.
    """
    with watch("write"):
        made_at = created_at(os.environ, time.time())
        files = bundle_files(trained, made_at)
        page = training_report(trained, files, made_at)
        sums = storage.write_files({**files, storage.REPORT: page.encode()}, out)
        if trained.options.use_cache and trained.options.cache is None:
            Quarantine().note(sums)  # the bundle was made and run here, and need not be tried when it is first loaded
    return _result(trained, out, watch, parse_manifest(files[storage.MANIFEST]))


def _result(trained: Trained, out: Path, watch: Stopwatch, manifest: Manifest) -> TrainResult:
    tuned, claimed, sides = trained.tuned, claim(trained.figures), trained.sides
    splits = [split for split in ("valid", "test") if any(item.split == split for item in trained.sample.items)]
    means = ""
    if claimed is not None:
        means = meaning(trained.figures, held_out=trained.on_given_split, grouped=trained.grouped)
    return TrainResult(
        bundle=out,
        report=out / storage.REPORT if out.suffix.lower() != ".zip" else None,
        images_used=len(trained.trained_on),
        skipped=sides.skipped,
        notes=trained.dataset.notes,
        task=trained.targets.task,
        classes=trained.targets.counts(),
        figures=trained.figures,
        groups_duplicates=len(sides.duplicates.clusters()),
        groups_user=sides.user_groups,
        random_split=f"{claimed}: {means}" if claimed is not None else None,
        worst=trained.worst,
        accept=trained.accept,
        accepts=accept_words(manifest),
        gate=manifest.gate,
        turns_away=gate_words(manifest),
        contradictory=trained.contradictory,
        leak=trained.leak,
        features=tuned.name if tuned else trained.chosen.features.name,
        fine_tuning=trained.outcome.words if trained.outcome else None,
        findings=trained.findings,
        ignored=trained.ignored,
        seconds=watch.totals(),
        example=local_file(trained.trained_on.items[0].reference),
        untouched_split="test" if len(splits) > 1 else None,
        gotchas=trained.gotchas,
    )
