"""The classes that one key each gives, in the order in which they came up: named at the start, added while labelling."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from threading import Lock

from ..core.errors import UsageError
from ..data.edits.edit import Fate
from ..data.edits.log import EditLog

KIND = "class"
"""The kind of a line in the log that adds a class."""

LONGEST = 100

# Names that folders cannot have on some systems, or that are something else in a data set.
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
_TAKEN = {"removed", "train", "valid", "validation", "val", "test"}
_FORBIDDEN = set('/\\<>:"|?*\0')


def checked_class(name: str) -> str:
    """Return a class's name as it is written: composed, and without white space around it.

    Raises:
        UsageError: no folder can be called so on every system, or a folder of that name means something else.
    """
    plain = unicodedata.normalize("NFC", " ".join(name.split()))
    why = None
    if not plain:
        why = "is empty"
    elif len(plain) > LONGEST:
        why = f"has {len(plain)} characters; at most {LONGEST} fit into a folder's name"
    elif plain[0] == "." or plain[-1] == ".":
        why = "begins or ends with a dot, which hides a folder, or is lost"
    elif (odd := sorted(sign for sign in set(plain) if sign in _FORBIDDEN or not sign.isprintable())) != []:
        why = f"holds {', '.join(map(repr, odd))}, which no folder may on every system"
    elif plain.lower() in _DEVICES | _TAKEN:
        why = "means something else as a folder's name"
    if why:
        raise UsageError(f"a class cannot be called {name[:LONGEST]!r}: the name {why}; give another")
    return plain


class LabelClasses:
    """The classes of one log. Safe to use from several threads."""

    def __init__(self, given: Iterable[str], edits: EditLog) -> None:
        """Begin with the classes given, and go on with those that the log has.

        Raises:
            UsageError: one of those given cannot be one.
        """
        self._given = tuple(dict.fromkeys(checked_class(name) for name in given))
        self._edits = edits
        self._turn = Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """All of them: given, then added, then those that labels have without having been either."""
        added = (str(line["name"]) for line in self._edits.lines(KIND) if isinstance(line.get("name"), str))
        stands = (one.standing for one in self._edits.standings.values())
        labels = (one.label for one in stands if one.label is not None and one.fate is not Fate.REMOVED)
        return tuple(dict.fromkeys([*self._given, *added, *sorted(set(labels))]))

    def add(self, name: str, by: str, at: datetime) -> str:
        """Add one, for good.

        Raises:
            UsageError: it cannot be one, or there is one of that name.
            DataError: the log cannot be written to.
        """
        plain = checked_class(name)
        with self._turn:
            same = _alike(plain, self.names)
            if same is not None:
                raise UsageError(f"there is a class “{same}” already; press its key")
            self._edits.append_line(KIND, {"name": plain, "by": by, "at": at.isoformat()})
        return plain


def _alike(name: str, names: Sequence[str]) -> str | None:
    return next((one for one in names if one.casefold() == name.casefold()), None)
