"""One input on its way through the server, and the request it belongs to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ...core.records import Context, Entry
from ...core.types import FloatArray
from ..served import ServedModel


@dataclass(frozen=True, slots=True)
class Upload:
    """An input as it came: its name without folders, its bytes, and what the caller says of it.

    ``tensor``, of the shape that the model's input states, where the caller has prepared it; there are no bytes then.
    """

    name: str
    data: bytes
    context: Context = field(default_factory=Context)
    tensor: FloatArray | None = None


class Ticket:
    """A request's images together: counts them in, and says when the last has been answered.

    ``done`` is called at most once, from the thread that answers last (or fails first), and never after ``cancel``.
    """

    def __init__(self, count: int, done: Callable[[Ticket], None]) -> None:
        self.entries: list[Entry | None] = [None] * count
        self.cancelled = False
        self.failure: str | None = None
        """Why there will be no answer."""
        self.ready_s = 0.0
        """On the monotonic clock: when the last image was answered."""
        self._left = count
        self._done = done
        self._lock = threading.Lock()

    def answer(self, place: int, entry: Entry) -> None:
        """The answer for one image."""
        with self._lock:
            self.entries[place] = entry
            self._left -= 1
            last = self._left == 0 and self.failure is None
        if last and not self.cancelled:
            self.ready_s = time.monotonic()
            self._done(self)

    def fail(self, reason: str) -> None:
        """There will be no answer for one of the images, and so none at all."""
        with self._lock:
            first, self.failure = self.failure is None and self._left > 0, self.failure or reason
            self._left = 0
        if first and not self.cancelled:
            self._done(self)

    def cancel(self) -> None:
        """Nobody waits any more: images that no worker has taken yet are dropped."""
        self.cancelled = True

    def complete(self) -> list[Entry]:
        """All entries, once ``done`` was called."""
        return [entry for entry in self.entries if entry is not None]


@dataclass(slots=True)
class Job:
    """One image in the queue. ``accepted_s`` and ``deadline_s`` are on the monotonic clock."""

    model: ServedModel
    upload: Upload
    ticket: Ticket
    place: int
    client: str
    request_id: str
    key_id: str | None
    accepted_s: float
    deadline_s: float = field(default=float("inf"))

    def wanted(self, now_s: float) -> bool:
        """Whether anybody still waits for it."""
        return not self.ticket.cancelled and self.ticket.failure is None and now_s < self.deadline_s


def jobs_of(
    model: ServedModel,
    uploads: Sequence[Upload],
    ticket: Ticket,
    *,
    client: str,
    request_id: str,
    key_id: str | None,
    now_s: float,
    deadline_s: float,
) -> list[Job]:
    """A job for each image of a request."""
    return [
        Job(model, upload, ticket, place, client, request_id, key_id, now_s, deadline_s)
        for place, upload in enumerate(uploads)
    ]
