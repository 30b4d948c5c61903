"""Pictures whose bands have no stated meaning, and those whose colour profile is ignored: said wherever they are read."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image
from typer.testing import CliRunner

import drivetrain as dt
from drivetrain.cli.main import app
from drivetrain.data.bands import bands_of
from drivetrain.learn.rendering_findings import about_rendering

BUNDLE = Path(__file__).parent.parent / "bundles" / "v3-classes"


def pictures(folder: Path) -> list[Path]:
    """One of three colours, two of four bands, one with a profile that cannot be used."""
    bands = np.random.default_rng(0).integers(0, 256, (40, 40, 4), dtype=np.uint8)
    for name in ("a.tif", "b.tif"):
        tifffile.imwrite(folder / name, bands, photometric="minisblack", planarconfig="contig")
    buffer = io.BytesIO()
    Image.fromarray(bands[:, :, :3]).save(buffer, "PNG", icc_profile=b"no profile at all" * 20)
    (folder / "c.png").write_bytes(buffer.getvalue())
    Image.fromarray(bands[:, :, :3]).save(folder / "d.png")
    return [folder / name for name in ("a.tif", "b.tif", "c.png", "d.png")]


def test_predict_warns_of_both(tmp_path: Path) -> None:
    paths = pictures(tmp_path)
    said = " ".join(CliRunner().invoke(app, ["predict", str(BUNDLE), *map(str, paths)]).stderr.split("\n"))
    meant = "the file does not say what its 4 bands mean, and the first three were taken for red, green and blue"
    assert f"warning: 2 of 4 files, first {paths[0]}: {meant}" in said
    assert "profile" not in said, "a bundle of before schema 4 passes every profile over"


def test_facts_of_an_answer_have_what_there_is_to_say_only(tmp_path: Path) -> None:
    predictor = dt.load(BUNDLE)
    facts = [predictor.predict(path).facts for path in pictures(tmp_path)]
    assert [bands_of(one) for one in facts] == ["4 bands", "4 bands", None, None]
    assert [sorted(one) for one in facts[2:]] == [["height", "width"]] * 2
    remarks = predictor.manifest.input.remarks
    assert [[one.code for one in remarks(fact)] for fact in facts] == [["bands-guessed"]] * 2 + [[], []]
    ignored = remarks({"width": 1, "height": 1, "profile": "ignored"})
    assert [one.code for one in ignored] == ["profiles-ignored"]


def test_an_evaluation_counts_them(tmp_path: Path, cache_folder: Path) -> None:
    (tmp_path / "left").mkdir()
    pictures(tmp_path / "left")
    labels = dt.load(BUNDLE).manifest.kind.outputs
    (tmp_path / "left").rename(tmp_path / labels[0])
    found = dt.evaluate(BUNDLE, tmp_path, cache=cache_folder)
    (told,) = [one for one in found.findings if one.code == "bands-guessed"]
    first = f"{labels[0]}/a.tif"
    assert told.sentence.startswith(
        f"2 images (first: {first}) have bands whose meaning the file does not say (4 bands)"
    )


def test_one_picture_is_one() -> None:
    (told,) = about_rendering(
        [{"mode": "6 bands", "profile": "none"}, {"mode": "RGB", "profile": "none"}], ["x.tif", "y.tif"]
    )
    assert told.sentence.startswith("1 image (x.tif) has bands whose meaning")


def test_each_rule_tells_of_its_own_images_in_one_order() -> None:
    facts = [{"mode": "I;16", "range": "guessed"}, {"mode": "4 bands", "profile": "ignored"}, {"range": "exceeded"}]
    told = about_rendering([*facts, {"range": "guessed"}], ["a", "b", "c", "d"])
    assert [one.code for one in told] == ["range-guessed", "range-exceeded", "profiles-ignored", "bands-guessed"]
    starts = [one.sentence.split(" ", 6)[:6] for one in told]
    assert starts[0] == ["2", "images", "(first:", "a)", "are", "of"]
    assert [" ".join(start[:4]) for start in starts[1:]] == ["1 image (c) is", "1 image (b) has", "1 image (b) has"]
    assert about_rendering([{"mode": "RGB", "profile": "none"}], ["x"]) == []
