"""A source of pictures: an adapter from a service to `Found`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from .api import Api
from .found import Found


class Source(Protocol):
    """A service that finds pictures by words."""

    @property
    def name(self) -> str:
        """The name by which ``--source`` and provenance know it."""
        ...

    def search(self, query: str, api: Api, *, only_open: bool) -> Iterator[Found]:
        """Find pictures, page by page as they are asked for. ``only_open``: those of closed licences are not wanted, and left out
        where the service can do that.

        Raises:
            NotFetchedError: the service cannot be asked, or does not answer.
            StoppedError: the run is stopped.
        """
        ...


def text_of(value: Any) -> str | None:
    """Return a service's text in one line, or None where it gave none.

    >>> text_of("  a bear "), text_of(""), text_of(7)
    ('a bear', None, None)
    """
    if not isinstance(value, str):
        return None
    # JSON may escape half a character, which no file can hold.
    return " ".join(value.encode("utf-8", "replace").decode("utf-8").split()) or None


def rows_of(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a service's list; empty where there is no list."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
