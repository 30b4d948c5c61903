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
    """An input as it came: its name without folders, its bytes, and the caller's context.

    ``tensor``, of the shape that the model's input states, where the caller has prepared it; there are no bytes then.
    """

    name: str
    data: bytes
    context: Context = field(default_factory=Context)
    tensor: FloatArray | None = None


class Ticket:
    """Gathers the answers to a request's images, and says when the last has been answered.

    ``done`` is called at most once, from the thread that answers last (or fails first), and never after ``cancel``.
    """

    def __init__(self, count: int, done: Callable[[Ticket], None]) -> None:
        self.entries: list[Entry | None] = [None] * count
        self.cancelled = False
        self.failure: str | None = None
        """The reason why there will be no answer; None while there may be one."""
        self.ready_s = 0.0
        """The moment the last image was answered, on the monotonic clock."""
        self._left = count
        self._done = done
        self._lock = threading.Lock()

    def answer(self, place: int, entry: Entry) -> None:
        """Take the answer to one image."""
        with self._lock:
            self.entries[place] = entry
            self._left -= 1
            last = self._left == 0 and self.failure is None
        if last and not self.cancelled:
            self.ready_s = time.monotonic()
            self._done(self)

    def fail(self, reason: str) -> None:
        """Fail the request: one of the images gets no answer, and so none does."""
        with self._lock:
            first, self.failure = self.failure is None and self._left > 0, self.failure or reason
            self._left = 0
        if first and not self.cancelled:
            self._done(self)

    def cancel(self) -> None:
        """Cancel the request, as nobody waits any more: images that no worker has taken yet are dropped."""
        self.cancelled = True

    def complete(self) -> list[Entry]:
        """Return all entries, once ``done`` was called."""
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
        """Tells whether anybody still waits for the answer."""
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
    """Make a job for each image of a request."""
    return [
        Job(model, upload, ticket, place, client, request_id, key_id, now_s, deadline_s)
        for place, upload in enumerate(uploads)
    ]
