"""Following a rollout's log for what the rest of the server has to know of it."""

from __future__ import annotations

import json
import logging

from ...core.ports import Store
from ...core.rollout_records import RolloutRow

log = logging.getLogger(__name__)


class LogFollower:
    """Reads the lines of a log as they are written, whichever process wrote them."""

    def __init__(self, store: Store, row: RolloutRow) -> None:
        self._store, self._row = store, row
        self._read = row.head

    def follow(self) -> None:
        """Read what was written since."""
        for line in self._store.lines(self._row.id, self._read):
            log.debug("%s", json.loads(line.body))
            self._read = line.number
