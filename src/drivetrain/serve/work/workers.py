"""Several processes on one port: what uvicorn's supervisor leaves open."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading

from uvicorn.supervisors import Multiprocess

log = logging.getLogger(__name__)

# Seconds a process waits that could not start, before it ends and another takes its place.
AGAIN_S = 2.0


class Workers(Multiprocess):
    """Starts the processes, and another for each that dies; ends them all on SIGTERM or Ctrl-C."""

    def terminate_all(self) -> None:
        """Close the port, so that nobody connects where nobody answers, and end the processes after what is under way."""
        for listening in self.sockets:
            listening.close()
        super().terminate_all()

    def keep_subprocess_alive(self) -> None:
        """Start another process for each that is gone, and say so."""
        before = list(self.processes)
        super().keep_subprocess_alive()
        for old, new in zip(before, self.processes, strict=True):
            if old is not new:
                log.warning(
                    "process %s ended by itself (status %s); %s takes its place", old.pid, old.exitcode, new.pid
                )


def end_with_parent() -> None:
    """Have this process end as on SIGTERM when the one that started it is gone, however that ended."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()
