"""How the bytes of an input become what a network sees: plain data that a manifest carries, with its one executor.

`drivetrain.data.image.preprocess.Preprocess` is the one for images. Whoever runs networks (the embedder, a loaded bundle, the
server) goes by this protocol, and so another kind of input needs no edit there; see `drivetrain.model.inputs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from ..core.types import FloatArray, ItemFacts


class Preparation(Protocol):
    """A frozen pydantic model. ``content`` is whatever `read` gives, and nobody else looks into it."""

    input_type: ClassVar[str]
    """What a manifest calls the input: ``image``."""
    details: ClassVar[Mapping[str, type]]
    """What `ItemFacts.details` holds, by name: each an int, float or str."""
    fingerprint_bytes: ClassVar[int]
    """Length of `ItemFacts.fingerprint`; 0 where there is none."""
    can_be_varied: ClassVar[bool]
    """Whether an input may be shown mirrored, and a slightly altered copy of it can be made."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one tensor."""
        ...

    @property
    def words(self) -> str:
        """What is done, for a person: ``squish to 224×224, bilinear``."""
        ...

    @property
    def reading(self) -> str:
        """Equal for those that read equal content from equal bytes: part of what facts are cached under."""
        ...

    def read(self, data: bytes) -> Any:
        """The content of a file.

        Raises:
            InputError: it cannot be used.
        """
        ...

    def facts(self, sha256: str, content: Any) -> ItemFacts:
        """What the content teaches; ``sha256`` is of the bytes."""
        ...

    def altered(self, content: Any) -> Any:
        """A slightly altered copy, as copies in the wild are; asked for where inputs can be varied."""
        ...

    def tensor(self, content: Any) -> FloatArray:
        """What the network sees, of `shape`."""
        ...

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """As plain data: part of what embeddings are cached under."""
        ...
