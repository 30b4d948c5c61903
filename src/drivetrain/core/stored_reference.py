"""An input that a store keeps, as a reference that can be read like a file."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from typing import Protocol

from .errors import StoreError
from .records import StoredInput


class InputStore(Protocol):
    """The part of a store that gives back inputs. Safe to use from several threads; may raise `StoreError`."""

    def input(self, sha256: str) -> StoredInput | None:
        """Return the input whose received bytes had that hash, where it is kept."""
        ...


@dataclass(frozen=True, slots=True)
class StoredReference:
    """An input of a store, by the hash of the bytes that were received."""

    sha256: str
    store: InputStore = field(compare=False, repr=False)

    @property
    def name(self) -> str:
        """The hash."""
        return self.sha256

    def read_bytes(self) -> bytes:
        """Read the input as it is kept.

        Raises:
            OSError: it has been forgotten meanwhile, or the store cannot be read.
        """
        try:
            found = self.store.input(self.sha256)
        except StoreError as error:
            raise OSError(errno.EIO, str(error)) from None
        if found is None:
            raise FileNotFoundError(errno.ENOENT, "the store keeps it no longer")
        return found.data
