"""Evidence by place: it adds up to the logits, and lies where it was planted. Shapes as in `model.explain.heatmap`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from PIL import Image

import drivetrain as dt
from drivetrain.core.errors import BundleError, ImageError, SchemaError, UsageError
from drivetrain.core.types import FloatArray
from drivetrain.data.image.preprocess import Preprocess, Resize, apply, resize_image
from drivetrain.embed.graph import GraphBuilder
from drivetrain.embed.recipe import View
from drivetrain.embed.registry import resolve
from drivetrain.embed.session import Session
from drivetrain.model.explain.evidence import NoPlacesError, find_evidence
from drivetrain.model.explain.heatmap import HeatMap, Heatmaps, heat_map
from drivetrain.model.explain.placement import Placement
from drivetrain.model.explain.places import sample, spread
from drivetrain.model.export import with_head
from drivetrain.model.kinds.ordinal import OrdinalKind
from drivetrain.model.part import Calibration
from views import FOUR, ONE, TWO

SIDE = 48
CLASSES = ("bright", "dark", "left")


def photo(width: int, height: int, seed: int = 0) -> Image.Image:
    """Soft random colours."""
    noise = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def packaged(
    name: str, blocks: tuple[str, ...], *, views: tuple[View, ...], classes: int = 3
) -> tuple[bytes, Preprocess]:
    """A packaged network with a head of random weights."""
    backbone = resolve(name)
    graph = backbone.build(blocks)
    width = graph.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    rng = np.random.default_rng(1)
    weight_DC = (3 * rng.normal(size=(width, classes))).astype(np.float32)
    return with_head(graph, weight_DC, rng.normal(size=classes).astype(np.float32), views=views), backbone.preprocess


@pytest.mark.trains
@pytest.mark.parametrize("views", [ONE, TWO, FOUR])
@pytest.mark.parametrize(
    ("name", "blocks", "places"),
    [
        ("efficientnet-lite0", ("head",), 7),
        ("efficientnet-lite0", ("head", "stage4", "stage5"), 14),
        ("efficientnet-lite1", ("head", "stage3", "stage4"), 15),  # 8 places beside 15: no whole ratio
        ("efficientnet-lite2", ("stage1", "stage2", "stage5"), 65),
    ],
)
def test_the_shares_add_up_to_the_logits(
    name: str, blocks: tuple[str, ...], places: int, views: tuple[View, ...]
) -> None:
    model, preprocess = packaged(name, blocks, views=views)
    maps = Heatmaps(model, CLASSES, preprocess)
    image = photo(400, 300)
    heat = maps.of(image)
    assert heat.method == maps.method == "activation"
    assert heat.contributions_Chw.shape == (3, places, places)
    # The logits as the untouched graph gives them, and the bias as the head has it.
    logits_C = Session(model).run(apply(image, preprocess)[None], ["logits"])[0][0]
    bias_C = next(
        numpy_helper.to_array(w) for w in onnx.load_from_string(model).graph.initializer if w.name == "head.bias"
    )
    np.testing.assert_allclose(heat.contributions_Chw.sum(axis=(1, 2)), logits_C - bias_C, atol=1e-4)
    np.testing.assert_allclose(heat.bias_C, bias_C, atol=1e-4)
    for label in CLASSES:
        on_input_HW = heat.on_input(label)
        assert on_input_HW.shape == preprocess.resize.size
        assert on_input_HW.sum() == pytest.approx((logits_C - bias_C)[CLASSES.index(label)], abs=1e-4)


def test_fewer_logits_than_classes_are_mixed_and_the_kind_says_which_wins() -> None:
    """A cumulative-logit head: one row of weights, two thresholds, three grades."""
    backbone = resolve("efficientnet-lite0")
    graph = backbone.build(("head",))
    weight_D1 = np.random.default_rng(1).normal(size=(1280, 1)).astype(np.float32)
    model = with_head(graph, np.repeat(weight_D1, 2, axis=1), np.float32([1.0, -1.0]))
    kind = OrdinalKind(grades=CLASSES, calibration=Calibration(beta=1.0, fitted_on="nothing"))
    maps = Heatmaps(model, CLASSES, backbone.preprocess, mix_WC=kind.evidence_WC, answers=kind.answers)
    heat = maps.of(photo(300, 300))
    logits_W = Session(model).run(apply(photo(300, 300), backbone.preprocess)[None], ["logits"])[0][0]
    at_least = [heat.contributions(grade) for grade in CLASSES]
    np.testing.assert_allclose(at_least[1], at_least[2], atol=1e-6)
    np.testing.assert_allclose(at_least[0], -at_least[1], atol=1e-6)
    np.testing.assert_allclose(heat.logits_C, [-logits_W[0], logits_W[0], logits_W[1]], atol=1e-4)
    np.testing.assert_array_equal(heat.contributions(), heat.contributions(kind.answer(logits_W).label))


def bright_graph(*, form: str = "own", divide: bool = True, size: tuple[int, int] = (SIDE, SIDE)) -> onnx.ModelProto:
    """A network of 4×4 means of red, of its lack and of a constant, written as various exporters would write it."""
    net = GraphBuilder()
    kernel = np.zeros((3, 3, 4, 4), np.float32)
    kernel[0, 0], kernel[1, 0] = 1 / 16, -1 / 16
    bias = np.array([1, 1, 0.5], np.float32)
    x = net.conv("pixels", "conv", kernel, bias, stride=4, pads=(0, 0), groups=1)
    if form == "own":
        vector = net.mean_pool(x, "pooled")
    elif form == "largest":
        vector = net.max_pool(x, "pooled")
    elif form == "torch":  # mean over two axes, as torch exports it
        vector = net.node("ReduceMean", [x], "pooled", axes=[2, 3], keepdims=0)
    elif form == "average":
        shape = [size[0] // 4, size[1] // 4]
        vector = net.node("Squeeze", [net.node("AveragePool", [x], "p", kernel_shape=shape), _axes(net)], "pooled")
    else:
        vector = net.node("Relu", [net.mean_pool(x, "pooled")], "bent")  # not linear any more
    if form == "torch":
        norm = net.node("ReduceL2", [vector], "norm", axes=[1], keepdims=1)
        floor = net.node("Clip", [norm, net.constant("floor", np.asarray(1e-12, np.float32))], "floored")
        wide = net.node("Expand", [floor, net.node("Shape", [vector], "shape")], "wide")
        net.node("Div", [vector, wide], "unit")
        net.node("Gather", ["unit", net.constant("columns", np.array([0, 1, 2]))], "embedding", axis=1)
    elif divide:
        net.unit_length(vector, "embedding")
    else:
        net.node("Identity", [vector], "embedding")
    return net.model({"pixels": ("N", 3, *size)}, {"embedding": ("N", 3)})


def _axes(net: GraphBuilder) -> str:
    return net.constant("axes", np.array([2, 3]))


WEIGHT_DC = np.array([[3, -3, 1], [-3, 3, 1], [0.5, 0.5, 0.5]], np.float32)
PLAIN = Preprocess(resize=Resize(method="squish", size=(SIDE, SIDE), filter="box"))


def bright_maps(
    form: str = "own", preprocess: Preprocess = PLAIN, *, views: tuple[View, ...] = ONE, divide: bool = True
) -> Heatmaps:
    graph = bright_graph(form=form, divide=divide, size=preprocess.resize.size)
    return Heatmaps(
        with_head(graph, WEIGHT_DC, np.array([0.1, 0.2, 0.3], np.float32), views=views), CLASSES, preprocess
    )


@pytest.mark.parametrize("views", [ONE, TWO, FOUR])
@pytest.mark.parametrize("form", ["own", "torch", "average"])
def test_a_graph_may_be_written_by_any_exporter(form: str, views: tuple[View, ...]) -> None:
    heat = bright_maps(form, views=views).of(photo(SIDE, SIDE))
    assert heat.method == "activation"
    np.testing.assert_allclose(heat.bias_C, [0.1, 0.2, 0.3], atol=1e-5)
    expected = bright_maps("own", views=views).of(photo(SIDE, SIDE))
    np.testing.assert_allclose(heat.contributions_Chw, expected.contributions_Chw, atol=1e-5)


def test_without_unit_length_the_shares_are_those_of_the_mean() -> None:
    heat = bright_maps(divide=False).of(Image.new("RGB", (SIDE, SIDE), (255, 0, 0)))
    # Red is 1 everywhere: the pooled vector is (2, 0, ½), evenly from 12×12 places.
    np.testing.assert_allclose(heat.contributions("bright"), (2 * 3 + 0.25) / 144, rtol=1e-5)


def with_patch(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    """Grey as the padding is, with a white patch."""
    image = Image.new("RGB", size, (128, 128, 128))
    image.paste((255, 255, 255), box)
    return image


def centroid(heat_YX: FloatArray) -> tuple[float, float]:
    """(x, y) of the evidence that is above the middle between the map's median and its greatest."""
    middle = (np.nanmedian(heat_YX) + np.nanmax(heat_YX)) / 2
    above_YX = np.clip(np.nan_to_num(heat_YX - middle, nan=0.0), 0, None).astype(np.float64)
    y, x = np.indices(above_YX.shape) + 0.5
    return float((above_YX * x).sum() / above_YX.sum()), float((above_YX * y).sum() / above_YX.sum())


