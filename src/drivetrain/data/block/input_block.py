"""The block of the input that is predicted from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Self, TypeVar

from ...core.errors import UsageError
from ...core.ports import Notes, Progress
from ...core.types import Item
from ..image.traits import Traits
from ..preparation import Preparation
from ..sources.file_form import FileForm

Named = tuple[str, object]
"""An item's name within its source, and what its input is read from."""


Block = TypeVar("Block", bound="InputBlock", covariant=True)


@dataclass(frozen=True)
class Fitted(Generic[Block]):
    """A block that has learned from a data set what reading an input depends on."""

    block: Block
    words: str | None
    """A person is told this; None where there was nothing to learn."""


class InputBlock(ABC):
    """The input that is predicted from."""

    input_type: ClassVar[str]
    """The manifest's name for this input; the backbones to choose from are those that take it."""
    files: ClassVar[FileForm]
    """The form by which this input's files are known in a source."""

    @abstractmethod
    def prepared(self, preparation: Preparation, resize: str | None) -> Preparation:
        """Return the preparation for the items of this block, for a network that wants them as ``preparation`` has it.

        ``resize``: the way asked for of bringing images to the network's size.

        Raises:
            UsageError: the network takes another input, or there is nothing to resize.
        """

    def in_range(self, values: tuple[float, float]) -> Self:
        """Return a block whose inputs' values lie between these two, as a person says.

        Raises:
            UsageError: such inputs have no range of values.
        """
        raise UsageError(
            f"range (--range) is for images of more than 8 bits, not for {self.files.many}; leave out {values}"
        )

    def fitted(
        self,
        inputs: Iterable[Named],  # noqa: ARG002  # for subclasses
        progress: Progress,  # noqa: ARG002
        workers: int | None = None,  # noqa: ARG002
        notes: Notes | None = None,  # noqa: ARG002
    ) -> Fitted[Self]:
        """Learn, from inputs to train on, what reading others depends on: most blocks nothing. ``notes`` keeps what was found out
        of an input for the next run."""
        return Fitted(self, None)

    def traits(
        self,
        items: Sequence[Item],
        progress: Progress,  # noqa: ARG002  # for subclasses
        workers: int | None = None,  # noqa: ARG002
        notes: Notes | None = None,  # noqa: ARG002
    ) -> tuple[Traits | None, ...]:
        """Take what one look at each item says of it without a network: of most inputs nothing. None where it cannot be read.

        ``notes`` keeps what was found out for the next run.
        """
        return (None,) * len(items)
