"""The images of a case as people will see them, which are kept whatever becomes of those of predictions."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from ...core.errors import InputError
from ...core.records import StoredInput
from ...model.inputs.input import Input
from .pictures import Pictures

log = logging.getLogger(__name__)

# A picture that is too large to be written without its metadata is kept as a JPEG with sides of at most so many pixels.
SMALLER = 2048


def kept_inputs(form: Input, files: Iterable[tuple[str, bytes]], pictures: Pictures) -> tuple[StoredInput, ...]:
    """Make what is kept of files, given with their SHA-256: without metadata; nothing of what cannot be read."""
    found = (_kept(form, sha256, data, pictures) for sha256, data in dict(files).items())
    return tuple(one for one in found if one is not None)


def _kept(form: Input, sha256: str, data: bytes, pictures: Pictures) -> StoredInput | None:
    try:
        stripped = pictures.stripped(form, data)
        if stripped is None:
            stripped = pictures.thumbnail(data, SMALLER, form), "image/jpeg"
    except InputError as error:
        log.warning("an image of a case cannot be shown to people: %s", error)
        return None
    return StoredInput(sha256, *stripped)