# A wide and a tall picture; the patch lies inside the centre crop, off its centre, and off the diagonal.
@pytest.mark.parametrize("views", [ONE, TWO, FOUR])
@pytest.mark.parametrize("target", [(48, 48), (32, 64)])
@pytest.mark.parametrize(("size", "centre"), [((300, 200), (180, 60)), ((201, 333), (61, 201)), ((40, 40), (26, 16))])
@pytest.mark.parametrize("resize", ["crop", "pad", "squish"])
def test_the_hot_place_lies_where_it_was_planted(
    resize: str, size: tuple[int, int], centre: tuple[int, int], target: tuple[int, int], views: tuple[View, ...]
) -> None:
    spec = Resize.model_validate({"method": resize, "size": target, "filter": "box"})
    half = min(size) // 12
    x, y = centre
    image = with_patch(size, (x - half, y - half, x + half, y + half))
    heat = bright_maps(preprocess=Preprocess(resize=spec), views=views).of(image)
    heat_YX = heat.on_picture("bright")
    assert heat_YX.shape == (size[1], size[0])
    place = max(
        (heat.placement.right - heat.placement.left) / heat.contributions_Chw.shape[2],
        (heat.placement.bottom - heat.placement.top) / heat.contributions_Chw.shape[1],
    )
    assert centroid(heat_YX) == pytest.approx(centre, abs=0.5 * place)
    hot_y, hot_x = np.unravel_index(np.nanargmax(heat_YX), heat_YX.shape)
    assert (hot_x, hot_y) == pytest.approx(centre, abs=half + place)
    # What speaks for bright speaks against dark.
    dark_y, dark_x = np.unravel_index(np.nanargmin(heat.on_picture("dark")), heat_YX.shape)
    assert (dark_x, dark_y) == pytest.approx(centre, abs=half + place)


