"""Preparation: the way from an input's bytes to a network's tensor, as plain data that a manifest carries, with its executor.

`drivetrain.data.image.preprocess.Preprocess` is the one for images. Whoever runs networks (the embedder, a loaded bundle, the
server) goes by this protocol, and so another kind of input needs no edit there; see `drivetrain.model.inputs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from ..core.types import FloatArray, ItemFacts


class Preparation(Protocol):
    """The preparation of an input, a frozen pydantic model. ``content`` is what `read` gives; nobody else looks into it."""

    input_type: ClassVar[str]
    """The manifest's name for the input: ``image``."""
    details: ClassVar[Mapping[str, type]]
    """The types of `ItemFacts.details`, by name: each an int, float or str."""
    fingerprint_bytes: ClassVar[int]
    """Length of `ItemFacts.fingerprint`; 0 where there is none."""
    can_be_varied: ClassVar[bool]
    """Tells whether an input may be shown mirrored, and a slightly altered copy of it can be made."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one tensor."""
        ...

    @property
    def words(self) -> str:
        """The preparation in words for a person: ``squish to 224×224, bilinear``."""
        ...

    @property
    def reading(self) -> str:
        """The way of reading: equal for preparations that read equal content from equal bytes. Facts are cached under it."""
        ...

    def read(self, data: bytes) -> Any:
        """Read a file's content from its bytes.

        Raises:
            InputError: it cannot be used.
        """
        ...

    def facts(self, sha256: str, content: Any) -> ItemFacts:
        """Return the facts that the content teaches; ``sha256`` is of the bytes."""
        ...

    def altered(self, content: Any) -> Any:
        """Return a slightly altered copy, as copies in the wild are; called only where inputs can be varied."""
        ...

    def tensor(self, content: Any) -> FloatArray:
        """Return the network's input, of `shape`."""
        ...

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """Return the preparation as plain data, under which embeddings are cached."""
        ...
