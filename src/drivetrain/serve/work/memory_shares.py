"""The shares of a server process's memory: a part is taken before the first request, the rest is shared out.

    memory = base + bodies + pictures

base: what the process holds once it has started (interpreter, models, the network's buffers), half of the models' share
again for a new version beside the old, and fixed rooms for what waits to be stored. bodies: requests under way and what
reading them takes, as `RequestLimits` divides it. Pictures get what is left, and no picture may take more than all of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...core.errors import UsageError
from ...core.memory import available_memory, shown_size
from ...data.image.true_size import FIXED_BYTES, MAX_PIXELS

# A server that is not told takes this share of the machine's or container's memory, but no more than is of use.
DEFAULT_SHARE, DEFAULT_MOST = 0.5, 4 << 30
BODIES = 256 << 20
# Bodies have at least so many times the largest body, or that would not get in (`RequestLimits.largest_body`).
LEAST_BODIES = 4
# Answers and images that wait to be stored (`ledger.MOST_BYTES`, `pictures.WAITING_BYTES`), kept images that are looked at,
# threads' stacks, and what the allocator does not give back at once.
ROOM = 256 << 20
NEW_VERSION = 0.5
# A picture of ten bytes a pixel: an RGB picture as stored and turned, with room for its rows while it is resized.
PIXEL_BYTES = 10
LEAST_PICTURES = 64 << 20


@dataclass(frozen=True)
class MemoryShares:
    """Bytes of one process."""

    total: int
    base: int
    bodies: int
    """All bodies together that are held at one time, and what reading them takes."""
    pictures: int
    """All decoded pictures together."""

    @property
    def pixels(self) -> int:
        """The pixels of the largest plain picture that can be decoded."""
        return min(MAX_PIXELS, (self.pictures - FIXED_BYTES) // PIXEL_BYTES)


def shares(given: int | None, resident: int, body_bytes: int, processes: int = 1, *, beside: int = 0) -> MemoryShares:
    """Share out ``given`` bytes (None: what this machine has to spare) among ``processes``, of which each holds ``resident``
    already; a body may have ``body_bytes``. ``beside``: what the process holds that started them.

    Raises:
        UsageError: ``given`` is too little; it says how much is enough.
    """
    total = ((given or default_memory(processes)) - beside) // processes
    base = round(resident * (1 + NEW_VERSION)) + ROOM
    least = base + LEAST_BODIES * body_bytes + LEAST_PICTURES
    if total < least and given is not None:
        raise UsageError(
            f"{shown_size(given)} of memory are too little; give at least {shown_size(least * processes + beside)} with "
            f"--memory, or send less at once with --max-body-mb (now {body_bytes >> 20})"
        )
    total = max(total, least)
    bodies = max(LEAST_BODIES * body_bytes, min(BODIES, (total - base) // 3))
    return MemoryShares(total, base, bodies, total - base - bodies)


def default_memory(processes: int) -> int:
    """Bytes for all processes together where nobody says how many."""
    return min(int(available_memory() * DEFAULT_SHARE), DEFAULT_MOST * processes)
