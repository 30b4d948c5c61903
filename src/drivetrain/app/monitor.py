"""Watch what a bundle answers: images now, or the records of a store."""

from __future__ import annotations

from contextlib import closing

from ..core.errors import UsageError
from ..core.ports import Progress
from ..embed.unpack_place import leave, unpack_place
from ..model.predictor import Predictor
from ..monitor.batch import Watched, watch_images
from ..monitor.listing import list_images
from ..monitor.replay import replay
from ..store.place import is_store
from ..store.sql_store import open_store


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
        with closing(open_store(data, create=False)) as store:
            return replay(predictor, store, model, progress)
    place = unpack_place(None, use_cache=True)
    found = watch_images(predictor, list_images(data, predictor.manifest.input, place, by), None, progress)
    leave(place)
    return found
