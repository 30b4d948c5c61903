"""A wish: the words to search for, and the class folder that their pictures go to."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from ...core.errors import UsageError

# Names that Windows keeps for devices, whatever their ending; a folder of one could not be read there.
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]+')


@dataclass(frozen=True, slots=True)
class Wish:
    """One class to gather."""

    label: str
    query: str


def folder_name(text: str) -> str:
    """Return a text as the name of a class folder: what file systems forbid becomes a hyphen, the rest stays.

    >>> folder_name("grizzly bear"), folder_name("AC/DC: live"), folder_name("../etc")
    ('grizzly bear', 'AC-DC- live', 'etc')

    Raises:
        UsageError: no name is left.
    """
    name = " ".join(_FORBIDDEN.sub("-", unicodedata.normalize("NFC", text)).split()).strip(" .-_")
    if not name or _DEVICES.fullmatch(name) or len(name.encode()) > 200:
        raise UsageError(f"{text!r} makes no name of a folder; say name=words to search for")
    return name


def wishes(words: Sequence[str]) -> tuple[Wish, ...]:
    """Read queries, each ``words`` or ``name=words``.

    >>> wishes(["teddy=teddy bear"])
    (Wish(label='teddy', query='teddy bear'),)

    Raises:
        UsageError: one is empty, or two would go to one folder.
    """
    found: list[Wish] = []
    for word in words:
        name, sign, query = word.partition("=")
        query = " ".join((query if sign else name).split())
        if not query:
            raise UsageError(f"{word!r} has no words to search for; give words, or name=words")
        found.append(Wish(folder_name(name if sign else query), query))
    labels = [wish.label.casefold() for wish in found]
    twice = next((wish for wish in found if labels.count(wish.label.casefold()) > 1), None)
    if twice is not None:
        raise UsageError(f"two queries go to the folder {twice.label!r}; give each a name of its own: name=words")
    return tuple(found)
