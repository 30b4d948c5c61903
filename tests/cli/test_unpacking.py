"""Archives and Parquet at the command line: what is asked of them, and that `--no-cache` leaves nothing behind."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from command_line import CommandLine
from PIL import Image

from tiny_backbone import TINY

COLOURS = {"rot": (220, 30, 20), "grün": (20, 190, 60), "blau": (30, 40, 210)}


def png(label: str, number: int) -> bytes:
    buffer = io.BytesIO()
    image = Image.new("RGB", (30, 20), COLOURS[label])
    for place in range(6):
        image.putpixel(
            ((number * 7 + place * 3) % 30, (number * 5 + place) % 20), (number * 20, 255 - number * 20, place * 40)
        )
    image.save(buffer, "PNG")
    return buffer.getvalue()


def parquet(path: Path, each: int = 4) -> Path:
    """A table with the pictures inside, some of each class."""
    rows = [(label, number) for label in COLOURS for number in range(each)]
    images = [{"bytes": png(label, number), "path": f"{label}{number}.png"} for label, number in rows]
    pyarrow.parquet.write_table(pyarrow.table({"image": images, "label": [label for label, _ in rows]}), path)
    return path


def archive(path: Path, each: int = 4) -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        for label in COLOURS:
            for number in range(each):
                packed.writestr(f"{label}/{number}.png", png(label, number))
    return path


@pytest.fixture(params=["pictures.parquet", "pictures.zip"])
def packed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    make = parquet if request.param.endswith("parquet") else archive
    return make(tmp_path / request.param)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files, which must be empty in the end."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield folder
    monkeypatch.setattr("tempfile.tempdir", None)
    assert list(folder.iterdir()) == []


def test_predict_answers_for_what_is_in_it(drivetrain: CommandLine, kept: Path, packed: Path, tmp_path: Path) -> None:
    done = drivetrain("predict", kept, packed, "--json", "--cache", tmp_path / "cache")
    assert done.code == 0
    assert [answer["label"] for answer in done.document].count("rot") == 4
    names = [Path(answer["path"]) for answer in done.document]
    assert len(names) == 12
    assert all(name.is_relative_to(packed) for name in names)
    assert (tmp_path / "cache" / "archives").is_dir()


def test_without_a_cache_nothing_is_left(
    drivetrain: CommandLine, kept: Path, packed: Path, temporary: Path, tmp_path: Path
) -> None:
    before = set(tmp_path.rglob("*")) - {temporary}
    for command in (("predict",), ("evaluate", "--report", tmp_path / "report.html")):
        done = drivetrain(command[0], kept, packed, "--no-cache", "--json", *command[1:])
        assert done.code == 0, done.err
    assert set(tmp_path.rglob("*")) - {temporary} == before | {tmp_path / "report.html"}
    assert "data:image/" in (tmp_path / "report.html").read_text()


@pytest.mark.trains
@pytest.mark.usefixtures("temporary")
def test_train_without_a_cache_leaves_the_bundle_alone(drivetrain: CommandLine, packed: Path, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    done = drivetrain("train", packed, "--out", tmp_path / "b", "--backbone", TINY, "--no-cache")
    assert done.code == 0, done.err
    assert set(tmp_path.iterdir()) == before | {tmp_path / "b"}
    assert "drivetrain predict" not in done.out, "its own picture has gone"


@pytest.mark.processes
def test_an_interrupted_run_leaves_nothing(kept: Path, tmp_path: Path, temporary: Path) -> None:
    many = archive(tmp_path / "many.zip", 400)
    command = [sys.executable, "-m", "drivetrain", "evaluate", str(kept), str(many), "--no-cache"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        until_s = time.monotonic() + 60
        while not list(temporary.glob("drivetrain-*/*/rot")) and time.monotonic() < until_s:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert said.strip().endswith("interrupted")
