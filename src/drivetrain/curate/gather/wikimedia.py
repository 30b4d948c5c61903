"""Wikimedia Commons: the search of its files, and what each file's page says of licence and author.

Its terms ask for a User-Agent that says who is asking, for requests one after the other, and to stand back while its databases
lag (``maxlag``). Pictures are fetched at a width of 1,280 pixels, one of those that it keeps ready, where the original is wider.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from .api import Api, Document
from .found import Found
from .licences import address_of, short_name
from .refusal import NotFetchedError
from .source import rows_of, text_of

PAGE = 50
"""Files of one request: as many as thumbnails are told of in one."""

WIDTH = 1280
LAG_S = 5
INTERVAL_S = 1.0

_WANTED = "LicenseShortName|LicenseUrl|Artist|ObjectName"
# Kinds of files that are no photo, or that the decoder does not read.
_READABLE = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif", "image/tiff"})


@dataclass(frozen=True, slots=True)
class Wikimedia:
    """The service at commons.wikimedia.org."""

    base: str = "https://commons.wikimedia.org"
    interval_s: float = INTERVAL_S
    name: str = "wikimedia"

    def search(self, query: str, api: Api, *, only_open: bool) -> Iterator[Found]:  # noqa: ARG002  # the search knows no licences
        """Find pictures; what it has is open but for few."""
        going_on: dict[str, str | int] = {}
        while True:
            asked = _asked(query) | going_on
            document = api.get(f"{self.base}/w/api.php", asked, interval_s=self.interval_s, busy=_lags)
            if isinstance(error := document.get("error"), dict):
                raise NotFetchedError("host error", f"Wikimedia says: {text_of(error.get('info')) or 'no'}")
            query_part = document.get("query")
            pages = rows_of(query_part.get("pages")) if isinstance(query_part, dict) else []
            for page in sorted(pages, key=_index):
                found = _found(page)
                if found is not None:
                    yield found
            more = document.get("continue")
            if not isinstance(more, dict):
                return
            going_on = {key: value for key, value in more.items() if isinstance(value, str | int)}


def _asked(query: str) -> dict[str, str | int]:
    return {
        "action": "query",
        "format": "json",
        "formatversion": 2,
        "maxlag": LAG_S,
        "generator": "search",
        "gsrsearch": f"{query} filetype:bitmap",
        "gsrnamespace": 6,  # files
        "gsrlimit": PAGE,
        "prop": "imageinfo",
        "iiprop": "url|mime|extmetadata",
        "iiurlwidth": WIDTH,
        "iiextmetadatafilter": _WANTED,
        "iiextmetadatalanguage": "en",
    }


def _index(page: dict[str, Any]) -> int:
    index = page.get("index")
    return index if isinstance(index, int) else 0


def _lags(document: Document) -> bool:
    error = document.get("error")
    return isinstance(error, dict) and error.get("code") == "maxlag"


def _found(page: dict[str, Any]) -> Found | None:
    about = next(iter(rows_of(page.get("imageinfo"))), {})
    url = text_of(about.get("thumburl")) or text_of(about.get("url"))
    if url is None or text_of(about.get("mime")) not in _READABLE:
        return None
    told = about.get("extmetadata")
    said = {
        name: plain_text(text)
        for name, field in (told.items() if isinstance(told, dict) else ())
        if isinstance(field, dict) and (text := text_of(field.get("value")))
    }
    licence = short_name(said.get("LicenseShortName"))
    return Found(
        url,
        page=text_of(about.get("descriptionurl")),
        licence=licence,
        licence_url=said.get("LicenseUrl") or address_of(licence),
        author=said.get("Artist"),
        title=said.get("ObjectName") or text_of(page.get("title")),
    )


def plain_text(html: str) -> str | None:
    """Return the words of a piece of HTML, in one line.

    >>> plain_text('<a href="//example.org">Ada &amp; Co</a>')
    'Ada & Co'
    """
    words = _Words()
    words.feed(html)
    words.close()
    return text_of("".join(words.found))


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found.append(data)