@pytest.mark.trains
@pytest.mark.parametrize("views", [ONE, TWO, FOUR])
def test_a_packaged_network_sees_the_patch_where_it_is(views: tuple[View, ...]) -> None:
    model, preprocess = packaged("efficientnet-lite0", ("stage4",), views=views, classes=60)
    maps = Heatmaps(model, [str(c) for c in range(60)], preprocess)
    before = photo(400, 300, seed=5)
    after = before.copy()
    after.paste(photo(60, 60, seed=4), (220, 40))
    # Over many random heads, where anything changes is where the patch is.
    change_Chw = maps.of(after).contributions_Chw - maps.of(before).contributions_Chw
    heat = replace(
        maps.of(before), contributions_Chw=np.square(change_Chw).sum(axis=0, keepdims=True), classes=("all",)
    )
    assert centroid(heat.on_picture("all")) == pytest.approx((250, 70), abs=12)


@pytest.mark.parametrize("views", [ONE, FOUR])
def test_a_maximum_stands_where_it_is(views: tuple[View, ...]) -> None:
    """The largest 4×4 mean of red decides alone: all of its share lies on that place, upright whatever the view."""
    image = Image.new("RGB", (SIDE, SIDE), (60, 60, 60))
    image.paste((250, 60, 60), (8, 16, 12, 20))
    graph = bright_graph(form="largest")
    weight_DC = np.array([[3, -3, 1], [0, 0, 0], [0, 0, 0]], np.float32)
    maps = Heatmaps(with_head(graph, weight_DC, np.zeros(3, np.float32), views=views), CLASSES, PLAIN)
    heat = maps.of(image)
    assert heat.method == "activation"
    np.testing.assert_allclose(heat.contributions_Chw.sum(axis=(1, 2)), heat.logits_C, atol=1e-5)
    places = np.argwhere(np.abs(heat.contributions_Chw[0]) > 1e-6)
    assert places.tolist() == [[4, 2]]


