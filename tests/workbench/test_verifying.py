"""What is wrong with data is found, named and moved aside, and never twice."""

from __future__ import annotations

import csv
import shutil
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from drivetrain.core.errors import SourceError
from drivetrain.core.ports import Silent
from drivetrain.curate.suspect import (
    BLURRED,
    CONTRADICTORY,
    NEAR_BLACK,
    NEAR_DUPLICATE,
    UNREADABLE,
)
from drivetrain.curate.suspect import (
    TINY as TINY_PICTURE,
)
from drivetrain.data.edits.overlay import edited
from drivetrain.data.sources.opening import open_source
from drivetrain.embed.cache import EmbeddingCache
from drivetrain.workbench.verifying import Verified, set_aside, verify
from tiny_backbone import TINY


def scene(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(60, 255, (6, 8, 3), dtype=np.uint8)).resize(
        (320, 240), Image.Resampling.BICUBIC
    )
    draw = ImageDraw.Draw(image)
    for _ in range(40):
        x, y, r = (int(value) for value in rng.integers((0, 0, 4), (320, 240, 30)))
        draw.rectangle((x, y, x + r, y + r), fill=tuple(int(level) for level in rng.integers(0, 256, 3)))
    return image


@pytest.fixture
def bears(tmp_path: Path) -> Path:
    """Twelve good pictures, and seven that are not."""
    root = tmp_path / "bears"
    for label in ("black", "teddy"):
        (root / label).mkdir(parents=True)
    for seed in range(12):
        scene(seed).save(root / ("black" if seed < 6 else "teddy") / f"{seed}.jpg", quality=92)
    scene(20).filter(ImageFilter.GaussianBlur(4)).save(root / "black" / "soft.jpg")
    Image.new("RGB", (320, 240)).save(root / "black" / "dark.png")
    scene(21).resize((12, 9)).save(root / "teddy" / "small.png")
    (root / "teddy" / "cut.jpg").write_bytes((root / "teddy" / "6.jpg").read_bytes()[:900])
    scene(0).resize((160, 120)).save(root / "black" / "0 again.jpg", quality=80)
    ImageOps.mirror(scene(1)).save(root / "teddy" / "1 as a toy.jpg", quality=85)
    return root


EXPECTED = {
    "black/0 again.jpg": [NEAR_DUPLICATE],
    "black/1.jpg": [CONTRADICTORY],
    "black/dark.png": [NEAR_BLACK],
    "black/soft.jpg": [BLURRED],
    "teddy/1 as a toy.jpg": [CONTRADICTORY],
    "teddy/cut.jpg": [UNREADABLE],
    "teddy/small.png": [TINY_PICTURE],
}


def looked(source: Path, tmp_path: Path) -> Verified:
    cache = EmbeddingCache(None)
    return verify(str(source), cache, Silent(), tmp_path / "unpacked", TINY)


def codes(found: Verified) -> dict[str, list[str]]:
    return {one.item.name: [ground.code for ground in one.grounds] for one in found.faulty}


def aside(found: Verified, source: Path, folder: Path | None = None) -> int:
    moved = set_aside(found, str(source), folder, lambda: datetime(2026, 1, 1, tzinfo=UTC))
    return 0 if moved is None else len(moved)


def test_everything_wrong_is_named(bears: Path, tmp_path: Path) -> None:
    found = looked(bears, tmp_path)
    assert codes(found) == EXPECTED
    assert found.serious
    assert list(found.counts) == [UNREADABLE, CONTRADICTORY, NEAR_BLACK, TINY_PICTURE, BLURRED, NEAR_DUPLICATE]
    words = {one.item.name: one.grounds[0].words for one in found.faulty}
    assert words["black/1.jpg"] == "shows the same picture as teddy/1 as a toy.jpg, which is labelled “teddy”"
    assert words["black/0 again.jpg"] == "is a copy of black/0.jpg, which stays"
    assert words["teddy/cut.jpg"].startswith("cannot be read: ")
    less = found.keeping({UNREADABLE, CONTRADICTORY})
    assert not less.serious
    assert len(less.faulty) == 4


def test_quarantine_moves_and_nothing_is_found_twice(bears: Path, tmp_path: Path) -> None:
    before = sorted(path.read_bytes() for path in bears.rglob("*") if path.is_file())
    assert aside(looked(bears, tmp_path), bears) == 7
    assert sorted(
        path.relative_to(bears / "quarantine").as_posix()
        for path in (bears / "quarantine").rglob("*.*")
        if path.suffix != ".jsonl"
    ) == sorted(EXPECTED)
    after = sorted(path.read_bytes() for path in bears.rglob("*") if path.is_file() and path.suffix != ".jsonl")
    assert after == before
    again = looked(bears, tmp_path)
    assert (again.faulty, len(again.dataset.items)) == ((), 11)


def test_a_folder_without_labels_and_one_of_any_depth(bears: Path, tmp_path: Path) -> None:
    flat, deep = tmp_path / "flat", tmp_path / "deep" / "2026" / "May" / "3rd"
    flat.mkdir()
    for path in bears.rglob("*.*"):
        shutil.copy(path, flat / path.name)
    shutil.copytree(flat, deep)
    for folder in (flat, tmp_path / "deep"):
        found = looked(folder, tmp_path)
        assert CONTRADICTORY not in found.counts
        assert found.counts[NEAR_DUPLICATE] == 2
        assert found.counts[UNREADABLE] == 1
        assert aside(found, folder, tmp_path / f"aside of {folder.name}") == 6


@pytest.mark.parametrize("kind", ["table", "archive"])
def test_of_a_table_or_an_archive_the_log_says_what_is_left_out(bears: Path, tmp_path: Path, kind: str) -> None:
    files = sorted(path for path in bears.rglob("*.*"))
    if kind == "table":
        source = tmp_path / "bears.csv"
        with source.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["path", "label"])
            rows.writerows([path.relative_to(tmp_path).as_posix(), path.parent.name] for path in files)
    else:
        source = tmp_path / "bears.zip"
        with zipfile.ZipFile(source, "w") as archive:
            for path in files:
                archive.write(path, path.relative_to(bears).as_posix())
    bytes_before = source.read_bytes()
    found = looked(source, tmp_path)
    assert sorted(Path(name).name for name in codes(found)) == sorted(Path(name).name for name in EXPECTED)
    assert aside(found, source) == 0
    assert source.read_bytes() == bytes_before
    assert all(path.exists() for path in files)
    left = edited(open_source(source, unpack_dir=tmp_path / "unpacked"), source)
    assert len(left.items) == 11
    assert looked(source, tmp_path).faulty == ()


def test_where_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no-such"):
        looked(tmp_path / "no-such", tmp_path)
    one = tmp_path / "one"
    one.mkdir()
    (one / "only.jpg").write_bytes(b"no picture")
    assert codes(looked(one, tmp_path)) == {"only.jpg": [UNREADABLE]}
