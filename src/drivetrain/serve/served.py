"""The models that are served: names, versions, and how a new version takes the place of the old."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from ..core.errors import DrivetrainError, UsageError
from ..core.local_path import local_path
from ..model.predictor import Predictor
from ..model.storage import MAX_FILES, look

Load = Callable[[Path], Predictor]

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")


class NoSuchModel(Exception):  # noqa: N818  # an answer, not a fault
    """There is no model, or no version of it, by this name; the message says which there are."""


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A bundle under the name it answers to."""

    name: str
    path: Path
    predictor: Predictor
    on_disk: object = None
    """The look of the bundle's files when it was loaded; another look means that there is a new version."""
    problem: str | None = None
    """The reason why the version on disk now was refused."""

    @property
    def version(self) -> str:
        """The bundle's id."""
        return self.predictor.manifest.bundle_id


class Shelf:
    """The models of a server, in the order given. Reading takes no lock: a change puts a new tuple in place of the old.

    A request holds on to the model it began with, so a version that is replaced answers what it was asked before.
    """

    def __init__(
        self, bundles: Sequence[tuple[str | None, Path]], load: Load, *, allow_other_classes: bool = False
    ) -> None:
        """Load bundles, each under the name given with it, or its manifest's.

        Whoever asks a model by its name counts on what it answers with, so a new version with other classes, labels or
        numbers is refused unless ``allow_other_classes``.

        Raises:
            BundleError: one of them cannot be trusted or read.
            UsageError: there is none, or the same bundle twice under one name.
        """
        if not bundles:
            raise UsageError("there is no bundle to serve; name at least one")
        self._load = load
        self._allow_other_classes = allow_other_classes
        self.models = tuple(self._read(path, name) for name, path in bundles)
        # Loading may take a minute, and must hold up nobody but those who would load the same model.
        self._loading = tuple(threading.Lock() for _ in self.models)
        self._change = threading.Lock()  # held only while another tuple is put in place
        seen = [(model.name, model.version) for model in self.models]
        for served, version in seen:
            if seen.count((served, version)) > 1:
                raise UsageError(f"the bundle {version} is given twice as {served}; name one: OTHER=PATH")

    @property
    def names(self) -> tuple[str, ...]:
        """The names the models answer to, each once; no version changes them."""
        return tuple(dict.fromkeys(model.name for model in self.models))

    def find(self, name: str | None = None, version: str | None = None) -> ServedModel:
        """The named model; of several versions the last given; the first model of all where no name is given.

        Raises:
            NoSuchModel: there is none.
        """
        models = self.models
        wanted = name or models[0].name
        of_name = [model for model in models if model.name == wanted]
        if not of_name:
            raise NoSuchModel(f"there is no model {wanted[:80]!r}; served are {', '.join(self.names)}")
        if not version:
            return of_name[-1]
        for model in reversed(of_name):
            if model.version == version:
                return model
        versions = ", ".join(model.version for model in of_name)
        raise NoSuchModel(f"{wanted} has no version {version[:80]!r}; served are {versions}")

    def refresh(self, name: str | None = None, *, force: bool = False) -> list[str]:
        """Load what changed on disk, and put it in place of the old once it has passed every check.

        What is refused leaves the old version serving, with the reason in its ``problem``. One model after another; who calls
        it for each by its name, in threads, has them looked at side by side. Returns a line for each change.
        """
        places = [place for place, model in enumerate(self.models) if name is None or model.name == name]
        return [line for place in places if (line := self._refresh_one(place, force)) is not None]

    def _refresh_one(self, place: int, force: bool) -> str | None:
        with self._loading[place]:  # nobody else changes what stands in this place
            old = self.models[place]
            new = self._newer(old, force)
            if new is old:
                return None
            with self._change:
                self.models = (*self.models[:place], new, *self.models[place + 1 :])
        return _told(old, new)

    def _newer(self, old: ServedModel, force: bool) -> ServedModel:
        seen = file_states(old.path)
        if seen == old.on_disk and not force:
            return old
        try:
            new = self._read(old.path, old.name)
        except (DrivetrainError, OSError, MemoryError) as error:
            return replace(old, on_disk=seen, problem=str(error) or "not enough memory to load it")
        if (fault := _other_answers(old, new)) and not self._allow_other_classes:
            return replace(old, on_disk=seen, problem=fault)
        if new.version != old.version:
            return new
        if not _is_same(old, new):
            fault = f"it is another model under the id of this one ({old.version}); train or export it anew"
            return replace(old, on_disk=seen, problem=fault)
        # The same model, copied or touched; what is warm stays.
        return replace(old, on_disk=new.on_disk, problem=None)

    def _read(self, path: Path, name: str | None) -> ServedModel:
        seen = file_states(path)  # before reading: what changes while it is read is looked at again
        predictor = self._load(path)
        return ServedModel(name or slug(predictor.manifest.name), path, predictor, seen)