@pytest.mark.parametrize("views", [TWO, FOUR])
def test_mirrored_views_are_folded_back(views: tuple[View, ...]) -> None:
    """A network with several eyes: the map of a mirrored view is that of the mirror image, turned round again."""
    image = with_patch((SIDE, SIDE), (4, 4, 16, 16))
    pixels_YXK, plain, expected_Chw = np.asarray(image), bright_maps(divide=False), 0
    for view in views:
        turned = Image.fromarray(np.flip(pixels_YXK[None, None], view.reversed_axes)[0, 0])
        found_Chw = plain.of(turned).contributions_Chw
        expected_Chw = expected_Chw + np.flip(found_Chw[None], view.reversed_axes)[0] / len(views)
    together_Chw = bright_maps(divide=False, views=views).of(image).contributions_Chw
    np.testing.assert_allclose(together_Chw, expected_Chw, atol=1e-6)


# Where the graph has no such form


def vit_like() -> onnx.ModelProto:
    """Patches as tokens, with a softmax between them: attention in its smallest form."""
    net = GraphBuilder()
    rng = np.random.default_rng(0)
    kernel = np.zeros((4, 3, 8, 8), np.float32)
    kernel[0, 0], kernel[1, 1], kernel[2, 2], kernel[3] = 1 / 64, 1 / 64, 1 / 64, rng.normal(size=(3, 8, 8)) / 64
    x = net.conv("pixels", "patches", kernel, np.zeros(4, np.float32), stride=8, pads=(0, 0), groups=1)
    tokens = net.node("Reshape", [x, net.constant("shape", np.array([0, 4, 36]))], "tokens")
    weights = net.node("Softmax", [tokens], "attention", axis=2)
    vector = net.node("ReduceSum", [net.node("Mul", [tokens, weights], "seen"), _axis(net)], "vector", keepdims=0)
    net.node(
        "LpNormalization",
        [net.node("Add", [vector, net.constant("one", np.ones(4, np.float32) * 2)], "off")],
        "embedding",
        axis=1,
        p=2,
    )
    return net.model({"pixels": ("N", 3, SIDE, SIDE)}, {"embedding": ("N", 4)})


def _axis(net: GraphBuilder) -> str:
    return net.constant("places", np.array([2]))


VIT_HEAD = np.array([[2, 0, 0], [0, 2, 0], [0, 0, 2], [0, 0, 0]], np.float32)


@pytest.mark.parametrize("batch", ["N", 1])
def test_other_graphs_are_occluded(batch: str | int) -> None:
    graph = vit_like()
    if batch == 1:
        graph.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
        graph.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 1
    maps = Heatmaps(with_head(graph, VIT_HEAD, np.zeros(3, np.float32)), ("red", "green", "blue"), PLAIN)
    image = Image.new("RGB", (96, 96), (60, 60, 60))
    image.paste((255, 40, 40), (60, 20, 76, 36))
    heat = maps.of(image)
    assert heat.method == maps.method == "occlusion"
    assert centroid(heat.on_picture("red")) == pytest.approx((68, 28), abs=8)
    again = maps.of(image)
    np.testing.assert_array_equal(heat.contributions_Chw, again.contributions_Chw)
    logits_C = Session(with_head(graph, VIT_HEAD, np.zeros(3, np.float32))).run(apply(image, PLAIN)[None], ["logits"])[
        0
    ][0]
    np.testing.assert_allclose(heat.logits_C, logits_C, rtol=1e-6)


def test_occlusion_of_a_linear_model_is_its_exact_share() -> None:
    """Where places do not depend on each other, what is lost with a square is what its places gave."""
    graph = bright_graph(divide=False)
    model = with_head(graph, WEIGHT_DC, np.zeros(3, np.float32))
    image = Image.new("RGB", (SIDE, SIDE), (255, 0, 0))
    heat = Heatmaps(model, CLASSES, PLAIN, method="occlusion").of(image)
    # Grey is 1/255 of red's scale; the logit of all red is 6.25, that of all grey 6.25/2 to within that.
    lost = 6 * (1 - (2 * 128 / 255 - 1))
    np.testing.assert_allclose(heat.contributions("bright"), lost / heat.contributions("bright").size, rtol=1e-5)


@pytest.mark.parametrize("form", ["bent"])
def test_activation_is_not_claimed_where_it_is_not_exact(form: str) -> None:
    assert bright_maps(form).method == "occlusion"
    model = with_head(bright_graph(form=form), WEIGHT_DC, np.zeros(3, np.float32))
    with pytest.raises(UsageError, match=r"no map by activation: .*Relu.*; use occlusion"):
        Heatmaps(model, CLASSES, PLAIN, method="activation")


