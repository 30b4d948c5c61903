"""What keeps a server from starting is said in one line, with the status of bad input."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from running import KEPT

pytestmark = pytest.mark.processes

BAD_INPUT = 2


@contextmanager
def nothing(_: Path) -> Iterator[list[str]]:
    yield []


@contextmanager
def taken_port(_: Path) -> Iterator[list[str]]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield ["--port", str(other.getsockname()[1])]


@contextmanager
def other_file(folder: Path) -> Iterator[list[str]]:
    (folder / "notes.txt").write_text("no store\n" * 100)
    yield ["--store", str(folder / "notes.txt")]


@contextmanager
def damaged_store(folder: Path) -> Iterator[list[str]]:
    (folder / "damaged.db").write_bytes(b"SQLite format 3\0" + os.urandom(8192))
    yield ["--store", str(folder / "damaged.db")]


@contextmanager
def cut_bundle(folder: Path) -> Iterator[list[str]]:
    shutil.copytree(KEPT, folder / "cut.bundle")
    (folder / "cut.bundle" / "model.onnx").write_bytes(b"")
    yield ["cut=" + str(folder / "cut.bundle")]


CASES = {
    "address in use": (taken_port, [], "--port"),
    "unknown host": (nothing, ["--host", "no.such.host.invalid"], "no.such.host.invalid"),
    "port out of range": (nothing, ["--port", "65536"], "--port"),
    "no number": (nothing, ["--drain-s", "nan"], "drain"),
    "open to others without a key": (nothing, ["--host", "0.0.0.0"], "drivetrain keys add"),
    "cut bundle": (cut_bundle, [], "model.onnx"),
    "store that is another file": (other_file, [], "notes.txt"),
    "damaged store": (damaged_store, [], "damaged.db"),
    "no database": (nothing, ["--store", "postgresql://nobody@127.0.0.1:1/none"], "127.0.0.1:1"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_said_in_one_line(case: str, tmp_path: Path) -> None:
    arrange, flags, named = CASES[case]
    with arrange(tmp_path) as more:
        command = [sys.executable, "-m", "drivetrain", "serve", str(KEPT)]
        command += ["--port", "0", "--store", "store.db", *flags, *more]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)
    assert done.returncode == BAD_INPUT, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert named in line


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_while_it_starts(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "drivetrain", "serve", str(KEPT), "--port", str(port), "--store", "store.db"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    while process.poll() is None:
        with socket.socket() as line:
            if line.connect_ex(("127.0.0.1", port)) == 0:  # bound, before anything has been loaded
                break
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode in (0, 130)
    assert "Traceback" not in said
