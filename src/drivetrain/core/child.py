"""A piece of work done by a process of its own, under limits of time and memory.

A file from a stranger may crash the library that loads it: here it is loaded where nothing else is lost. The
parent sends a line of JSON and the bytes of files, and gets a line of JSON back. It is another interpreter, not a fork
and not a multiprocessing worker: it shares no threads and locks, and does not run the caller's own program again.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from . import errors

# Longest answer of a child in bytes: it is one line of JSON, and anything longer is no answer.
MAX_ANSWER = 1 << 16

# Libraries that run out of memory and raise errors of their own say so in these words.
_OUT_OF_MEMORY = re.compile("bad_alloc|(?i:(fail|unable|cannot|could not)[a-z]* to allocate|cannot allocate)")

Work = Callable[[Mapping[str, Any], Mapping[str, bytes]], None]


@dataclass(frozen=True)
class ChildLimits:
    """The limits of a child: seconds of computing, and bytes beside the program itself.

    The child ends after twice the seconds in any case. Where the system has no such limits (Windows; on macOS that of memory),
    that is the only one.
    """

    seconds: float
    bytes: int


class ChildError(Exception):
    """The child was ended by its limits, or died; the message is the end of a sentence (“loading it …”)."""


def run(module: str, request: Mapping[str, Any], files: Mapping[str, bytes], limits: ChildLimits) -> None:
    """Have ``module`` (one that calls `answer`) do its work on files.

    Raises:
        ChildError: it took too much, died, or cannot be started.
        DrivetrainError: what the work raised, of the same class.
    """
    sizes = {name: len(data) for name, data in files.items()}
    head = {"request": request, "files": sizes, "seconds": limits.seconds, "bytes": limits.bytes}
    try:
        # -P keeps a module that lies in the current folder from being taken for one of ours.
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    except (OSError, ValueError, TypeError) as error:
        raise ChildError(f"cannot be tried first, as no process can be started ({error})") from None
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(2 * limits.seconds, end)
    timer.daemon = True
    timer.start()
    try:
        text = _exchange(process, json.dumps(head).encode() + b"\n", files.values())
    finally:
        timer.cancel()
        process.kill()
        process.wait()
    _judge(text, process.returncode, late.is_set(), limits)


def _exchange(process: subprocess.Popen[bytes], head: bytes, bodies: Any) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdout as stdout:
        with suppress(OSError):  # it has died already; how, its exit status says
            process.stdin.write(head)
            for body in bodies:
                process.stdin.write(body)
            process.stdin.flush()
        # The pipe stays open: the child ends when it closes, with us or before.
        text = stdout.read(MAX_ANSWER)
        process.wait()
    with suppress(OSError):
        process.stdin.close()
    return text


def _judge(text: bytes, status: int, late: bool, limits: ChildLimits) -> None:
    told: Any = None
    with suppress(ValueError):
        told = json.loads(text)
    if status == 0 and told == {"done": True}:
        return
    if status == 0 and isinstance(told, dict) and set(told) == {"kind", "message"}:
        if told["kind"] == "memory":
            raise ChildError(f"takes more than {limits.bytes >> 20} MiB of memory")
        kind = getattr(errors, str(told["kind"]), None)
        if isinstance(kind, type) and issubclass(kind, errors.DrivetrainError):
            raise kind(str(told["message"]))
    if late or -status in (getattr(signal, "SIGXCPU", 0), getattr(signal, "SIGALRM", 0)):
        raise ChildError(f"takes more than {limits.seconds:g} s")
    name = signal.Signals(-status).name if status < 0 and -status in set(signal.Signals) else f"status {status}"
    raise ChildError(
        f"ended the process that tried it ({name}), perhaps for want of {limits.bytes >> 20} MiB of memory"
    )


def answer(prepare: Callable[[], Work]) -> None:
    """The child's side: import what is needed (``prepare``), take on the limits, do the work on what the parent sends."""
    out = os.dup(1)
    os.dup2(2, 1)  # what libraries print is no answer
    source: IO[bytes] = sys.stdin.buffer
    head = json.loads(source.readline())
    work = prepare()
    _limit(ChildLimits(float(head["seconds"]), int(head["bytes"])))
    told: dict[str, Any] = {"done": True}
    try:
        files = {name: _exactly(source, int(length)) for name, length in head["files"].items()}
        threading.Thread(target=_end_with_parent, args=(source,), daemon=True).start()
        work(head["request"], files)
    except MemoryError:
        told = {"kind": "memory", "message": ""}
    except errors.DrivetrainError as error:
        short = bool(_OUT_OF_MEMORY.search(str(error)))
        told = {"kind": "memory" if short else type(error).__name__, "message": str(error)[:4000]}
    except Exception as error:
        short = bool(_OUT_OF_MEMORY.search(str(error)))
        detail = " ".join(f"{type(error).__name__}: {error}".split())[:1000]
        told = {"kind": "memory" if short else "DrivetrainError", "message": detail}
    os.write(out, json.dumps(told).encode())
    os._exit(0)  # whatever still runs was only for this


def _exactly(source: IO[bytes], length: int) -> bytes:
    data = source.read(length)
    if len(data) != length:
        os._exit(1)
    return data


def _end_with_parent(source: IO[bytes]) -> None:
    with suppress(OSError, ValueError):
        source.read(1)
    os._exit(1)


def _limit(limits: ChildLimits) -> None:
    try:
        import resource
    except ImportError:
        return
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
        file.write("1000")  # when the machine runs out of memory, the system ends this child, not the server
    seconds = max(1, round(limits.seconds))
    wanted = [(resource.RLIMIT_CORE, 0, 0), (resource.RLIMIT_CPU, seconds, seconds + 5)]
    if (now := _address_space()) is not None:
        wanted.append((resource.RLIMIT_AS, now + limits.bytes, now + limits.bytes))
    for what, soft, hard in wanted:
        with suppress(ValueError, OSError):  # a stricter limit is in force, or the system has none of this kind
            resource.setrlimit(what, (soft, hard))


def _address_space() -> int | None:
    """Bytes of addresses that this process has taken so far; None where the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
