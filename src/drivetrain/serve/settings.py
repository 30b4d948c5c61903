"""The settings of a server, made of the options it was started with (`serve.options`, where the defaults and bounds stand)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from ..core.cores import available_cores
from ..core.retention import Retention
from ..data.image.true_size import MAX_PIXELS
from .options import TARGET_MS, ServeOptions


@dataclass(frozen=True)
class RequestLimits:
    """The limits of one request."""

    body_bytes: int = ServeOptions.max_body_mb << 20
    images: int = ServeOptions.max_images
    pixels: int = MAX_PIXELS
    """The most pixels of one image, by its headers: all that may be decoded at all, unless memory is short."""
    upload_s: float = ServeOptions.upload_s
    """A body that takes longer to arrive is given up."""
    in_flight_bytes: int = 256 << 20
    """All bodies together that are held at one time, and what reading them costs; follows from the memory, see
    `MemoryShares`."""

    @cached_property
    def reading_bytes(self) -> int:
        """The part of ``in_flight_bytes`` for the objects that bodies are read into, one or a few at a time."""
        return self.in_flight_bytes // 4

    @cached_property
    def arriving_bytes(self) -> int:
        """The part of ``in_flight_bytes`` for bodies, from their first byte to the answer."""
        return self.in_flight_bytes - self.reading_bytes

    @cached_property
    def largest_body(self) -> int:
        """A form has to fit into what it is read into, and into the half that one client may hold."""
        return min(self.body_bytes, self.reading_bytes, self.arriving_bytes // 2)

    @cached_property
    def largest_json(self) -> int:
        """Texts in JSON are there twice: as they came, and as what they say."""
        return min(self.body_bytes, self.reading_bytes // 2)


@dataclass(frozen=True)
class Settings:
    """The settings of a server, each within its bounds."""

    target_ms: float
    """Within this an accepted image is to be answered; batch, wait and queue follow from it and a measurement."""
    max_batch: int | None
    max_wait_ms: float | None
    """The longest wait for a batch to fill; both None: measured at start."""
    queue: int | None
    """Images that may wait; None: what can be answered within ``target_ms``."""
    workers: int | None
    """Threads that decode and run the network; None: one more than cores."""
    memory: int | None
    """Bytes that all processes together may take; None: half of what this machine has, and at most 4 GiB a process."""
    processes: int
    """The number of processes that share the port, and with it the cores."""
    deadline_s: float
    """After this a request that has no answer yet gets 503; a request may ask for less."""
    retention: Retention
    keep_metadata: bool
    """Keep EXIF and the like (places, owners, cameras) in stored images."""
    limits: RequestLimits
    samples: Path | None
    """Folder of pictures that the console offers to try."""
    loopback: bool
    """Tells whether the address served on can only be reached from this machine."""
    drain_s: float
    """Seconds that requests under way may take to end after SIGTERM."""
    watch_s: float | None
    """Seconds between two looks for a new version of a bundle; None: never."""
    on_alarm: Literal["review", "tell"] = "review"
    """Tells whether an alarm turns accepted answers into reviewed ones."""

    @property
    def cores(self) -> int:
        """This process's share of the cores."""
        return max(1, available_cores() // self.processes)

    @classmethod
    def of(cls, options: ServeOptions) -> Settings:
        """Make settings from `options`.

        Raises:
            UsageError: one of them is out of range, or has no effect beside the others.
        """
        options.check()
        pixels = MAX_PIXELS if options.max_megapixels is None else round(options.max_megapixels * 1e6)
        return cls(
            target_ms=TARGET_MS if options.target_ms is None else options.target_ms,
            max_batch=options.max_batch,
            max_wait_ms=options.max_wait_ms,
            queue=options.queue,
            workers=options.workers,
            processes=options.processes,
            deadline_s=options.deadline_s,
            retention=Retention.parse(options.images),
            keep_metadata=options.keep_metadata,
            limits=RequestLimits(options.max_body_mb << 20, options.max_images, pixels, options.upload_s),
            memory=options.memory,
            samples=options.samples,
            loopback=is_loopback(options.host),
            drain_s=options.drain_s,
            watch_s=options.watch_s,
            on_alarm=options.on_alarm,
        )


def is_loopback(host: str) -> bool:
    """Tells whether an address can only be reached from this machine; a name but localhost may point anywhere."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
