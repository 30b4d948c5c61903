"""Equal data, options and seed give equal bundles, to the byte: whatever else the machine does, with whatever cache."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import drivetrain as dt
from drivetrain.core.errors import UsageError
from drivetrain.data.sources.opening import open_source
from drivetrain.embed.cache import EmbeddingCache
from drivetrain.embed.registry import packaged, resolve
from drivetrain.training.budget import plan
from drivetrain.training.dating import ENVIRONMENT

# What takes another input may be registered by the tests of inputs in the same process.
IMAGE_BACKBONES = packaged("image")

pytestmark = pytest.mark.trains

PER_CLASS = 8


@pytest.fixture(scope="module")
def few(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of eight digits."""
    folder = tmp_path_factory.mktemp("few") / "digits"
    for digit in ("0", "3"):
        (folder / digit).mkdir(parents=True)
        for file in sorted((digits_folder / digit).iterdir())[:PER_CLASS]:
            shutil.copy(file, folder / digit)
    return folder


@contextlib.contextmanager
def busy_neighbour() -> Iterator[None]:
    """Another process that never rests."""
    neighbour = subprocess.Popen([sys.executable, "-c", "print(flush=True)\nwhile True: pass"], stdout=subprocess.PIPE)
    try:
        assert neighbour.stdout
        neighbour.stdout.readline()
        yield
    finally:
        neighbour.kill()
        neighbour.communicate()


def trained(source: Path, out: Path, *options: str | Path, hash_seed: int) -> dict[str, bytes]:
    """The files of a bundle made by the default command, in a process of its own with as many threads as ``hash_seed``."""
    environment = os.environ | {
        ENVIRONMENT: "1700000000",
        "PYTHONHASHSEED": str(hash_seed),
        "OMP_NUM_THREADS": str(hash_seed),
    }
    command = [sys.executable, "-m", "drivetrain", "train", source, "--out", out, *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.mark.processes
def test_the_whole_bundle_is_the_same_to_the_byte(few: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    quiet = trained(few, tmp_path / "quiet", "--cache", cache, "--workers", "1", hash_seed=1)
    assert {"model.onnx", "manifest.json", "report.html", "card.md", "SHA256SUMS"} < set(quiet)
    assert b'"created_at": "2023-11-14T22:13:20+0000"' in quiet["manifest.json"]
    with busy_neighbour():
        warm = trained(few, tmp_path / "warm", "--cache", cache, hash_seed=2)
        cold = trained(few, tmp_path / "cold", "--no-cache", "--workers", "2", hash_seed=3)
    for busy in (warm, cold):
        assert [file for file in quiet | busy if busy.get(file) != quiet.get(file)] == []


@pytest.mark.parametrize("given", ["yesterday", "-1", "1.5", "9" * 30, "１７"])
def test_a_date_that_is_none_is_refused_before_the_work(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv(ENVIRONMENT, given)
    with pytest.raises(UsageError, match=r"SOURCE_DATE_EPOCH is .*; it must be whole seconds since 1970"):
        dt.train(few, tmp_path / "b", cache=tmp_path / "cache")
    assert not list(tmp_path.iterdir())


def test_what_is_tried_follows_from_counted_work(few: Path) -> None:
    """384, 599 and 858 million multiply-adds at 80 billion a second, 1.4 ms a file and 26 MB a second, on two cores."""
    items = open_source(few).items * 400  # 6,400 images
    backbones, cache = [resolve(name) for name in IMAGE_BACKBONES], EmbeddingCache(None)
    size_bytes = sum(item.path.stat().st_size for item in items)
    reading_s = (len(items) * 1.4e-3 + size_bytes / 26e6) / 2
    whole_s = [reading_s + len(items) * millions * 1e6 / 80e9 / 2 for millions in (383.907552, 598.905232, 858.456272)]
    trial_s = whole_s[0] * 600 / len(items)

    def tried(budget_s: float) -> tuple[list[str], bool]:
        candidates, note = plan(backbones, items, 600, budget_s, cache)
        assert "estimated by counting, the same on every machine" in note
        return [backbone.name.removeprefix("efficientnet-") for backbone in candidates.backbones], candidates.mirror

    assert tried(0) == (["lite0"], False)
    for number in (1, 2):
        needed_s = whole_s[number] + trial_s
        assert tried(0.999 * needed_s)[0][-1] == f"lite{number - 1}"
        assert tried(1.001 * needed_s)[0] == ["lite0", f"lite{number}"]
    assert tried(1.999 * (whole_s[2] + trial_s)) == (["lite0", "lite2"], False)
    assert tried(2.001 * (whole_s[2] + trial_s)) == (["lite0", "lite2"], True)
    assert plan(backbones[:1], items, 600, 60, cache)[0].backbones == tuple(backbones[:1])