def test_a_view_that_mixes_the_image_with_its_mirror_image_has_no_places() -> None:
    model = onnx.load_from_string(with_head(bright_graph(), WEIGHT_DC, np.zeros(3, np.float32), views=TWO))
    mirrored = next(node for node in model.graph.node if node.op_type == "Gather")
    conv = next(node for node in model.graph.node if mirrored.output[0] in node.input)
    at = list(model.graph.node).index(conv)
    model.graph.node.insert(at, helper.make_node("Max", ["pixels", mirrored.output[0]], ["mixed"]))
    conv.input[0] = "mixed"
    with pytest.raises(NoPlacesError, match="2 views"):
        find_evidence(model)


# Geometry


@pytest.mark.parametrize("size", [(640, 480), (333, 500), (17, 40), (1000, 10), (224, 224)])
@pytest.mark.parametrize("target", [(224, 224), (128, 192)])
@pytest.mark.parametrize("method", ["crop", "pad", "squish"])
def test_placement_undoes_the_resizing(method: str, target: tuple[int, int], size: tuple[int, int]) -> None:
    """A picture whose red is x and whose green is y, resized: every input pixel says where it came from."""
    width, height = size
    ramp = np.zeros((height, width, 3), np.uint8)
    ramp[..., 0] = np.rint((np.arange(width) + 0.5) / width * 255)[None, :]
    ramp[..., 1] = np.rint((np.arange(height) + 0.5) / height * 255)[:, None]
    ramp[..., 2] = 255
    spec = Resize.model_validate({"method": method, "size": target, "filter": "bilinear"})
    seen = np.asarray(resize_image(Image.fromarray(ramp), spec), np.float64)
    box = Placement.of(size, spec)
    x = box.left + (np.arange(target[1]) + 0.5) / target[1] * (box.right - box.left)
    y = box.top + (np.arange(target[0]) + 0.5) / target[0] * (box.bottom - box.top)
    inside = (y[:, None] > 0) & (y[:, None] < height) & (x[None, :] > 0) & (x[None, :] < width)
    # The padding is grey; the rest keeps its full blue.
    np.testing.assert_array_equal(inside, seen[..., 2] == 255)
    # Half a pixel of the coarser grid at the edges, where there is nothing beyond to interpolate with.
    slack_x = 255 * max(1 / width, 1 / target[1]) / 1.9 + 1
    slack_y = 255 * max(1 / height, 1 / target[0]) / 1.9 + 1
    assert np.abs(seen[..., 0] - x[None, :] / width * 255)[inside].max() <= slack_x
    assert np.abs(seen[..., 1] - y[:, None] / height * 255)[inside].max() <= slack_y


@pytest.mark.parametrize(("coarse", "fine"), [(7, 14), (8, 15), (1, 7), (9, 65), (7, 224), (3, 3), (5, 4)])
def test_spreading_keeps_sums_and_evenness(coarse: int, fine: int) -> None:
    share = spread(coarse, fine)
    np.testing.assert_allclose(share.sum(axis=0), 1, atol=1e-12)
    np.testing.assert_allclose(share.sum(axis=1), coarse / fine, atol=1e-12)
    assert share.min() >= 0


def test_sampling_is_linear_between_places_and_nothing_beyond() -> None:
    weights = sample(4, np.array([-0.5, 0.2, 5.0, 10.0, 15.0, 39.9, 40.5]), 0.0, 40.0)
    values = weights @ np.array([1.0, 3.0, 5.0, 9.0])
    np.testing.assert_allclose(values, [np.nan, 1, 1, 2, 3, 9, np.nan])


# Pictures and mistakes


@pytest.fixture(scope="module")
def heat() -> HeatMap:
    """A wide picture in a centre crop."""
    spec = Resize(method="crop", size=(SIDE, SIDE), filter="box")
    return bright_maps(preprocess=Preprocess(resize=spec)).of(with_patch((300, 200), (140, 60, 180, 100)))


def test_the_overlay_warms_what_speaks_for_and_cools_what_speaks_against(heat: HeatMap) -> None:
    for label, warm in (("bright", True), ("dark", False)):
        drawn = heat.overlay(label, side=300)
        assert drawn.size == (300, 200)
        red, _, blue = (int(v) for v in np.asarray(drawn)[80, 160])
        assert (red > blue + 40) if warm else (blue > red + 40)
    # Both at once: what tells one class from the other.
    difference_hw = heat.contributions("bright", against="dark")
    np.testing.assert_allclose(difference_hw, heat.contributions("bright") - heat.contributions("dark"))
    assert np.asarray(heat.overlay("dark", against="bright", side=300))[80, 160, 2] > 100


