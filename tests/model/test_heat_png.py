"""A heat map to lay over a picture: the picture's shape, the evidence's colours, nothing else."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from drivetrain.core.errors import UsageError
from drivetrain.data.image.preprocess import Resize
from drivetrain.model.explain.heat_colours import AGAINST, FOR
from drivetrain.model.explain.heat_png import OPAQUE, heat_png
from drivetrain.model.explain.heatmap import HeatMap
from drivetrain.model.explain.placement import Placement


def heat_map(
    size: tuple[int, int] = (300, 200), method: str = "squish", shares_Chw: np.ndarray | None = None
) -> HeatMap:
    """Evidence for the first class in the upper left quarter and against it in the lower right; the second has a tenth."""
    if shares_Chw is None:
        first = np.zeros((8, 8), np.float32)
        first[:4, :4], first[4:, 4:] = 1, -1
        shares_Chw = np.stack([first, first / 10])
    spec = Resize(size=(64, 64), method=method)  # type: ignore[arg-type]
    zeros_C = np.zeros(len(shares_Chw), np.float32)
    return HeatMap(
        image=Image.new("RGB", size, "grey"),
        classes=tuple("abcdef"[: len(shares_Chw)]),
        contributions_Chw=shares_Chw.astype(np.float32),
        logits_C=zeros_C,
        bias_C=zeros_C,
        method="activation",
        input_size=(64, 64),
        placement=Placement.of(size, spec),
        winner=0,
    )


def drawn(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGBA"))


@pytest.mark.parametrize(
    ("size", "longest", "expected"),
    [
        ((300, 200), 512, (512, 341)),
        ((200, 300), 512, (341, 512)),
        ((4000, 3000), 512, (512, 384)),
        ((50, 50), 128, (128, 128)),
        ((1000, 2), 64, (64, 1)),
        ((7, 5), 1, (1, 1)),
    ],
)
def test_it_has_the_shape_of_the_picture(size: tuple[int, int], longest: int, expected: tuple[int, int]) -> None:
    pixels = drawn(heat_png(heat_map(size), "a", longest=longest))
    assert (pixels.shape[1], pixels.shape[0]) == expected


def test_for_is_orange_against_is_blue_and_none_is_clear() -> None:
    pixels = drawn(heat_png(heat_map(), "a"))
    height, width = pixels.shape[:2]
    assert tuple(pixels[height // 4, width // 4]) == (*FOR, round(255 * OPAQUE))
    assert tuple(pixels[3 * height // 4, 3 * width // 4]) == (*AGAINST, round(255 * OPAQUE))
    assert pixels[height // 4, 3 * width // 4, 3] == 0
    assert pixels[..., 3].max() == round(255 * OPAQUE), "the picture shows through everywhere"


def test_stronger_evidence_is_less_clear() -> None:
    ramp = np.tile(np.linspace(-1, 1, 16, dtype=np.float32), (16, 1))[None]
    row_X4 = drawn(heat_png(heat_map(shares_Chw=ramp), "a"))[100].astype(int)
    middle = len(row_X4) // 2
    assert (np.diff(row_X4[:middle, 3]) <= 0).all()
    assert (np.diff(row_X4[middle:, 3]) >= 0).all()
    assert len(set(row_X4[:, 3])) > 40, "no bands"


def test_outputs_can_be_compared_unless_one_stands_alone() -> None:
    weak, alone = (drawn(heat_png(heat_map(), "b", alone=alone))[..., 3].max() for alone in (False, True))
    assert 0 < weak < 0.1 * 255
    assert alone == round(255 * OPAQUE)


def test_what_the_network_does_not_see_is_dark() -> None:
    pixels = drawn(heat_png(heat_map((400, 200), "crop"), "a", longest=400))
    assert (pixels[:, :99, 3] > 120).all()
    assert (pixels[:, -99:, 3] > 120).all()
    assert (pixels[:, :99, :3] < 40).all()
    assert pixels[150, 150, 3] == 0


def test_equal_maps_give_equal_bytes() -> None:
    assert heat_png(heat_map(), "a") == heat_png(heat_map(), "a") != heat_png(heat_map(), "b")


def test_it_lies_where_the_overlay_has_it() -> None:
    rng = np.random.default_rng(0)
    heat = heat_map((320, 240), "crop", rng.standard_normal((3, 7, 7)))
    pixels = drawn(heat_png(heat, "b", longest=320)).astype(float)
    signed_YX = np.where(pixels[..., 0] > pixels[..., 2], 1, -1) * pixels[..., 3]
    on_picture_YX = heat.on_picture("b")
    seen_YX = np.isfinite(on_picture_YX)
    assert np.corrcoef(signed_YX[seen_YX], on_picture_YX[seen_YX])[0, 1] > 0.98


def test_no_evidence_at_all_is_clear() -> None:
    assert (drawn(heat_png(heat_map(shares_Chw=np.zeros((2, 4, 4))), "a"))[..., 3] == 0).all()


def test_no_such_output_or_size() -> None:
    with pytest.raises(UsageError, match="no class “z”"):
        heat_png(heat_map(), "z")
    with pytest.raises(UsageError, match="longest is 0"):
        heat_png(heat_map(), "a", longest=0)
