"""Time as a gathering run has it: seconds that pass, waiting that ends when the run is stopped, and a little chance."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from .refusal import StoppedError


@dataclass(frozen=True)
class Clock:
    """The time of a run. ``seconds`` never goes back; ``chance`` gives numbers of 0 to 1, by which waits are spread."""

    seconds: Callable[[], float]
    chance: Callable[[], float]
    stopping: threading.Event = field(default_factory=threading.Event)

    def wait(self, seconds: float) -> None:
        """Wait.

        Raises:
            StoppedError: the run is stopped, before or meanwhile.
        """
        if self.stopping.wait(max(seconds, 0.0)):
            raise StoppedError

    def stop(self) -> None:
        """End every wait and every reading."""
        self.stopping.set()
