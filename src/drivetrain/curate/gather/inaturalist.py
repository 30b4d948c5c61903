"""iNaturalist: photos of animals, plants and fungi that people saw and others confirmed.

Its terms ask for at most one request a second and 200 observations each, and its documents give no more than 10,000 by page
numbers; observations are therefore asked for in the order of their ids, each page beginning below the last. All photos of one
observation show one individual, and so are one group.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .api import Api
from .found import Found
from .licences import ALL_RIGHTS, address_of, short_name
from .source import rows_of, text_of

PAGE = 200
INTERVAL_S = 1.0

# The licences that are Creative Commons', as the service writes them; photos state no version of theirs, which is 4.0.
_OPEN = "cc0,cc-by,cc-by-nc,cc-by-sa,cc-by-nd,cc-by-nc-sa,cc-by-nc-nd"
_VERSION = "4.0"
# The size whose longer side has 1,024 pixels.
_SMALL, _LARGE = "/square.", "/large."


@dataclass(frozen=True, slots=True)
class INaturalist:
    """The service at api.inaturalist.org."""

    base: str = "https://api.inaturalist.org"
    interval_s: float = INTERVAL_S
    name: str = "inaturalist"

    def search(self, query: str, api: Api, *, only_open: bool) -> Iterator[Found]:
        """Find photos of a species or a wider group by its name, scientific or common, newest first."""
        asked: dict[str, str | int] = {
            "taxon_name": query,
            "photos": "true",
            "quality_grade": "research",
            "per_page": PAGE,
            "order_by": "id",
            "order": "desc",
        }
        if only_open:
            asked["photo_license"] = _OPEN
        while True:
            document = api.get(f"{self.base}/v1/observations", asked, interval_s=self.interval_s)
            observations = rows_of(document.get("results"))
            for observation in observations:
                yield from _photos(observation)
            ids = [row["id"] for row in observations if isinstance(row.get("id"), int)]
            if len(observations) < PAGE or not ids:
                return
            asked["id_below"] = min(ids)


def _photos(observation: dict[str, Any]) -> Iterator[Found]:
    user, taxon = (part if isinstance(part := observation.get(key), dict) else {} for key in ("user", "taxon"))
    title = text_of(taxon.get("preferred_common_name")) or text_of(taxon.get("name"))
    for photo in rows_of(observation.get("photos")):
        url = text_of(photo.get("url"))
        if url is None:
            continue
        code = text_of(photo.get("license_code"))
        licence = short_name(code, _VERSION if code != "cc0" else None) if code else ALL_RIGHTS
        yield Found(
            url.replace(_SMALL, _LARGE),
            page=text_of(observation.get("uri")),
            licence=licence,
            licence_url=address_of(licence),
            author=text_of(user.get("name")) or text_of(user.get("login")),
            title=title,
            group=f"inaturalist {observation.get('id')}",
        )
