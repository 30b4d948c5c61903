"""A pipe, a socket, a device or a folder with a picture's name is one line of error for everybody who reads pictures."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine

import drivetrain as dt
from drivetrain.core.errors import DrivetrainError, InputError
from drivetrain.data.block.blocks import ImageBlock
from drivetrain.data.image.picture import read_picture
from drivetrain.data.image.verify import verify_images
from drivetrain.model.explain.heatmap import heat_map

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes that stand in a folder")
BUNDLE = Path(__file__).parent.parent / "bundles" / "v3-classes"
KINDS = {"pipe": "a pipe", "link": "a pipe", "socket": "a socket", "device": "a device", "folder": "a folder"}
LONG_S = 60
"""The longest that a test may wait: none should."""


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    def give_up(*_: object) -> None:
        raise AssertionError("it waits for something that never comes")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(LONG_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # a socket's name has to be short
    os.mkfifo("pipe.jpg")
    Path("link.jpg").symlink_to("pipe.jpg")
    Path("device.jpg").symlink_to("/dev/zero")
    Path("folder.jpg").mkdir()
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket.jpg")
    return tmp_path


@pytest.fixture(scope="module")
def predictor() -> dt.Predictor:
    return dt.load(BUNDLE)


READERS: dict[str, Callable[[dt.Predictor, Any], object]] = {
    "read_picture": lambda _, path: read_picture(path),
    "read_picture by name": lambda _, path: read_picture(str(path)),
    "ImageBlock": lambda _, path: ImageBlock().open(path),
    "run": lambda predictor, path: predictor.run(path),
    "heat map": lambda predictor, path: heat_map(predictor, path),
    "heat map by name": lambda predictor, path: heat_map(predictor, str(path)),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("here")
def test_in_python_it_is_an_error_that_names_it(kind: str, reader: str, predictor: dt.Predictor) -> None:
    with pytest.raises(DrivetrainError, match=f"it is {KINDS[kind]}, not a file") as caught:
        READERS[reader](predictor, Path(f"{kind}.jpg"))
    assert "\n" not in str(caught.value)
    assert getattr(caught.value, "reason", "unreadable") == "unreadable"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("here")
def test_a_prediction_is_unreadable(kind: str, predictor: dt.Predictor) -> None:
    path = Path(f"{kind}.jpg")
    for answer in (predictor.predict(path), *predictor.predict_many([path])):
        assert answer.verdict == "unreadable"
        assert answer.error == f"unreadable: it is {KINDS[kind]}, not a file"
    assert verify_images([path]) == [path]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("here")
def test_on_the_command_line_it_is_one_line(kind: str, drivetrain: CommandLine) -> None:
    done = drivetrain("trace", f"{kind}.jpg", str(BUNDLE))
    assert (done.code, len(done.err.strip().splitlines())) == (2, 1)
    assert f"it is {KINDS[kind]}, not a file" in done.err
    if kind == "folder":
        return  # a folder is looked through
    done = drivetrain("predict", str(BUNDLE), f"{kind}.jpg")
    assert f"it is {KINDS[kind]}, not a file" in done.out + done.err
    assert "Traceback" not in done.err


@pytest.mark.usefixtures("here")
def test_a_table_may_name_them(drivetrain: CommandLine) -> None:
    name = dt.load(BUNDLE).classes[0]
    rows = "".join(f"{kind}.jpg,{name}\n" for kind in KINDS)
    Path("labels.csv").write_text(f"path,label\n{rows}")
    done = drivetrain("evaluate", str(BUNDLE), "labels.csv", "--no-cache")
    assert done.code == 2
    assert "Traceback" not in done.err


class Closed:
    """A reference whose bytes cannot be had."""

    name = "closed.jpg"

    def read_bytes(self) -> bytes:
        raise OSError(5, "the bucket is closed")


def test_any_other_reference_is_read_through_the_same_door(predictor: dt.Predictor) -> None:
    assert predictor.predict(Closed()).error == "unreadable: the bucket is closed"
    for reader in ("read_picture", "run", "heat map"):
        with pytest.raises(InputError, match="the bucket is closed"):
            READERS[reader](predictor, Closed())
