"""By what the files of an input are known among others, and what people call them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass

from ...core.plain_file import open_plain

# Bytes to read of a file to name it: a tar says so behind byte 257, office documents in the first entries of a zip.
HEAD_BYTES = 4096


# A dot behind one of these may begin a name instead of its ending.
_DOUBTFUL = frozenset({"/", os.sep, "."})


def _unnamed(_head: bytes) -> str | None:
    return None


@dataclass(frozen=True)
class FileForm:
    """The files of one input. Sources list those that have it, and put what is none on record.

    >>> FileForm("vector", "vectors", "a", frozenset({".npy"})).a_one
    'a vector'
    """

    one: str
    """The word for one input: ``image``."""
    many: str
    article: str
    endings: frozenset[str]
    """Endings of names, in lower case with the dot. A file that has one is believed without being opened: whoever reads it
    looks at
    its content anyway."""
    head: re.Pattern[bytes] | None = None
    """The beginnings of files that are such inputs without such an ending."""
    foreign: Callable[[bytes], str | None] = _unnamed
    """Says what another file is instead, in a few words, by its first `HEAD_BYTES`."""
    usual: str = ""
    """The ending in examples, without the dot."""
    folder: str = "data"
    """A folder of such files in examples."""

    @property
    def a_one(self) -> str:
        """``an image``."""
        return f"{self.article} {self.one}"

    def count(self, number: int) -> str:
        """``1 image``, ``2 images``."""
        return f"{number} {self.one if number == 1 else self.many}"

    def begins(self, head: bytes) -> bool:
        """Tells whether a file begins as such files do."""
        return self.head is not None and self.head.match(head) is not None

    def problem(self, path: str) -> tuple[str, str] | None:
        """None if the regular file at ``path`` passes for one, else the reason and a sentence."""
        name, _, ending = path.rpartition(".")
        if name and f".{ending.lower()}" in self.endings and (name[-1] not in _DOUBTFUL or os.path.splitext(path)[1]):  # noqa: PTH122  # seldom
            return None
        try:
            with open_plain(path) as file:
                head = file.read(HEAD_BYTES)
        except OSError as error:
            return "unreadable", error.strerror or type(error).__name__
        if self.begins(head):
            return None
        if not head:
            return f"not {self.a_one}", "the file is empty"
        otherwise = f"neither its extension nor its first bytes are {self.a_one}'s"
        return f"not {self.a_one}", self.foreign(head) or otherwise
