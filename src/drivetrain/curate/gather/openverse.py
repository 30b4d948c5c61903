"""Openverse: openly licensed pictures of many archives. Asked without a key: 20 a page, and 240 a search.

The service says in each answer how many pages it lets be seen (``page_count``), and turns away those who ask too often by 429.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .api import Api
from .found import Found
from .licences import address_of, short_name
from .refusal import NotFetchedError
from .source import rows_of, text_of

PAGE = 20
"""The most that a page may hold without a key; a request for more is refused."""

# Seconds between requests: the service lets those without a key ask 20 times a minute.
INTERVAL_S = 3.0


@dataclass(frozen=True, slots=True)
class Openverse:
    """The service at api.openverse.org."""

    base: str = "https://api.openverse.org"
    interval_s: float = INTERVAL_S
    name: str = "openverse"

    def search(self, query: str, api: Api, *, only_open: bool) -> Iterator[Found]:  # noqa: ARG002  # all it has is open
        """Find pictures; everything there is openly licensed."""
        page, pages = 1, 1
        while page <= pages:
            asked: dict[str, str | int] = {"q": query, "page": page, "page_size": PAGE}
            try:
                document = api.get(f"{self.base}/v1/images/", asked, interval_s=self.interval_s)
            except NotFetchedError as error:
                if page > 1 and error.reason in ("forbidden", "host error", "not found") and not error.passing:
                    return  # deeper pages than those without a key may see
                raise
            rows = rows_of(document.get("results"))
            yield from filter(None, map(_found, rows))
            count = document.get("page_count")
            pages = count if isinstance(count, int) and rows else 0
            page += 1


def _found(row: dict[str, Any]) -> Found | None:
    url = text_of(row.get("url"))
    if url is None:
        return None
    licence = short_name(text_of(row.get("license")), text_of(row.get("license_version")))
    return Found(
        url,
        page=text_of(row.get("foreign_landing_url")),
        licence=licence,
        licence_url=text_of(row.get("license_url")) or address_of(licence),
        author=text_of(row.get("creator")),
        title=text_of(row.get("title")),
    )
