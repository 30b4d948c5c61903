"""Opening what is to be labelled: a folder or a store, its log, the classes, and what follows from each label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath

from ..core.errors import UsageError
from ..core.local_path import local_path
from ..core.records import Record
from ..core.types import Dataset, Item
from ..core.verdict import Verdict
from ..data.edits.log import EditLog
from ..data.edits.places import log_place
from ..data.provenance.line import Provenance
from ..data.provenance.record import ProvenanceRecord, read_record
from ..embed.cache import EmbeddingCache, default_folder
from ..embed.unpack_place import unpack_place
from ..model.predictor import Predictor, load
from .filing import Filing
from .label_classes import LabelClasses
from .labelling import Aftermath, LabellingSession
from .pool import Pool, check_bundle, pool_of, read_unlabelled
from .stored_items import VERDICTS, LabelledStore, stored_items
from .surveying import Surveying
from .telling import Telling

STORE_LOG = PurePosixPath(".drivetrain", "store.edits.jsonl")
"""The place, within the data set, of the log of what was labelled from a store: readers of folders pass over a hidden one."""

# Endings by the types of inputs that servers keep.
ENDINGS = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "image/bmp": ".bmp",
    "image/tiff": ".tif",
    "image/heic": ".heic",
    "image/heif": ".heif",
    "image/avif": ".avif",
}


@dataclass(frozen=True)
class LabelOptions:
    """The choices of a labelling session."""

    source: str | None = None
    """A folder, table or archive; None where a store gives the items."""
    into: Path | None = None
    """The data set that labelled items become files of."""
    classes: tuple[str, ...] = ()
    bundle: Path | None = None
    backbone: str | None = None
    verdicts: tuple[Verdict, ...] = VERDICTS
    cache: Path | None = None
    use_cache: bool = True
    workers: int | None = None
    seed: int = 0


@dataclass(frozen=True, eq=False)
class LabelSet:
    """A source or a store, opened to be labelled."""

    session: LabellingSession
    title: str
    log: Path
    close: Callable[[], None]
    """Lets go of what is held open."""


def open_label_set(
    options: LabelOptions, clock: Callable[[], datetime], store: LabelledStore | None = None
) -> LabelSet:
    """Read what is to be labelled; nothing is embedded yet. ``store`` gives the items where it is not None.

    Raises:
        UsageError: options do not go together.
        SourceError: the source cannot be read.
        DataError: there is nothing to label, or the log cannot be read.
        BundleError: the bundle cannot be trusted or read.
        StoreError: the store cannot be read.
    """
    _check(options, store)
    bundle = load(options.bundle) if options.bundle is not None else None
    if bundle is not None:
        check_bundle(bundle)
    given = (*options.classes, *(bundle.classes if bundle else ()))
    if store is None:
        return _of_source(options, given, bundle, clock)
    return _of_store(options, given, bundle, clock, store)


def _check(options: LabelOptions, store: LabelledStore | None) -> None:
    if (options.source is None) == (store is None):
        both = "a source and --store were given" if store is not None else "nothing to label was given"
        raise UsageError(f"{both}; give one of them: a folder, or --store STORE")
    if store is not None and options.into is None:
        raise UsageError(
            "--store has inputs, and labels need a place: give --into DATA, the folder that gets the pictures"
        )
    if options.bundle is not None and options.backbone is not None:
        raise UsageError("--bundle brings a network of its own; leave --backbone out")
    if options.source is not None and options.into is not None:
        source, into = local_path(options.source).absolute(), options.into.absolute()
        if into == source or into.is_relative_to(source) or source.is_relative_to(into):
            raise UsageError(
                f"--into {options.into} and the source {options.source} lie in each other; give a folder elsewhere"
            )


def _of_source(
    options: LabelOptions, given: Sequence[str], bundle: Predictor | None, clock: Callable[[], datetime]
) -> LabelSet:
    assert options.source is not None  # checked
    log = EditLog.open(log_place(options.source))
    classes = LabelClasses(given, log)
    place = unpack_place(options.cache, use_cache=options.use_cache)
    inputs = bundle.manifest.input.block() if bundle else None
    dataset = read_unlabelled(options.source, place, classes.names, inputs)
    record, aftermath = None, list[Aftermath]()
    if options.into is not None:
        record = _opened(options.into)
        aftermath.append(Filing(options.into, record, _own_name, _origin_of_files(options.source)))
    return _label_set(options, dataset, bundle, log, classes, clock, aftermath, record)


def _of_store(
    options: LabelOptions,
    given: Sequence[str],
    bundle: Predictor | None,
    clock: Callable[[], datetime],
    store: LabelledStore,
) -> LabelSet:
    assert options.into is not None  # checked
    record = _opened(options.into)
    path = options.into / STORE_LOG
    path.parent.mkdir(parents=True, exist_ok=True)
    log = EditLog.open(path)
    found = stored_items(store, options.verdicts, frozenset(log.standings))
    answered = sorted({name for one in found.records.values() for name in one.prediction.probs})
    classes = LabelClasses([*given, *(name for name in answered if not given)], log)
    aftermath: list[Aftermath] = [
        Filing(options.into, record, _stored_name(store), _origin_of_records(found.records)),
        Telling(store, found.records),
    ]
    return _label_set(options, found.dataset, bundle, log, classes, clock, aftermath, record)


def _label_set(
    options: LabelOptions,
    dataset: Dataset,
    bundle: Predictor | None,
    log: EditLog,
    classes: LabelClasses,
    clock: Callable[[], datetime],
    aftermath: Sequence[Aftermath],
    record: ProvenanceRecord | None,
) -> LabelSet:
    def look(surveying: Surveying) -> Pool:
        folder = (options.cache or default_folder()) if options.use_cache else None
        cache = EmbeddingCache(folder, surveying.say)
        try:
            return pool_of(dataset, cache, surveying, bundle=bundle, backbone=options.backbone, workers=options.workers)
        finally:
            cache.close()

    session = LabellingSession(look, log, classes, clock, aftermath, options.seed)
    return LabelSet(session, dataset.source, log.path, record.close if record else lambda: None)


def _opened(folder: Path) -> ProvenanceRecord:
    """Open the record of origins of a folder, which is made where it is not there.

    Raises:
        UsageError: the folder cannot be written, or another program is adding to it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return ProvenanceRecord(folder)
    except OSError as error:
        raise UsageError(f"--into {folder} cannot be written: {error.strerror or error}; give another folder") from None


def _own_name(item: Item) -> str:
    return PurePosixPath(item.name).name


def _origin_of_files(source: str) -> Callable[[Item, Provenance], Provenance]:
    """An item's own line, where its folder has one, goes with it."""
    folder = local_path(source)
    known = {line.name: line for line in read_record(folder)} if folder.is_dir() else {}

    def origin(item: Item, line: Provenance) -> Provenance:
        own = known.get(item.name)
        if own is None:
            return replace(line, source="folder")
        return replace(own, name=line.name, sha256=line.sha256, at=line.at, label_how=line.label_how)

    return origin


def _stored_name(store: LabelledStore) -> Callable[[Item], str]:
    def name(item: Item) -> str:
        kept = store.input(item.reference.name)
        return item.name + ENDINGS.get(kept.media_type if kept else "", ".jpg")

    return name


def _origin_of_records(records: dict[str, Record]) -> Callable[[Item, Provenance], Provenance]:
    def origin(item: Item, line: Provenance) -> Provenance:
        group = records[item.name].context.group
        return replace(line, source="store", url=f"urn:drivetrain:prediction:{item.name}", group=group)

    return origin
