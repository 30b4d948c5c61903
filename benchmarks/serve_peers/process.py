"""A server as processes of its own: started, asked whether it is up, watched, stopped."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PATIENCE_S = 60.0
POLL_S = 0.01


class Server:
    """A command that listens on ``port``. ``ready_s``: from its start until ``ready`` (a path) answered 200."""

    def __init__(
        self, command: Sequence[str | Path], port: int, ready: str, log: Path, environment: Mapping[str, str]
    ) -> None:
        self.port, self._log = port, log
        start_s = time.perf_counter()
        with log.open("wb") as output:
            # A session of its own: what it starts is stopped with it.
            self._process = subprocess.Popen(
                command,
                stdout=output,
                stderr=output,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        while not self._answers(ready):
            if not self.alive or time.perf_counter() - start_s > PATIENCE_S:
                self.stop()
                sys.exit(
                    f"{' '.join(map(str, command))} is not up; it wrote:\n{log.read_text(errors='replace')[-2000:]}"
                )
            time.sleep(POLL_S)
        self.ready_s = time.perf_counter() - start_s

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """SIGTERM, and after ten seconds SIGKILL, to all its processes."""
        for number, wait_s in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
            try:
                os.killpg(self._process.pid, number)
                self._process.wait(wait_s)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue

    def cpu_s(self) -> float:
        """CPU time of all its processes so far."""
        total = 0.0
        for pid in self._pids():
            fields = _stat(pid)
            total += (int(fields[11]) + int(fields[12])) * TICK_S if fields else 0.0
        return total

    def memory_mib(self) -> float:
        """Resident memory of all its processes, pages that several share counted once (PSS)."""
        kib = 0
        for pid in self._pids():
            try:
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except OSError:  # it has just ended
                continue
            kib += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return kib / 1024

    def _pids(self) -> list[int]:
        """Every process of the session that the command leads."""
        pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return [pid for pid in pids if (fields := _stat(pid)) and int(fields[3]) == self._process.pid]

    def _answers(self, path: str) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _stat(pid: int) -> list[str]:
    """The fields after the name in /proc/PID/stat; empty if the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []
