"""Image search of the web by the package ddgs, which asks search engines as a browser does. Nobody states a licence there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...core.errors import UsageError
from ...core.installation import install_command
from .api import Api
from .found import Found
from .refusal import NotFetchedError
from .source import rows_of, text_of

# Seconds between pages, and the most pages: engines turn away those who ask often.
INTERVAL_S, PAGES = 2.0, 20
TIMEOUT_S = 20


@dataclass(frozen=True, slots=True)
class DdgsImages:
    """Search engines, through ddgs. Its own HTTP client asks them, by ``proxy`` where one is given."""

    proxy: str | None = None
    verify: bool | str = True
    """The file of the authorities that the proxy's certificates are checked by, where it is not the system's."""
    engines: str = "duckduckgo"
    interval_s: float = INTERVAL_S
    name: str = "ddgs"

    def search(self, query: str, api: Api, *, only_open: bool) -> Iterator[Found]:
        """Find pictures; none where only open licences are asked for, as none is known."""
        if only_open:
            return
        try:
            from ddgs import DDGS
            from ddgs.exceptions import DDGSException
        except ModuleNotFoundError:
            raise UsageError(f"the source ddgs needs the package ddgs; {install_command('gather')}") from None
        engine = DDGS(proxy=self.proxy, timeout=TIMEOUT_S, verify=self.verify)
        seen: set[str] = set()
        for page in range(1, PAGES + 1):
            if page > 1:
                api.wait(self.interval_s)
            try:
                rows = engine.images(query, page=page, max_results=None, backend=self.engines)
            except DDGSException as error:
                if page > 1:
                    return
                # An engine that turns the asker away looks like one that has found nothing.
                detail = f"the search engine gives nothing, perhaps as it was asked too often ({_short(error)})"
                raise NotFetchedError("host error", detail, passing=True) from None
            new = [row for row in rows_of(rows) if text_of(row.get("image")) not in (None, *seen)]
            seen |= {row["image"] for row in new}
            if not new:
                return
            for row in new:
                yield Found(row["image"], page=text_of(row.get("url")), title=text_of(row.get("title")))


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
