"""What a server is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..core.cores import available_cores
from ..core.errors import UsageError
from ..core.retention import Retention
from ..data.image.true_size import MAX_PIXELS

# Names under which a loopback server may be asked for; any other Host means that a page of another site made its name
# point here (DNS rebinding).
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})


@dataclass(frozen=True)
class Limits:
    """What one request may ask for."""

    body_bytes: int = 64 << 20
    images: int = 64
    pixels: int = MAX_PIXELS
    """Of one image, by its headers, before it is decoded: what is decoded anywhere, unless memory is short."""
    upload_s: float = 30.0
    """A body that takes longer to arrive is given up."""
    in_flight_bytes: int = 256 << 20
    """All bodies together that are held at one time, and what reading them costs; follows from the memory, see
    `MemoryShares`."""

    @property
    def reading_bytes(self) -> int:
        """Of ``in_flight_bytes``: for what bodies are read into, one or a few at a time."""
        return self.in_flight_bytes // 4

    @property
    def arriving_bytes(self) -> int:
        """Of ``in_flight_bytes``: for bodies, from their first byte to the answer."""
        return self.in_flight_bytes - self.reading_bytes

    @property
    def largest_body(self) -> int:
        """A form has to fit into what it is read into, and into the half that one client may hold."""
        return min(self.body_bytes, self.reading_bytes, self.arriving_bytes // 2)

    @property
    def largest_json(self) -> int:
        """Texts in JSON are there twice: as they came, and as what they say."""
        return min(self.body_bytes, self.reading_bytes // 2)


@dataclass(frozen=True)
class Settings:
    """How a server goes about it."""

    target_ms: float = 500.0
    """Within this an accepted image is to be answered; batch, wait and queue follow from it and a measurement."""
    max_batch: int | None = None
    max_wait_ms: float | None = None
    """Both None: measured at start."""
    queue: int | None = None
    """Images that may wait; None: what can be answered within ``target_ms``."""
    workers: int | None = None
    """Threads that decode and run the network; None: one more than cores."""
    memory: int | None = None
    """Bytes that all processes together may take; None: half of what this machine has, and at most 4 GiB a process."""
    processes: int = 1
    """How many share the port, and with it the cores."""
    deadline_s: float = 10.0
    """After this a request that has no answer yet gets 503; a request may ask for less."""
    retention: Retention = Retention.parse("30d")  # noqa: RUF009  # frozen
    keep_metadata: bool = False
    """Keep EXIF and the like (places, owners, cameras) in stored images."""
    limits: Limits = Limits()
    samples: Path | None = None
    """Folder of pictures that the console offers to try."""
    loopback: bool = True
    """Whether the address served on can only be reached from this machine."""
    drain_s: float = 20.0
    """How long requests under way may take to end after SIGTERM."""
    watch_s: float | None = 2.0
    """How often bundles are looked at for a new version; None: never."""

    @property
    def cores(self) -> int:
        """This process's share of them."""
        return max(1, available_cores() // self.processes)

    def __post_init__(self) -> None:
        for name, value, least in (
            ("target_ms", self.target_ms, 1),
            ("max_batch", self.max_batch, 1),
            ("max_wait_ms", self.max_wait_ms, 0),
            ("queue", self.queue, 1),
            ("workers", self.workers, 1),
            ("deadline_s", self.deadline_s, 0.001),
            ("drain_s", self.drain_s, 0),
            ("watch_s", self.watch_s, 0.01),
        ):
            # Written so that NaN is refused as well.
            if value is not None and not least <= value < float("inf"):
                raise UsageError(f"{name} is {value}; it must be {least} or more")
