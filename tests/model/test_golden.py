"""Golden images: a bundle that this machine does not reproduce is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from PIL import Image
from tampering import edit_arrays, edit_graph, edit_json, reseal, rewrite

import drivetrain as dt
from drivetrain.core.errors import DataError, ParityError, SchemaError
from drivetrain.data.image.preprocess import Preprocess
from drivetrain.model.golden import EXPECTED, write_golden
from drivetrain.model.inputs.image import LONGEST_SIDE, ImageInput

pytestmark = pytest.mark.usefixtures("tried_here")

INDEX = "golden/golden.json"


def test_a_fresh_bundle_is_reproduced(trained: Path) -> None:
    parity = dt.load(trained).parity
    assert parity is not None
    assert parity.images == 5
    assert parity.max_pixel == 0
    assert parity.max_probability < 1e-6


def test_a_trained_bundle_exercises_lossless_and_lossy_images(trained: Path) -> None:
    names = {path.suffix for path in (trained / "golden").iterdir()}
    assert {".png", ".jpg"} <= names


def _scale_weights(model: onnx.ModelProto) -> None:
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == "head")
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * np.float32(0.5), "head"))


def test_altered_weights_are_found_though_their_sums_fit(bundle: Path) -> None:
    edit_graph(bundle, _scale_weights)
    with pytest.raises(ParityError, match=r"does not reproduce golden image 0\.png: .* probabilities by 0\.\d+"):
        dt.load(bundle)
    # Knowingly:
    predictor = dt.load(bundle, golden=False)
    assert predictor.parity is None
    assert predictor.predict(Image.new("RGB", (9, 9), (220, 30, 20))).label == "rot"


def test_weights_that_give_nan_are_found(bundle: Path) -> None:
    def spoil(model: onnx.ModelProto) -> None:
        bias = next(tensor for tensor in model.graph.initializer if tensor.name == "head.bias")
        bias.CopyFrom(numpy_helper.from_array(np.full(3, np.nan, np.float32), "head.bias"))

    edit_graph(bundle, spoil)
    with pytest.raises(ParityError):
        dt.load(bundle)


def test_altered_answers_are_found(bundle: Path) -> None:
    edit_arrays(bundle, EXPECTED, lambda arrays: arrays["logits_GC"].__iadd__(np.float32([0, 2, 0])))
    with pytest.raises(ParityError):
        dt.load(bundle)
    assert dt.load(bundle, golden=False)


def test_a_difference_too_small_to_matter_is_let_through(bundle: Path) -> None:
    edit_arrays(bundle, EXPECTED, lambda arrays: arrays["logits_GC"].__iadd__(np.float32([1e-3, 0, 0])))
    parity = dt.load(bundle).parity
    assert parity is not None
    assert 0 < parity.max_probability < 0.01


def test_altered_pixels_are_found(bundle: Path) -> None:
    edit_arrays(bundle, EXPECTED, lambda arrays: arrays["pixels_GHWK"].__iadd__(np.uint8(3)))
    with pytest.raises(ParityError, match="pixels differ by 3 grey levels"):
        dt.load(bundle)


def test_a_grey_level_of_a_jpeg_decoder_is_let_through(bundle: Path) -> None:
    edit_arrays(bundle, EXPECTED, lambda arrays: arrays["pixels_GHWK"].__iadd__(np.uint8(1)))
    parity = dt.load(bundle).parity
    assert parity is not None
    assert parity.max_pixel == 1


def test_another_golden_image_is_found(bundle: Path) -> None:
    rewrite(bundle, "golden/0.png", (bundle / "golden" / "1.png").read_bytes())
    with pytest.raises(ParityError):
        dt.load(bundle)


def test_classes_in_another_order_are_found(bundle: Path) -> None:
    edit_json(bundle, "manifest.json", lambda d: d["classes"].reverse())
    with pytest.raises(SchemaError, match=r"golden image 0\.png: golden\.json says blau .* the expected logits rot"):
        dt.load(bundle)


def test_another_temperature_is_found(bundle: Path) -> None:
    edit_json(bundle, "manifest.json", lambda d: d["calibration"].update(beta=0.5))
    with pytest.raises(SchemaError, match=r"golden image 0\.png"):
        dt.load(bundle)


@pytest.mark.parametrize(
    ("field", "value"), [("label", "rot"), ("confidence", 0.5), ("verdict", "review"), ("verdict", "unheard of")]
)
def test_an_index_that_says_something_else_is_found(bundle: Path, field: str, value: object) -> None:
    edit_json(bundle, INDEX, lambda d: d["images"][0].update({field: value}))
    with pytest.raises(SchemaError, match=r"golden image 0\.png: golden\.json says"):
        dt.load(bundle)


def test_a_replay_of_nothing_certifies_nothing(bundle: Path) -> None:
    edit_json(bundle, INDEX, lambda d: d["images"].clear())
    with pytest.raises(SchemaError, match="malformed"):
        dt.load(bundle)
    with pytest.raises(DataError, match="none of the images can be read any more"):
        write_golden([], dt.load(bundle, golden=False).manifest.input, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        (INDEX, b"not JSON"),
        (INDEX, b"[]"),
        (INDEX, b'{"images": [{"file": "0.png"}]}'),
        (INDEX, b'{"images": [], "extra": 1}'),
        (EXPECTED, b""),
        (EXPECTED, b"\xff" * 100),
    ],
)
def test_malformed_files_are_refused(bundle: Path, name: str, data: bytes) -> None:
    rewrite(bundle, name, data)
    with pytest.raises(SchemaError, match="malformed"):
        dt.load(bundle)


def test_expected_answers_must_be_there(bundle: Path) -> None:
    (bundle / EXPECTED).unlink()
    reseal(bundle)
    with pytest.raises(SchemaError, match="malformed"):
        dt.load(bundle)


def test_arrays_must_fit_the_index_and_the_manifest(bundle: Path) -> None:
    def fewer(arrays: dict[str, np.ndarray]) -> None:
        arrays["pixels_GHWK"] = arrays["pixels_GHWK"][:3]

    def as_floats(arrays: dict[str, np.ndarray]) -> None:
        arrays["pixels_GHWK"] = arrays["pixels_GHWK"].astype(np.float32)

    def two_classes(arrays: dict[str, np.ndarray]) -> None:
        arrays["logits_GC"] = arrays["logits_GC"][:, :2]

    def not_finite(arrays: dict[str, np.ndarray]) -> None:
        arrays["logits_GC"][1] = np.nan

    before = (bundle / EXPECTED).read_bytes()
    for edit, message in (
        (fewer, r"golden pixels are uint8 \(3, 8, 8, 3\), not uint8 \(4, 8, 8, 3\)"),
        (as_floats, "golden pixels are float32"),
        (two_classes, r"golden logits are float32 \(4, 2\)"),
        (not_finite, "not finite float32"),
    ):
        rewrite(bundle, EXPECTED, before)
        edit_arrays(bundle, EXPECTED, edit)
        with pytest.raises(SchemaError, match=message):
            dt.load(bundle)


def test_a_golden_image_that_is_none_is_refused(bundle: Path) -> None:
    rewrite(bundle, "golden/0.png", b"not an image")
    with pytest.raises(SchemaError, match=r"golden image 0\.png cannot be used: not an image"):
        dt.load(bundle)


@pytest.mark.parametrize("name", ["../card.md", "/etc/hostname", "nothing.png", ""])
def test_an_index_cannot_reach_outside_the_golden_files(bundle: Path, name: str) -> None:
    edit_json(bundle, INDEX, lambda d: d["images"][0].update(file=name))
    with pytest.raises(SchemaError, match="cannot be used"):
        dt.load(bundle)


@pytest.mark.parametrize(("lossless", "kind"), [(True, "PNG"), (False, "JPEG")])
def test_a_golden_copy_is_small_and_carries_no_metadata(lossless: bool, kind: str, tmp_path: Path) -> None:
    image = Image.new("RGB", (2000, 500), (10, 20, 30))
    image.info["comment"] = b"taken at 51.5 N"
    image.info["icc_profile"] = b"of my camera"
    image.getexif()[0x010E] = "Where I live"
    form = ImageInput(preprocess=Preprocess())
    (tmp_path / "g").write_bytes(form.golden_file(form.read(image), lossless=lossless))
    with Image.open(tmp_path / "g") as copy:
        assert copy.format == kind
        assert copy.size == (LONGEST_SIDE, 120)
        assert not copy.getexif()
    assert b"51.5" not in (tmp_path / "g").read_bytes()
    assert b"Where I live" not in (tmp_path / "g").read_bytes()
    assert b"my camera" not in (tmp_path / "g").read_bytes()
    assert b"iCCP" not in (tmp_path / "g").read_bytes()
