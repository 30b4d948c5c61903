"""Pictures from the web in a notebook, by the names that fastai and its book use."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..core.errors import UsageError
from ..curate.gather.addresses import Addresses
from ..curate.gather.api import Api
from ..curate.gather.clock import Clock
from ..curate.gather.ddgs_images import DdgsImages
from ..curate.gather.fetcher import open_fetcher
from ..curate.gather.found import Found
from ..curate.gather.limits import Limits
from ..curate.gather.run import Order
from ..curate.gather.session import Settings, agent, open_gathering
from ..curate.gather.source import Source
from ..curate.gather.url_list import read_addresses
from ..curate.gather.wish import folder_name
from ..notebook.progress import here


def download_images(
    dest: str | Path,
    url_file: str | Path | None = None,
    urls: Iterable[str] | None = None,
    max_pics: int = 1000,
    n_workers: int = 8,
    timeout: float = 4,
    preserve_filename: bool = False,
    *,
    allow_private: bool = False,
) -> None:
    """Download pictures into a folder, as ``00000000.jpg`` and on, by their places among the addresses.

    What is no picture, a copy, or not to be had is left out, so that numbers may be missing. What an earlier call has brought is
    not asked for again. ``provenance.jsonl`` in the folder says where each picture came from.

    Args:
        dest: the folder; made if need be.
        url_file: a file with an address a line, where ``urls`` are not given.
        urls: the addresses.
        max_pics: addresses that are asked at most.
        n_workers: threads.
        timeout: seconds until a host is given up that does not answer.
        preserve_filename: files are called as in their addresses.
        allow_private: also ask machines of this network.

    Raises:
        UsageError: neither or both of ``url_file`` and ``urls``, or packages are missing.
        DataError: the file of addresses, or the folder's record, cannot be read.
    """
    found = tuple(islice(_listed(url_file, urls), max_pics))
    limits = Limits(connect_s=timeout, idle_s=timeout)
    name_of = _names(found) if preserve_filename else "{:08d}".format
    settings = Settings(allow_private=allow_private, limits=limits, workers=n_workers)
    with open_gathering(Path(dest), settings, _clock(), _now, here()) as (run, _):
        run.fill([Order("", None, "urls", found, name_of=name_of)])
    if run.interrupted:
        raise KeyboardInterrupt


def search_images_ddg(term: str, max_images: int = 200, *, source: Source | None = None) -> list[str]:
    """Return the addresses of pictures that search engines find for words. Nothing is known of their licences.

    ``source``: another source of pictures, such as `Openverse()`.

    Raises:
        NotFetchedError: no engine answers.
        UsageError: packages are missing.
    """
    clock = _clock()
    fetcher = open_fetcher(agent(None), Addresses(), Limits(), clock, _now)
    try:
        found = (source or DdgsImages()).search(term, Api(fetcher, clock, _now), only_open=False)
        return [one.url for one in islice(found, max_images)]
    finally:
        fetcher.close()


def _listed(url_file: str | Path | None, urls: Iterable[str] | None) -> Iterable[Found]:
    if (url_file is None) == (urls is None):
        raise UsageError("download_images takes either url_file or urls; give one of them")
    if isinstance(urls, str):
        raise UsageError(f"download_images takes several addresses, received one text; give [{urls[:60]!r}]")
    return read_addresses(Path(url_file)) if url_file is not None else (Found(str(url)) for url in urls or ())


def _names(found: Sequence[Found]) -> Callable[[int], str]:
    def name_of(position: int) -> str:
        stem = Path(unquote(urlsplit(found[position].url).path)).stem
        try:
            return folder_name(stem)
        except UsageError:
            return f"{position:08d}"

    return name_of


def _clock() -> Clock:
    return Clock(time.monotonic, random.random)


def _now() -> datetime:
    return datetime.now(UTC)
