"""Watch what a bundle answers: images now, or the records of a store."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import UsageError
from ..core.plain_file import open_plain
from ..core.ports import Progress
from ..embed.unpack_place import leave, unpack_place
from ..model.predictor import Predictor
from ..monitor.batch import Watched, watch_images
from ..monitor.listing import list_images
from ..monitor.replay import replay
from ..store.sql_store import open_store

_SQLITE = b"SQLite format 3\0"


def is_store(data: str) -> bool:
    """Tells whether a place is that of a store: a SQLite file, or a URL of a database."""
    if data.startswith(("postgresql:", "postgres:", "postgresql+psycopg:", "sqlite:")):
        return True
    path = Path(data)
    if not path.is_file():
        return False
    with open_plain(path) as file:
        return file.read(len(_SQLITE)) == _SQLITE


def monitor(predictor: Predictor, data: str, *, by: str | None, model: str | None, progress: Progress) -> Watched:
    """Watch a folder, table or archive of images, or replay the records of a store of the model of that name.

    Raises:
        SourceError, StoreError, UsageError: it cannot be read.
    """
    if data.startswith(("http://", "https://")):
        raise UsageError(
            f"{data} is the address of a server, whose own monitor stands at /v1/monitor and in its console; to replay what it "
            "answered, give its store: the file, or postgresql://USER@HOST/NAME"
        )
    if is_store(data):
        store = open_store(data, create=False)
        try:
            return replay(predictor, store, model, progress)
        finally:
            store.close()
    place = unpack_place(None, use_cache=True)
    found = watch_images(predictor, list_images(data, predictor.manifest.input, place, by), None, progress)
    leave(place)
    return found
