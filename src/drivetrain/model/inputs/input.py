"""A bundle's input: the part of a manifest that describes it, with all that differs from one kind of input to another.

Whoever loads, asks, serves, explains or checks a model goes by this class and never asks which input it is; a further one is a
module beside `image`, and one call of `registry.register`. ``content`` is whatever the input's own `read` gives, and nobody
else looks into it. Shapes: N items; a tensor is of `Input.shape`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...core.reference import Reference, read_bounded
from ...core.types import Facts, FloatArray
from ...core.verdict import Reason
from ...data.block.blocks import InputBlock
from ...data.preparation import Preparation
from ...data.sources.file_form import FileForm
from ..part import Part


@dataclass(frozen=True, slots=True)
class Pictured:
    """An input as places that a heat map can be laid over: its size (width, height), the part the network sees, and a small
    picture of its own shape to draw on."""

    size: tuple[int, int]
    fitted: Image.Image
    shown: Image.Image
    tensor: FloatArray


class Input(Part, ABC):
    """The input of a bundle. A subclass has a literal ``type``, by which the registry knows it, and ``preprocess``."""

    type: str
    if TYPE_CHECKING:
        preprocess: Preparation  # a protocol, which pydantic cannot validate: each subclass has a model of its own

    files: ClassVar[FileForm]
    """By what its files are known among others, and what people call one and several."""
    tensor_name: ClassVar[str] = "values"
    """The name of the input's tensor in the Open Inference Protocol; its bytes are named by ``type``."""
    media_types: ClassVar[tuple[str, ...]]
    """The media types of the files that inputs are read from."""
    golden_name: ClassVar[str] = "tensors_G"
    """The name in the golden files of the arrays that machines compare, see `compared`."""
    most_difference: ClassVar[float] = 0.0
    """The most that two machines' `compared` may differ, by `difference`."""

    @classmethod
    def of(cls, preparation: Preparation) -> Input:
        """Make the input of a network whose tensors ``preparation`` makes."""
        return cls(preprocess=preparation)  # type: ignore[call-arg]  # a subclass's type has a default

    @classmethod
    def lifted(cls, stated: Any, version: int) -> Any:  # noqa: ARG003  # for subclasses
        """Lift what a manifest of schema version 3 or another says of the input to the present version."""
        return stated

    @classmethod
    @abstractmethod
    def block(cls) -> InputBlock:
        """The block that reads the input in a labelled source where no DataBlock is given."""

    @property
    def noun(self) -> str:
        """The word for one input in messages: ``image``."""
        return self.files.one

    @property
    def nouns(self) -> str:
        """The word for several inputs."""
        return self.files.many

    @property
    def limits(self) -> str:
        """The sentences of a model's card on the inputs that it sees."""
        return f"Check it on {self.nouns} of the place it will work in before anybody relies on it."

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one tensor."""
        return self.preprocess.shape

    @property
    def words(self) -> str:
        """The preparation of an input, in words for a person."""
        return self.preprocess.words

    def blank(self, count: int = 1) -> FloatArray:
        """Make (N, …) zeros, with which a network is tried, warmed and measured."""
        return np.zeros((count, *self.shape), np.float32)

    # Reading.

    def read(self, source: object, most: int | None = None) -> Any:
        """Read the content of a path, another reference, the bytes of a file, or a Python object of the input's own.

        ``most``: as `size_fault`; what is larger is not read.

        Raises:
            InputError: missing, unreadable, or none.
            UsageError: ``source`` is none of these.
        """
        if isinstance(source, bytes):
            return self.read_bytes(source, most)
        if isinstance(source, str | PathLike | Reference):
            return self.read_bytes(read_bounded(source), most)
        return self.read_object(source)

    def read_bytes(self, data: bytes, most: int | None = None, *, whole: bool = False) -> Any:  # noqa: ARG002  # for subclasses
        """Read the content of a file from its bytes; ``whole``: with all of it, see `is_whole`.

        Raises:
            InputError: there is none.
        """
        return self.preprocess.read(data)

    @abstractmethod
    def read_object(self, source: object) -> Any:
        """Read the content of a Python object.

        Raises:
            InputError: it cannot be used.
            UsageError: it is of another type.
        """

    def taken_at(self, path: Path) -> datetime | None:  # noqa: ARG002  # for subclasses
        """Return the moment at which a file says its content was taken; None where it says none that can be read."""
        return None

    def is_one(self, source: object) -> bool:
        """Tells whether this is a single source, where several are wanted."""
        return isinstance(source, str | bytes | PathLike | Reference)

    def tensor(self, content: Any) -> FloatArray:
        """Return the network's input.

        Raises:
            InputError: there is nothing to see.
        """
        return self.preprocess.tensor(content)

    @abstractmethod
    def facts(self, content: Any) -> Facts:
        """Return the facts that a record keeps of an input, and that rules may ask for.

        All of them stand in the `ItemFacts.details` that ``preprocess`` makes, so that rules may be asked of items that were
        embedded long ago.
        """

    def facts_in(self, details: Facts) -> Facts:
        """`facts`, from an item's `ItemFacts.details`."""
        return details

    @property
    def has_doubts(self) -> bool:
        """Tells whether a reason of `doubt` is one for which a person has to look, whatever the answer."""
        return False

    def doubt(self, facts: Facts) -> Reason | None:  # noqa: ARG002  # for subclasses
        """Return the reason to doubt an answer, whatever it is, to an input that was read so; None where there is none."""
        return None

    def remarks(self, facts: Facts) -> tuple[Reason, ...]:
        """Return what a person should know of how an input was read, the doubt among it."""
        doubt = self.doubt(facts)
        return () if doubt is None else (doubt,)

    # Serving: questions about a file before it is read, and the file that is kept.

    def size_fault(self, data: bytes, most: int) -> str | None:  # noqa: ARG002  # for subclasses
        """Say why a file is refused that would be read to more than ``most`` values a channel (pixels of an image); None where
        it may pass, as may what is no input at all: it is answered as unreadable."""
        return None

    def size_is_quick(self, data: bytes) -> bool:  # noqa: ARG002  # for subclasses
        """Tells whether `size_fault` takes microseconds, whoever made the file."""
        return True

    def memory(self, data: bytes, most: int, *, whole: bool = False) -> int:  # noqa: ARG002  # for subclasses
        """Return the bytes that `read_bytes` takes with the same arguments, besides the file.

        Raises:
            InputError: it is none, or too large.
        """
        return len(data)

    def media_type(self, content: Any) -> str:  # noqa: ARG002  # for subclasses
        """Return the media type of the file that the content was read from."""
        return self.media_types[0]

    def is_whole(self, content: Any) -> bool:  # noqa: ARG002  # for subclasses
        """Tells whether all of the file is in the content, so that `rewritten` can be made of it."""
        return True

    def without_metadata(self, data: bytes) -> tuple[bytes, str] | None:
        """Return the file without metadata, and its media type; None where `rewritten` has to be asked.

        Raises:
            InputError: it refuses to be had.
        """
        return data, self.media_types[0]

    def rewritten(self, data: bytes, content: Any) -> tuple[bytes, str] | None:  # noqa: ARG002  # for subclasses
        """Write the file anew from whole content; None where it would be too large."""
        return None

    def pictured(self, content: Any, longest: int) -> Pictured | None:  # noqa: ARG002  # for subclasses
        """Return the input as a picture with sides up to ``longest`` pixels; None where it has no places."""
        return None

    # Golden examples: files that every machine reads alike before it is trusted.

    @abstractmethod
    def golden_file(self, content: Any, *, lossless: bool) -> bytes:
        """Make a small file of the content, without metadata."""

    @abstractmethod
    def golden_ending(self, *, lossless: bool) -> str:
        """Return the ending of such a file's name, without the dot."""

    def far_examples(self) -> tuple[bytes, ...]:
        """Make small lossless files like nothing that anybody trains on, of which a gate has to refuse one: without any, a bundle
        has no gate."""
        return ()

    # Sets that a gate is tried on, for a reader of the report.

    def spoiled(self, content: Any) -> Mapping[str, bytes]:  # noqa: ARG002  # for subclasses
        """Make files of the content as a bad sensor or a bad copy would have it, by what was done to it: ``blurred``."""
        return {}

    def other_things(self) -> Mapping[str, tuple[tuple[bytes, ...], ...]]:
        """Make files of things that hardly anybody trains on, by what they are; several views of one thing in one tuple."""
        examples = tuple((one,) for one in self.far_examples())
        return {"Made to be like nothing": examples} if examples else {}

    def compared(self, content: Any) -> tuple[NDArray[Any], FloatArray]:
        """Return the form of an input that two machines compare (before it becomes floating point, where there is such a stage),
        and the tensor."""
        tensor = self.tensor(content)
        return tensor, tensor

    @property
    def compared_form(self) -> tuple[np.dtype[Any], tuple[int, ...]]:
        """The type and shape of the first array that `compared` gives."""
        return np.dtype(np.float32), self.shape

    def difference(self, got: NDArray[Any], expected: NDArray[Any]) -> float:
        """Measure how far two machines are apart; NaN is no agreement."""
        return float(np.abs(got.astype(np.float64) - expected.astype(np.float64)).max())

    def difference_words(self, difference: float) -> str:
        """Say a difference: ``pixels differ by 3 grey levels``."""
        return f"{self.tensor_name} differ by {difference:.3g}"

    @property
    def most_words(self) -> str:
        """Write `most_difference` as a number."""
        return f"{self.most_difference:g}"

    def described(self) -> Mapping[str, Any]:
        """Return the description that the server shows: ``type``, ``shape`` and ``media_types``."""
        return {"type": self.type, "shape": list(self.shape), "media_types": list(self.media_types)}