def test_what_the_network_did_not_see_is_dim_and_without_colour() -> None:
    spec = Resize(method="crop", size=(SIDE, SIDE), filter="box")
    image = Image.new("RGB", (300, 200), (180, 180, 180))
    heat = bright_maps(preprocess=Preprocess(resize=spec)).of(image)
    assert np.isnan(heat.on_picture("bright")[:, :49]).all()
    assert np.isfinite(heat.on_picture("bright")[:, 51:249]).all()
    drawn = np.asarray(heat.overlay("bright", side=300), np.int64)
    assert np.ptp(drawn[100, 20]) == 0
    assert drawn[100, 20].mean() < 0.6 * 180


def test_the_legend_stands_below_whatever_the_name(heat: HeatMap) -> None:
    for side in (20, 90, 640):
        plain, with_legend = heat.overlay(side=side), heat.overlay(side=side, legend=True)
        assert with_legend.width == plain.width
        assert with_legend.height > plain.height
    assert heat._repr_png_().startswith(b"\x89PNG")
    assert repr(heat) == "<HeatMap by activation, 3 classes, 12×12 places>"


def test_a_picture_without_any_evidence_can_be_drawn() -> None:
    model = with_head(bright_graph(), np.zeros((3, 3), np.float32), np.zeros(3, np.float32))
    Heatmaps(model, CLASSES, PLAIN).of(photo(50, 50)).overlay(side=50)


def test_mistakes_are_named(heat: HeatMap) -> None:
    with pytest.raises(UsageError, match="no class “bear”; its classes are bright, dark, left"):
        heat.overlay("bear")
    with pytest.raises(UsageError, match="side is 0"):
        heat.overlay(side=0)
    model = with_head(bright_graph(), WEIGHT_DC, np.zeros(3, np.float32))
    with pytest.raises(SchemaError, match=r"gives \(3,\) logits for 2 classes"):
        Heatmaps(model, ("a", "b"), PLAIN)
    with pytest.raises(BundleError, match="cut short or not an ONNX file"):
        Heatmaps(model[:-5], CLASSES, PLAIN)
    with pytest.raises(UsageError, match="no method “gradient”"):
        Heatmaps(model, CLASSES, PLAIN, method="gradient")  # type: ignore[arg-type]
    with pytest.raises(ImageError, match="not an image"):
        Heatmaps(model, CLASSES, PLAIN).of(b"no image at all, but some text that is long enough")
    with pytest.raises(ImageError, match=r"missing: no such file: nowhere/a\.jpg"):
        Heatmaps(model, CLASSES, PLAIN).of("nowhere/a.jpg")
    with pytest.raises(ImageError, match="the image is 0×5 pixels"):
        Heatmaps(model, CLASSES, PLAIN).of(Image.new("RGB", (0, 5)))


def labels_of(predictor: dt.Predictor, folder: Path) -> Sequence[tuple[Path, str]]:
    return [(path, label) for label in predictor.classes for path in sorted((folder / label).glob("*.jpg"))[:3]]


def test_a_loaded_bundle_gives_maps_that_agree_with_its_answers(predictor: dt.Predictor, pictures: Path) -> None:
    for path, _ in labels_of(predictor, pictures):
        with Image.open(path) as image:
            made = (heat_map(predictor, path), heat_map(predictor, path.read_bytes()), heat_map(predictor, image))
            logits_C, _ = predictor.run(image)
        for heat in made:
            assert heat.method == "activation"
            assert heat.classes[int(heat.logits_C.argmax())] == predictor.predict(path).label
            np.testing.assert_allclose(heat.logits_C, logits_C, atol=1e-4)
            np.testing.assert_allclose(heat.bias_C + heat.contributions_Chw.sum(axis=(1, 2)), heat.logits_C, atol=1e-4)


def test_the_graph_is_read_again_from_where_the_bundle_was(bundle: Path) -> None:
    opened, loaded = dt.load(bundle), dt.load(bundle)
    maps = opened.heatmaps()
    assert maps.classes == loaded.classes
    (bundle / "model.onnx").write_bytes(b"other")
    assert opened.heatmaps() is maps, "what was read is kept"
    with pytest.raises(BundleError, match=r"cannot be read again: .*model\.onnx was altered"):
        heat_map(loaded, photo(30, 30))