def file_states(path: Path) -> tuple[object, ...]:
    """The state of a bundle and of each of its files, in which a new version shows.

    The files of a folder are copied over one by one, and it is refused until the last has come; as any may be the last, each
    is looked at.
    """
    seen: list[object] = [look(path)]
    try:
        for file in islice(sorted(path.rglob("*")), MAX_FILES):
            status = file.stat()
            seen.append((status.st_ino, status.st_mtime_ns, status.st_size))
    except OSError:
        pass  # it changes just now, and will look different next time
    return tuple(seen)


def _is_same(old: ServedModel, new: ServedModel) -> bool:
    """Tells whether both give the same answers; a bundle's id alone is no proof of that."""
    before, after = old.predictor, new.predictor
    return (before.model_sha256, before.manifest) == (after.model_sha256, after.manifest)


def _other_answers(old: ServedModel, new: ServedModel) -> str | None:
    """Say how the answers under one name would change in form; None where they would not."""
    before, after = old.predictor.manifest, new.predictor.manifest
    if before.task != after.task:
        what = f"its task is {after.task}, not {before.task}"
    elif before.outputs != after.outputs:
        others = [name for name in after.outputs if name not in before.outputs]
        gone = [name for name in before.outputs if name not in after.outputs]
        parts = [f"{word} {_few(names)}" for word, names in (("new", others), ("gone", gone)) if names]
        what = f"it answers with other names ({'; '.join(parts) or 'the same in another order'})"
    else:
        return None
    return f"{new.version}: {what}; serve it under a name of its own (OTHER=PATH), or start with --allow-other-classes"


def _few(names: Sequence[str]) -> str:
    return ", ".join(name[:40] for name in names[:3]) + (", …" if len(names) > 3 else "")


def _told(old: ServedModel, new: ServedModel) -> str:
    if new.problem:
        return f"{old.name}: what stands at {old.path} was refused, {old.version} goes on serving: {new.problem}"
    if new.version == old.version:
        return f"{old.name}: {old.version} was looked at again"
    return f"{old.name}: {new.version} serves in place of {old.version}"


def parse_bundle(text: str) -> tuple[str | None, Path]:
    """``PATH`` or ``NAME=PATH``.

    >>> parse_bundle("night=bears.bundle")
    ('night', PosixPath('bears.bundle'))

    Raises:
        UsageError: the name is none that can stand in an address, or the path is an address itself.
    """
    name, sign, path = text.partition("=")
    # A path may hold a sign of equality itself; what has a folder in it, or stands on disk, is no name.
    if not sign or "/" in name or "\\" in name or Path(text).exists():
        return None, local_path(text)
    if not NAME.fullmatch(name):
        raise UsageError(f"{name[:80]!r} cannot name a model; use small letters, digits, and . _ - between them")
    return name, local_path(path)


def slug(title: str) -> str:
    """A manifest's name as it stands in an address.

    >>> slug("Solar cells"), slug("Bären (Nacht)"), slug("熊")
    ('solar-cells', 'baren-nacht', 'model')
    """
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9._]+", "-", plain).strip("-._")[:80] or "model"
