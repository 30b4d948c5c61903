"""Pictures of more than 8 bits, from training to answers: one range for all of them, and a word where there is none."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from served_answer import served_answer
from typer.testing import CliRunner

import drivetrain as dt
from drawn import draw_deep
from drivetrain.app.trace import trace
from drivetrain.cli.main import app
from drivetrain.core.errors import UsageError
from drivetrain.core.memory_budget import MemoryBudget
from drivetrain.data.block.blocks import CategoryBlock, ImageBlock
from drivetrain.data.block.datablock import DataBlock
from drivetrain.data.block.item_transforms import Resize
from drivetrain.data.block.labellers import parent_label
from drivetrain.data.image.decode import decode
from drivetrain.data.image.preprocess import for_images
from drivetrain.data.image.render import SRGB, Range, Ranges, Render
from drivetrain.learn.interpretation import Interpretation
from drivetrain.notebook.picture import picture_html
from drivetrain.serve.work.pictures import Pictures
from tiny_backbone import TINY

pytestmark = pytest.mark.trains

BUNDLES = Path(__file__).parents[1] / "bundles"


def redrawn(source: Path, folder: Path, full: float, kind: str = "uint16", offset: float = 0) -> Path:
    """The same pictures in grey, their values from ``offset`` to ``offset`` + ``full``."""
    for path in source.rglob("*.png"):
        grey = np.asarray(Image.open(path).convert("L")) / 255 * full + offset
        target = folder / path.parent.name / f"{path.stem}{'.tif' if kind.startswith('f') else '.png'}"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(grey.astype(kind) if kind.startswith("f") else np.rint(grey).astype(kind)).save(target)
    return folder


@pytest.fixture(scope="module")
def deep_folder(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return redrawn(digits_folder, tmp_path_factory.mktemp("deep"), 4095)


def train(source: Path, out: Path, cache: Path, **changes: Any) -> dt.TrainResult:
    return dt.train(source, out, **{"backbone": TINY, "cache": cache, **changes})


def ranges_of(bundle: Path) -> Ranges | str:
    return for_images(dt.load(bundle).manifest.input.preprocess).render.ranges


def test_a_range_is_fitted_told_and_stored(deep_folder: Path, cache_folder: Path, tmp_path: Path) -> None:
    result = train(deep_folder, tmp_path / "a", cache_folder)
    assert ranges_of(result.bundle) == Ranges(integers=(0, 4095))
    (told,) = [one for one in result.findings if one.code == "range-fitted"]
    assert "integers 0 to 4095 (from 128 pictures)" in told.sentence
    assert "--range LOW:HIGH" in told.sentence
    assert "integers 0 to 4095" in (result.bundle / "report.html").read_text()
    assert "integers 0 to 4095" in (result.bundle / "card.md").read_text()
    inspected = CliRunner().invoke(app, ["inspect", str(result.bundle)])
    assert "integers 0 to 4095" in " ".join(inspected.stdout.split())


def test_12_bits_answer_as_the_same_pictures_of_8_bits(
    digits_folder: Path, deep_folder: Path, cache_folder: Path, tmp_path: Path
) -> None:
    grey = redrawn(digits_folder, tmp_path / "grey", 255, "uint8")
    shallow, deep = train(grey, tmp_path / "8", cache_folder), train(deep_folder, tmp_path / "12", cache_folder)
    assert deep.accuracy == shallow.accuracy
    assert not [one.code for one in shallow.findings if one.code.startswith("range")]
    assert ranges_of(shallow.bundle) == Ranges()


@pytest.mark.parametrize(
    ("given", "expected"), [("0:9999", (0, 9999)), ((-5, 5000), (-5, 5000)), ([-1, 0.5], (-1, 0.5))]
)
def test_a_range_that_is_stated_is_taken(
    deep_folder: Path, cache_folder: Path, tmp_path: Path, given: object, expected: Range
) -> None:
    result = train(deep_folder, tmp_path / "a", cache_folder, range=given)
    assert ranges_of(result.bundle) == Ranges(integers=expected, floats=expected)
    codes = [one.code for one in result.findings]
    assert "range-fitted" not in codes
    assert ("range-exceeded" in codes) == (expected == (-1, 0.5))


def test_a_range_in_a_settings_file_and_on_the_command_line(
    deep_folder: Path, cache_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "s.toml").write_text(f"backbone = {json.dumps(TINY)}\nrange = [0, 8191]\n")
    common = ["train", str(deep_folder), "--cache", str(cache_folder), "--settings", str(tmp_path / "s.toml"), "--out"]
    for name, more, expected in (("a", [], (0, 8191)), ("b", ["--range", "-5:4095"], (-5, 4095))):
        done = CliRunner().invoke(app, [*common, str(tmp_path / name), *more])
        assert done.exit_code == 0, done.output
        assert ranges_of(tmp_path / name) == Ranges(integers=expected, floats=expected)
    refused = CliRunner().invoke(app, [*common, str(tmp_path / "c"), "--range", "5:2"])
    assert isinstance(refused.exception, UsageError)
    assert str(refused.exception) == "range (--range) is 5:2; the first number must be below the second"


def test_a_block_with_a_range_and_another_one_beside_it_are_refused(
    deep_folder: Path, cache_folder: Path, tmp_path: Path
) -> None:
    known = ImageBlock(render=Render(ranges=Ranges(integers=(0, 5000))))
    block = DataBlock((known, CategoryBlock), get_y=parent_label)
    assert ranges_of(train(deep_folder, tmp_path / "a", cache_folder, block=block).bundle) == Ranges(integers=(0, 5000))
    with pytest.raises(UsageError, match=r"leave out range \(--range\), or the block's render"):
        train(deep_folder, tmp_path / "b", cache_folder, block=block, range=(0, 1))


def test_a_datablock_fits_the_training_side(deep_folder: Path) -> None:
    block = DataBlock((ImageBlock, CategoryBlock), get_y=parent_label, item_tfms=Resize(16))
    sets = block.datasets(deep_folder)
    assert sets.train.image_block.render == sets.valid.image_block.render == Render(ranges=Ranges(integers=(0, 4095)))
    assert "range of values of more than 8 bits, fitted: integers 0 to 4095" in repr(sets)
    image, _ = sets.train[0]
    assert np.asarray(image).max() > 200


def test_the_validation_side_has_no_part_in_a_range(digits_folder: Path, cache_folder: Path, tmp_path: Path) -> None:
    redrawn(digits_folder, tmp_path / "data" / "train", 1000)
    redrawn(digits_folder, tmp_path / "data" / "valid", 4095)
    result = train(tmp_path / "data", tmp_path / "a", cache_folder)
    assert ranges_of(result.bundle) == Ranges(integers=(0, 1023))


def test_order_and_a_few_more_pictures_change_nothing(deep_folder: Path, cache_folder: Path, tmp_path: Path) -> None:
    pairs = [(path, path.parent.name) for path in sorted(deep_folder.rglob("*.png"))]
    for n, some in enumerate((pairs, pairs[::-1], pairs[7:])):
        bundle = dt.train(some, tmp_path / str(n), backbone=TINY, cache=cache_folder).bundle
        assert ranges_of(bundle) == Ranges(integers=(0, 4095))


def test_answers_to_pictures_beyond_the_range_go_before_a_person(
    deep_folder: Path, cache_folder: Path, tmp_path: Path
) -> None:
    # Without a gate, which has its own to say of a gradient.
    bundle = train(deep_folder, tmp_path / "a", cache_folder, accept=0, false_alarm=0).bundle
    folder = tmp_path / "asked"
    folder.mkdir()
    grey = np.linspace(0, 1, 480).reshape(20, 24)
    Image.fromarray(np.rint(grey * 4095).astype(np.uint16)).save(folder / "known.png")
    Image.fromarray(np.rint(grey * 65535).astype(np.uint16)).save(folder / "exceeded.png")
    Image.fromarray(grey.astype(np.float32)).save(folder / "guessed.tif")
    predictor = dt.load(bundle)
    reasons = {path.stem: predictor.predict(path).to_json()["reasons"] for path in folder.iterdir()}
    assert reasons["known"] == []
    assert [one["code"] for one in reasons["exceeded"]] == ["range-exceeded"]
    assert "the model's range, integers 0 to 4095" in reasons["exceeded"][0]["text"]
    assert [one["code"] for one in reasons["guessed"]] == ["range-guessed"]
    said = CliRunner().invoke(app, ["predict", str(bundle), str(folder)])
    assert "warning: 1 of 3 files, first" in said.stderr
    labelled = tmp_path / "labelled"
    for path in deep_folder.rglob("*.png"):
        (labelled / path.parent.name).mkdir(parents=True, exist_ok=True)
        values = np.asarray(Image.open(path))
        Image.fromarray((values + 9000).astype(np.uint16)).save(labelled / path.parent.name / path.name)
    found = dt.evaluate(bundle, labelled, cache=cache_folder, keep_leaks=True)
    (told,) = [one for one in found.findings if one.code == "range-exceeded"]
    assert told.sentence.startswith("160 images (first: ")
    assert found.accepted is not None
    assert found.accepted.n == 0


def test_an_older_bundle_answers_as_it_did_and_says_that_it_guesses(tmp_path: Path) -> None:
    paths = draw_deep(tmp_path)
    said = CliRunner().invoke(app, ["predict", str(BUNDLES / "v3-classes"), *map(str, paths)])
    assert said.exit_code == 0
    told = f"warning: 4 of 4 files, first {paths[0]}: the range of its values was guessed, as the model knows none"
    assert told in " ".join(said.stderr.split("\n"))
    predictor = dt.load(BUNDLES / "v3-classes")
    assert not predictor.manifest.input.has_doubts
    assert predictor.predict(paths[0]).facts["range"] == "guessed"
    assert "range" not in predictor.predict(Image.new("RGB", (8, 8))).facts


def test_server_heat_map_and_pictures_shown_go_by_the_range(
    deep_folder: Path, cache_folder: Path, tmp_path: Path
) -> None:
    predictor = dt.load(train(deep_folder, tmp_path / "a", cache_folder, gallery=5).bundle)
    form, render = predictor.manifest.input, for_images(predictor.manifest.input.preprocess).render
    buffer = io.BytesIO()
    # A quarter of the range, which a guess would show brighter.
    Image.fromarray(np.rint(np.linspace(0, 1000, 1600)).astype(np.uint16).reshape(40, 40)).save(buffer, "PNG")
    data, reader = buffer.getvalue(), Pictures(MemoryBudget(1 << 30))
    seen_as = decode(data, render=render).image
    assert np.asarray(seen_as).max() == 62
    assert np.asarray(decode(data).image).max() == 249
    entry = served_answer(predictor, "dark.png", data)
    assert entry.record.facts == {"width": 40, "height": 40, "range": "known"}
    assert entry.record.prediction.probs == predictor.predict(seen_as).probs == predictor.predict(data).probs
    maps = predictor.heatmaps()
    assert np.array_equal(maps.of(data).contributions(), maps.of(seen_as).contributions())
    assert np.asarray(Image.open(io.BytesIO(reader.thumbnail(data, 40, form)))).max() < 70
    html = picture_html(predictor, "dark.png", data)
    shown = base64.b64decode(html.partition("base64,")[2].partition('"')[0])
    assert np.asarray(Image.open(io.BytesIO(shown))).max() < 70
    kept = predictor.gallery
    assert kept is not None
    picture = Image.open(io.BytesIO(kept.thumbnail(kept.rows[0]) or b""))
    assert np.asarray(picture).max() > 200
    steps = {step.name: step for step in trace(_written(tmp_path / "dark.png", data), tmp_path / "a")}
    assert "62" in steps["decode"].range


def test_sheets_of_mistakes_go_by_the_range(
    deep_folder: Path, digits_folder: Path, cache_folder: Path, tmp_path: Path
) -> None:
    bundle = train(deep_folder, tmp_path / "a", cache_folder).bundle
    redrawn(digits_folder, tmp_path / "dark", 1000)
    found = dt.evaluate(bundle, tmp_path / "dark", cache=cache_folder, keep_leaks=True).interpretation()
    assert isinstance(found, Interpretation)
    render = for_images(dt.load(bundle).manifest.input.preprocess).render

    def sheet(render: Render | None) -> list[int]:
        heat = None if render is None else lambda item: decode(item.path.read_bytes(), render=render).image
        return np.asarray(found.plot_top_losses(4, heat=heat)).tolist()

    assert sheet(None) == sheet(render)
    assert sheet(None) != sheet(SRGB), "as each picture alone would be shown"


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_one_pixel_above_1_answers_as_without_it(deep_folder: Path, cache_folder: Path, tmp_path: Path) -> None:
    bundle = train(deep_folder, tmp_path / "a", cache_folder).bundle
    cool = np.asarray(Image.open(next(deep_folder.rglob("*.png")))).astype(np.float32) / 4095
    hot = cool.copy()
    hot[3, 4] = 1.001
    predictor = dt.load(bundle)
    answers = [predictor.predict(Image.fromarray(pixels)) for pixels in (cool, hot)]
    assert answers[0].label == answers[1].label
    np.testing.assert_allclose(list(answers[0].probs.values()), list(answers[1].probs.values()), atol=0.02)
