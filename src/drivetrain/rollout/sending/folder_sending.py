"""Sends the pictures of a folder: those that are there, or those that come, for as long as somebody lets it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from ...core.ports import Advance
from .case_folder import SETTLE_S, CaseFolder
from .case_sender import CaseSender
from .server_api import Patience

MOST_WAIT_S = 60.0
"""Files that are still growing after so long without another one to send are left out, and named."""

Stage = Callable[[int], AbstractContextManager[Advance]]


@dataclass
class FolderSending:
    """Sends one folder to one rollout."""

    sender: CaseSender
    folder: CaseFolder
    patience: Patience

    def begin(self) -> None:
        """Take what an earlier run has sent from the journal."""
        for line in self.sender.known_before():
            if (found := _sighted(line)) is not None:
                self.folder.sent(*found)
                self.sender.tally.before += 1

    def there(self, stage: Stage) -> None:
        """Send what is there, and wait for what is still being written.

        Raises:
            UsageError: the server cannot be reached, or refuses everything.
        """
        since_s = self.patience.clock()
        while True:
            count, growing = self._look(stage)
            if count:
                since_s = self.patience.clock()
            if not growing:
                return
            if self.patience.clock() - since_s > MOST_WAIT_S:
                self.sender.tally.growing = growing
                return
            self.patience.sleep(SETTLE_S)

    def watch(self, stage: Stage, every_s: float) -> None:
        """Send what is there and what comes, until the sleep is interrupted.

        Raises:
            UsageError: as `there`.
        """
        while True:
            _, growing = self._look(stage)
            self.patience.sleep(SETTLE_S if growing else every_s)

    def _look(self, stage: Stage) -> tuple[int, tuple[str, ...]]:
        """Look once, and send what is complete; returns how many those were, and what is not."""
        look = self.folder.look(self.patience.clock(), self.patience.wall().timestamp())
        if look.complete:
            with stage(len(look.complete)) as advance:
                self.sender.send_files(self.folder, look.complete, advance)
        return len(look.complete), look.growing


def _sighted(line: Mapping[str, Any]) -> tuple[str, tuple[int, int]] | None:
    """Read path and stamp from a line of the journal; None where it has none."""
    path, size, changed_ns = (line.get(name) for name in ("path", "size", "changed_ns"))
    if isinstance(path, str) and isinstance(size, int) and isinstance(changed_ns, int):
        return path, (size, changed_ns)
    return None
