"""``drivetrain verify`` of data, and the line between data and bundles."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from command_line import CommandLine
from PIL import Image

from drivetrain.core.errors import UsageError

BUNDLE = Path(__file__).parent.parent / "bundles" / "v1"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(4):
        small = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
        noise = np.random.default_rng(seed).integers(0, 60, (240, 320, 3))
        large = np.asarray(Image.fromarray(small).resize((320, 240)), np.int64) + noise - 30
        Image.fromarray(np.clip(large, 0, 255).astype(np.uint8)).save(folder / f"{seed}.png")
    shutil.copy(folder / "2.png", folder / "two.png")
    return folder


@pytest.mark.trains
def test_data_are_looked_at_and_moved(drivetrain: CommandLine, photos: Path, tmp_path: Path) -> None:
    good = drivetrain("verify", photos, "--no-cache")
    assert good.code == 0, good.err
    assert "two.png: has the same pixels as 2.png, which stays" in good.out
    assert f"drivetrain verify {photos} --quarantine" in good.out
    assert f"drivetrain clean {photos} shows them" in good.out
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing")
    found = drivetrain("verify", photos, "--no-cache", "--json")
    assert found.code == 1
    document = found.document
    assert document["counts"] == {"unreadable": 1, "near-duplicate": 1}
    assert (document["images"], document["serious"], document["moved"]) == (6, True, [])
    assert [one["path"] for one in document["found"]] == ["broken.jpg", "two.png"]
    kept = drivetrain("verify", photos, "--no-cache", "--keep", "unreadable", "--keep", "near-duplicate")
    assert (kept.code, kept.out) == (0, f"nothing is wrong with the 6 images of {photos}\n")
    moved = drivetrain("verify", photos, "--no-cache", "--into", tmp_path / "aside", "--json")
    assert moved.code == 0
    assert [Path(one["to"]).name for one in moved.document["moved"]] == ["broken.jpg", "two.png"]
    assert (tmp_path / "aside" / "two.png").exists()
    assert drivetrain("verify", photos, "--no-cache").code == 0


def test_bundles_and_data_are_told_apart(drivetrain: CommandLine, photos: Path, tmp_path: Path) -> None:
    zipped = shutil.make_archive(str(tmp_path / "b"), "zip", BUNDLE)
    for bundle in (BUNDLE, zipped):
        done = drivetrain("verify", bundle)
        assert done.code == 2
        assert f"{bundle} is a bundle; say whose it should be" in done.error
    (tmp_path / "k.pub").write_text("no key")
    for arguments, words in (
        (("verify", photos, "--key", tmp_path / "k.pub"), "k.pub"),
        (("verify", BUNDLE, "--key", tmp_path / "k.pub", "--quarantine"), "--quarantine is for data"),
        (("verify", photos, "--keep", "ugly"), "--keep ugly is no code; give one of unreadable"),
        (("verify", tmp_path / "none"), "none"),
        (("verify", zipped.replace("b.zip", "photos"), "--into", "x", "--no-cache", "--cache", "y"), "--cache"),
    ):
        done = drivetrain(*arguments)
        assert (done.code, done.out) == (2, ""), arguments
        assert words in done.error


def test_data_with_a_key_are_no_bundle(drivetrain: CommandLine, photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("cryptography", reason="signatures need cryptography; pip install '.[sign]'")
    bundle = shutil.copytree(BUNDLE, tmp_path / "b.bundle")
    drivetrain("sign", bundle, "--key", tmp_path / "k", "--new-key")
    done = drivetrain("verify", photos, "--key", tmp_path / "k.pub")
    assert done.code == 2
    assert "it is a folder of images" in done.error
    assert UsageError.__name__ not in done.err
