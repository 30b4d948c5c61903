"""Sends cases to a server, several at once, each until the server has taken or refused it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ...core.errors import UsageError
from ...core.plain_file import read_plain
from ...core.ports import Advance
from .case_folder import CaseFolder, Sighting
from .journal import Journal
from .outgoing import OutgoingCase, form_of
from .server_api import ServerApi
from .tally import IN_A_ROW, Tally

T = TypeVar("T")

PATH = "/v1/cases"

AT_ONCE = 4
"""Cases on their way at one moment: the order in which they arrive is theirs but for so many."""


@dataclass
class CaseSender:
    """Sends cases of one source to one rollout."""

    api: ServerApi
    rollout: str | None
    journal: Journal
    tally: Tally = field(default_factory=Tally)
    at_once: int = AT_ONCE
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def known_before(self) -> list[dict[str, Any]]:
        """Return what the journal says was sent, where the server still knows of it.

        A journal may be older than the rollout: one that has ended and was opened anew under its name has none of it.
        """
        lines = [dict(line) for line in self.journal.lines() if isinstance(line.get("key"), str)]
        if lines and self.api.get(PATH, rollout=self.rollout, key=lines[-1]["key"]).status != 200:
            self.journal.clear()
            lines = []
        return lines

    def send(self, cases: Iterable[OutgoingCase], advance: Advance = lambda _count, _note="": None) -> None:
        """Send the cases of a table, but for those sent before.

        Raises:
            UsageError: the server cannot be reached, or refuses everything.
        """
        before = {line["key"] for line in self.known_before()}

        def one(case: OutgoingCase) -> None:
            if case.key in before:
                self.tally.before += 1
            else:
                pictures = [(file.name, read_plain(file)) for file in case.files]
                if self._is_taken(case, pictures):
                    self.journal.add({"key": case.key})

        self._each(cases, one, advance)

    def send_files(
        self, folder: CaseFolder, sightings: Iterable[Sighting], advance: Advance = lambda _count, _note="": None
    ) -> None:
        """Send pictures of a folder.

        Raises:
            UsageError: as `send`.
        """

        def one(sighting: Sighting) -> None:
            made = folder.case(sighting)
            if made is None:
                return  # the next look sees what became of it
            case, data = made
            taken = self._is_taken(case, [(sighting.path.name, data)])
            folder.sent(sighting.relative, sighting.stamp)  # what was refused once is not sent until it changes
            if taken:
                size, changed_ns = sighting.stamp
                self.journal.add({"key": case.key, "path": sighting.relative, "size": size, "changed_ns": changed_ns})

        self._each(sightings, one, advance)

    def _is_taken(self, case: OutgoingCase, pictures: list[tuple[str, bytes]]) -> bool:
        """Send one case; tells whether the server took it."""
        reply = self.api.post(PATH, form_of(case.document(), pictures), rollout=self.rollout)
        with self._lock:
            if reply.is_good:
                self.tally.took(str(reply.document.get("status")))
            elif reply.status == 404 or self.tally.refuse(case.key, reply.detail):
                why = "" if reply.status == 404 else f"{IN_A_ROW} cases in a row were refused: "
                raise UsageError(f"{self.api.url}: {why}{reply.detail}")
        return reply.is_good

    def _each(self, things: Iterable[T], one: Callable[[T], None], advance: Advance) -> None:
        """Do something with each, several at once and in their order but for that; the first error ends all."""
        under_way: set[Future[None]] = set()
        with ThreadPoolExecutor(self.at_once, thread_name_prefix="send") as pool:
            try:
                for thing in things:
                    under_way.add(pool.submit(one, thing))
                    if len(under_way) >= self.at_once:
                        under_way = self._settle(under_way, advance)
                while under_way:
                    under_way = self._settle(under_way, advance)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _settle(self, under_way: set[Future[None]], advance: Advance) -> set[Future[None]]:
        done, left = wait(under_way, return_when=FIRST_COMPLETED)
        for future in done:
            future.result()
        advance(len(done), f"{self.tally.refused} refused" if self.tally.refused else "")
        return left
