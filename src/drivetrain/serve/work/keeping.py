"""The part of an answered input that goes into the store: nothing, its hash, or the file without metadata."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import Any

from ...core.errors import InputError
from ...core.records import StoredInput
from ...core.retention import Retention
from ...model.inputs.input import Input
from .pictures import Pictures

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Keeping:
    """The rule of what is kept. Workers apply it when they have read an input, so that writing to the store stays quick."""

    retention: Retention
    keep_metadata: bool = False

    def sha256(self, data: bytes) -> str | None:
        """The input's SHA-256, of the file as it was received."""
        return hashlib.sha256(data).hexdigest() if self.retention.keeps_hash else None

    def kept(
        self,
        form: Input,
        data: bytes,
        sha256: str | None,
        media_type: str,
        pictures: Pictures,
        content: Any = None,
    ) -> StoredInput | None:
        """Return the file to keep, if any; ``content`` is its whole content, if the caller has it.

        Without metadata it may be too large, or refuse to be had; then it is not kept, and the hash stands alone.
        """
        if sha256 is None or not self.retention.keeps_input:
            return None
        if self.keep_metadata:
            return StoredInput(sha256, data, media_type)
        try:
            stripped = pictures.stripped(form, data, content)
        except InputError as error:
            log.warning("an image was not kept, only its hash: its metadata cannot be taken out: %s", error)
            return None
        if stripped is None:
            log.warning("an image was not kept, only its hash: of %s without metadata too large a PNG", media_type)
            return None
        return StoredInput(sha256, *stripped)
