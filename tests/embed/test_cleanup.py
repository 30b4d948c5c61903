"""The clean-up of foreign graphs: what it folds, what it must leave, and that the numbers stay the same."""

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from small_nets import SIZE, floats, images, model, node, norm, norm_weights, operators, plain_net, run

from drivetrain.embed.foreign.cleanup import clean

INF = float("inf")


def assert_same(net: onnx.ModelProto, count: int = 2) -> onnx.ModelProto:
    """The cleaned graph, after it has passed the checker and given what the original gives."""
    before = net.SerializeToString()
    cleaned = clean(net)
    assert net.SerializeToString() == before, "the caller's graph was changed"
    onnx.checker.check_model(cleaned, full_check=True)
    images_NKHW = images(count)
    np.testing.assert_allclose(run(cleaned, images_NKHW), run(net, images_NKHW), atol=1e-4, rtol=1e-4)
    assert len(clean(cleaned).graph.node) == len(cleaned.graph.node), "cleaning twice finds more"
    return cleaned


def conv(x: str, output: str, weight: str = "w", **attributes: Any) -> onnx.NodeProto:
    return node("Conv", [x, weight], output, kernel_shape=[3, 3], **attributes)


W = {"w": floats(4, 3, 3, 3)}


# Batch norm


@pytest.mark.parametrize("epsilon", [1e-5, 1e-3])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("group", [1, 3])
def test_batch_norm_goes_into_the_convolution(epsilon: float, bias: bool, group: int) -> None:
    weights = {"w": floats(6, 3 // group, 3, 3), **norm_weights("bn", 6), "b": floats(6, seed=9)}
    first = node("Conv", ["image", "w", "b"] if bias else ["image", "w"], "c", group=group, strides=[2, 1])
    cleaned = assert_same(model([first, norm("c", "bn", "y", epsilon=epsilon)], weights))
    assert operators(cleaned) == {"Conv": 1}
    assert len(cleaned.graph.initializer) == 2


def test_a_weight_shared_by_two_convolutions_is_folded_for_each_alone() -> None:
    weights = {**W, **norm_weights("a", 4), **norm_weights("b", 4)}
    weights["b.scale"] = -weights["b.scale"]
    nodes = [
        conv("image", "c1"),
        norm("c1", "a", "n1"),
        conv("image", "c2"),
        norm("c2", "b", "n2"),
        node("Sub", ["n1", "n2"], "y"),
    ]
    assert operators(assert_same(model(nodes, weights))) == {"Conv": 2, "Sub": 1}


@pytest.mark.parametrize(
    ("nodes", "outputs"),
    [
        pytest.param([conv("image", "c"), norm("c", "bn", "y")], {"y": None, "c": None}, id="output"),
        pytest.param(
            [conv("image", "c"), norm("c", "bn", "n"), node("Add", ["n", "c"], "y")], {"y": None}, id="two readers"
        ),
        pytest.param(
            [node("Add", ["image", "image"], "c"), norm("c", "bn3", "y")], {"y": None}, id="not a convolution"
        ),
    ],
)
def test_batch_norm_stays_where_merging_would_change_something(
    nodes: list[onnx.NodeProto], outputs: dict[str, None]
) -> None:
    weights = {**W, **norm_weights("bn", 4), **norm_weights("bn3", 3)}
    assert operators(assert_same(model(nodes, weights, outputs=outputs)))["BatchNormalization"] == 1


def test_batch_norm_stays_where_a_branch_reads_the_convolution_too() -> None:
    then = helper.make_graph([node("Identity", ["c"], "t")], "then", [], [_value("t")])
    other = helper.make_graph([node("Neg", ["c"], "e")], "else", [], [_value("e")])
    nodes = [
        conv("image", "c"),
        norm("c", "bn", "n"),
        node("ReduceMax", ["image"], "top", keepdims=0),
        node("Greater", ["top", "zero"], "positive"),
        node("If", ["positive"], "i", then_branch=then, else_branch=other),
        node("Add", ["n", "i"], "y"),
    ]
    weights = {**W, **norm_weights("bn", 4), "zero": np.float32(0)}
    assert operators(assert_same(model(nodes, weights)))["BatchNormalization"] == 1


def test_batch_norm_that_trains_stays() -> None:
    nodes = [conv("image", "c"), norm("c", "bn", ["y", "m", "v"], training_mode=1)]
    cleaned = clean(model(nodes, {**W, **norm_weights("bn", 4)}))
    assert operators(cleaned) == {"Conv": 1, "BatchNormalization": 1}


def test_statistics_that_a_caller_may_override_are_not_constants() -> None:
    net = model([conv("image", "c"), norm("c", "bn", "y")], {**W, **norm_weights("bn", 4)})
    net.graph.input.append(helper.make_tensor_value_info("bn.scale", TensorProto.FLOAT, [4]))
    assert operators(clean(net)) == {"Conv": 1, "BatchNormalization": 1}


def test_statistics_of_the_wrong_length_are_left_to_the_runtime() -> None:
    weights = {**W, **norm_weights("bn", 4), "bn.shift": floats(7)}
    assert operators(clean(model([conv("image", "c"), norm("c", "bn", "y")], weights)))["BatchNormalization"] == 1


# Padding


def pad(x: str, pads: list[int], output: str = "padded", value: str = "", **attributes: Any) -> onnx.NodeProto:
    """A ``Pad`` whose amounts stand in the weight ``pads`` (see `with_pads`)."""
    return node("Pad", [x, f"pads{pads}", value] if value else [x, f"pads{pads}"], output, **attributes)


def with_pads(*amounts: list[int]) -> dict[str, Any]:
    return {f"pads{pads}": np.asarray(pads, np.int64) for pads in amounts}


ODD = [0, 0, 1, 0, 0, 0, 2, 3]


@pytest.mark.parametrize(
    "more", [{}, {"pads": [1, 2, 0, 1]}, {"auto_pad": "VALID"}, {"strides": [2, 2], "dilations": [2, 1]}]
)
def test_padding_goes_into_the_convolution(more: dict[str, Any]) -> None:
    cleaned = assert_same(model([pad("image", ODD), conv("padded", "y", **more)], {**W, **with_pads(ODD)}))
    assert operators(cleaned) == {"Conv": 1}


def test_padding_as_an_attribute_of_old_opsets_goes_in_too() -> None:
    nodes = [node("Pad", ["image"], "padded", pads=ODD, mode="constant", value=0.0), conv("padded", "y")]
    assert operators(assert_same(model(nodes, W, opset=9))) == {"Conv": 1}


def test_two_paddings_and_a_shared_one_go_in() -> None:
    nodes = [
        pad("image", ODD, "p1"),
        pad("p1", ODD, "p2"),
        conv("p2", "a"),
        conv("p2", "b", weight="v"),
        node("Add", ["a", "b"], "y"),
    ]
    cleaned = assert_same(model(nodes, {**W, "v": floats(4, 3, 3, 3, seed=5), **with_pads(ODD)}))
    assert operators(cleaned) == {"Conv": 2, "Add": 1}


@pytest.mark.parametrize("axes", [[2, 3], [-2, -1], [3, 2]])
def test_padding_of_named_axes_goes_in(axes: list[int]) -> None:
    amounts = {"amounts": np.array([1, 0, 2, 3], np.int64), "axes": np.array(axes, np.int64)}
    nodes = [node("Pad", ["image", "amounts", "", "axes"], "padded"), conv("padded", "y")]
    assert operators(assert_same(model(nodes, {**W, **amounts}, opset=18))) == {"Conv": 1}


@pytest.mark.parametrize(
    "amounts",
    [
        pytest.param([0, 1, 1, 1, 0, 0, 1, 1], id="channels"),
        pytest.param([1, 0, 1, 1, 0, 0, 1, 1], id="batch"),
        pytest.param([0, 0, -1, 1, 0, 0, 1, 1], id="crops"),
    ],
)
def test_padding_of_other_axes_and_cropping_stay(amounts: list[int]) -> None:
    weight = {"w": floats(4, 3 + amounts[1], 3, 3)}
    nodes = [pad("image", amounts), conv("padded", "y")]
    assert operators(assert_same(model(nodes, {**weight, **with_pads(amounts)})))["Pad"] == 1


@pytest.mark.parametrize("mode", ["reflect", "edge"])
def test_padding_with_pixels_of_the_image_stays(mode: str) -> None:
    nodes = [pad("image", ODD, mode=mode), conv("padded", "y")]
    assert operators(assert_same(model(nodes, {**W, **with_pads(ODD)})))["Pad"] == 1


def test_padding_with_another_value_stays_before_a_convolution() -> None:
    weights = {**W, **with_pads(ODD), "half": np.float32(0.5)}
    nodes = [pad("image", ODD, value="half"), conv("padded", "y")]
    assert operators(assert_same(model(nodes, weights)))["Pad"] == 1


def test_padding_stays_before_a_convolution_that_pads_by_its_input() -> None:
    nodes = [pad("image", ODD), conv("padded", "y", auto_pad="SAME_UPPER", strides=[2, 2])]
    assert operators(assert_same(model(nodes, {**W, **with_pads(ODD)})))["Pad"] == 1


def test_padding_that_is_an_output_itself_stays_and_the_convolution_still_does_without_it() -> None:
    nodes = [pad("image", ODD), conv("padded", "y")]
    cleaned = assert_same(model(nodes, {**W, **with_pads(ODD)}, outputs={"y": None, "padded": None}))
    assert operators(cleaned) == {"Pad": 1, "Conv": 1}
    assert next(item for item in cleaned.graph.node if item.op_type == "Conv").input[0] == "image"


def test_padding_by_nothing_goes() -> None:
    nothing = [0] * 8
    nodes = [pad("image", nothing), node("Relu", ["padded"], "y")]
    assert operators(assert_same(model(nodes, with_pads(nothing)))) == {"Relu": 1}


# Pooling

POOL = {"kernel_shape": [4, 4], "strides": [2, 2]}


def pooled(op: str, value: float | None, *, before: str = "", **more: Any) -> onnx.ModelProto:
    """Padding, then pooling; ``before`` is an operator in front of both."""
    nodes = [node(before, ["image"], "b")] if before else []
    weights = with_pads(ODD)
    if value is not None:
        weights["value"] = np.float32(value)
    nodes += [
        pad("b" if before else "image", ODD, value="" if value is None else "value"),
        node(op, ["padded"], "y", **{**POOL, **more}),
    ]
    return model(nodes, weights)


def test_zero_padding_goes_into_an_average() -> None:
    cleaned = assert_same(pooled("AveragePool", None))
    assert operators(cleaned) == {"AveragePool": 1}
    cleaned = assert_same(pooled("AveragePool", 0, kernel_shape=[5, 5], pads=[0, 0, 1, 0], count_include_pad=1))
    assert operators(cleaned) == {"AveragePool": 1}


@pytest.mark.parametrize(
    "more",
    [
        {"kernel_shape": [5, 5], "pads": [1, 0, 0, 0]},  # its own padding does not count, ours would have to
        {"ceil_mode": 1},
        {"kernel_shape": [2, 2]},  # a window would lie wholly in the padding
    ],
)
def test_zero_padding_stays_before_an_average_it_would_change(more: dict[str, Any]) -> None:
    assert operators(assert_same(pooled("AveragePool", None, **more)))["Pad"] == 1


@pytest.mark.parametrize("value", [-INF, float(np.finfo(np.float32).min)])
def test_padding_that_never_wins_goes_into_a_maximum(value: float) -> None:
    assert operators(assert_same(pooled("MaxPool", value))) == {"MaxPool": 1}


def test_zero_padding_goes_into_a_maximum_of_what_is_never_negative() -> None:
    assert operators(assert_same(pooled("MaxPool", 0, before="Relu"))) == {"Relu": 1, "MaxPool": 1}


def test_zero_padding_goes_into_a_maximum_behind_a_clip_from_zero_only() -> None:
    for low, padding in ((0.0, 0), (-1.0, 1)):
        nodes = [
            node("Clip", ["image", "low", "high"], "b"),
            pad("b", ODD),
            node("MaxPool", ["padded"], "y", **POOL),
        ]
        weights = {**with_pads(ODD), "low": np.float32(low), "high": np.float32(6)}
        assert operators(assert_same(model(nodes, weights))).get("Pad", 0) == padding


def test_zero_padding_wins_a_maximum_of_negative_numbers_so_it_stays() -> None:
    """The classic mistake: a maximum pads with minus infinity, not with zero."""
    nodes = [
        node("Exp", ["image"], "e"),
        node("Neg", ["e"], "b"),
        pad("b", ODD),
        node("MaxPool", ["padded"], "y", **POOL),
    ]
    cleaned = assert_same(model(nodes, with_pads(ODD)))
    assert operators(cleaned)["Pad"] == 1
    assert run(cleaned, images(1)).max() == 0


@pytest.mark.parametrize("more", [{"ceil_mode": 1}, {"kernel_shape": [2, 2]}, {"dilations": [2, 2]}])
def test_padding_stays_before_a_maximum_with_windows_of_padding_only(more: dict[str, Any]) -> None:
    assert operators(assert_same(pooled("MaxPool", 0, before="Relu", **more)))["Pad"] == 1


# Nodes that do nothing


def test_identities_and_dropouts_go() -> None:
    nodes = [
        node("Identity", ["image"], "i"),
        node("Dropout", ["i", "ratio", "training"], ["d", "mask"]),
        node("Dropout", ["d"], "d2"),
        node("Identity", ["d2"], "j"),
        node("Relu", ["j"], "y"),
    ]
    weights = {"ratio": np.float32(0.5), "training": np.bool_(False)}
    cleaned = assert_same(model(nodes, weights))
    assert operators(cleaned) == {"Relu": 1}
    assert list(cleaned.graph.node[0].input) == ["image"]


def test_an_identity_that_makes_the_output_stays() -> None:
    assert operators(assert_same(model([node("Relu", ["image"], "r"), node("Identity", ["r"], "y")], {}))) == {
        "Relu": 1,
        "Identity": 1,
    }


def test_dropout_that_trains_or_whose_mask_is_used_stays() -> None:
    weights = {"ratio": np.float32(0.5), "yes": np.bool_(True)}
    trains = model([node("Dropout", ["image", "ratio", "yes"], "d"), node("Relu", ["d"], "y")], weights)
    assert operators(clean(trains))["Dropout"] == 1
    nodes = [node("Dropout", ["image"], ["d", "mask"]), node("Where", ["mask", "d", "ratio"], "y")]
    assert operators(assert_same(model(nodes, weights)))["Dropout"] == 1


def test_a_branch_that_read_an_identity_reads_what_it_stood_for() -> None:
    then = helper.make_graph([node("Relu", ["i"], "t")], "then", [], [_value("t")])
    other = helper.make_graph([node("Neg", ["i"], "e")], "else", [], [_value("e")])
    nodes = [
        node("Identity", ["image"], "i"),
        node("ReduceMax", ["image"], "top", keepdims=0),
        node("Greater", ["top", "zero"], "positive"),
        node("If", ["positive"], "y", then_branch=then, else_branch=other),
    ]
    assert "Identity" not in operators(assert_same(model(nodes, {"zero": np.float32(0)})))


def test_what_no_output_needs_goes() -> None:
    net = plain_net()
    net.graph.node.append(node("Neg", ["r"], "unused"))
    net.graph.initializer.append(numpy_helper.from_array(floats(100), "nothing"))
    cleaned = assert_same(net)
    assert operators(cleaned) == {"Conv": 1, "Relu": 1, "GlobalAveragePool": 1, "Flatten": 1}
    assert len(cleaned.graph.initializer) == 2


# Arithmetic of padding


def same_padding(x: str, kernel: int, stride: int, prefix: str) -> tuple[list[onnx.NodeProto], dict[str, Any]]:
    """'Same' padding worked out when the graph runs, as PyTorch's tracer writes ``F.pad`` with computed amounts."""

    def name(part: str) -> str:
        return f"{prefix}{part}"

    nodes, constants = (
        [],
        {
            name("one"): np.float64(1),
            name("stride"): np.float64(stride),
            name("reach"): np.float64(kernel),
            name("zero"): np.float64(0),
            name("two"): np.float64(2),
            name("axis0"): np.array([0], np.int64),
            name("none"): np.zeros(4, np.int64),
            name("none_2"): np.zeros(2, np.int64),
        },
    )
    parts = {}
    for axis in (2, 3):
        at = f"{prefix}{axis}."
        constants[at + "index"] = np.int64(axis)
        nodes += [
            node("Shape", [x], at + "shape"),
            node("Gather", [at + "shape", at + "index"], at + "size", axis=0),
            node("Cast", [at + "size"], at + "float", to=TensorProto.DOUBLE),
            node("Div", [at + "float", name("stride")], at + "steps"),
            node("Ceil", [at + "steps"], at + "ceil"),
            node("Sub", [at + "ceil", name("one")], at + "less"),
            node("Mul", [at + "less", name("stride")], at + "span"),
            node("Add", [at + "span", name("reach")], at + "need"),
            node("Sub", [at + "need", at + "float"], at + "total"),
            node("Max", [at + "total", name("zero")], at + "clamped"),
            node("Div", [at + "clamped", name("two")], at + "half"),
            node("Floor", [at + "half"], at + "before"),
            node("Sub", [at + "clamped", at + "before"], at + "after"),
        ]
        for side in ("before", "after"):
            nodes += [
                node("Cast", [at + side], f"{at}{side}.int", to=TensorProto.INT64),
                node("Unsqueeze", [f"{at}{side}.int", name("axis0")], f"{at}{side}.vec"),
            ]
            parts[axis, side] = f"{at}{side}.vec"
    nodes += [
        node(
            "Concat",
            [
                name("none_2"),
                parts[2, "before"],
                parts[3, "before"],
                name("none_2"),
                parts[2, "after"],
                parts[3, "after"],
            ],
            name("pads"),
            axis=0,
        ),
        node("Pad", [x, name("pads")], name("padded")),
    ]
    return nodes, constants


def naive_net(shape: tuple[Any, ...], stages: int = 3) -> onnx.ModelProto:
    """Convolutions with 'same' padding worked out at run time and batch norm apart, then the mean."""
    nodes: list[onnx.NodeProto] = []
    weights: dict[str, Any] = {}
    x, channels = "image", 3
    for i in range(stages):
        more, constants = same_padding(x, 3 + 2 * (i % 2), 2, f"s{i}.")
        kernel = 3 + 2 * (i % 2)
        nodes += [
            *more,
            node("Conv", [f"s{i}.padded", f"w{i}"], f"c{i}", kernel_shape=[kernel] * 2, strides=[2, 2]),
            norm(f"c{i}", f"bn{i}", f"n{i}"),
            node("Relu", [f"n{i}"], f"r{i}"),
        ]
        weights |= {**constants, f"w{i}": floats(4 + i, channels, kernel, kernel), **norm_weights(f"bn{i}", 4 + i)}
        x, channels = f"r{i}", 4 + i
    return model([*nodes, node("GlobalAveragePool", [x], "p"), node("Flatten", ["p"], "y")], weights, shape=shape)


def test_padding_worked_out_from_a_known_size_is_done_once_and_folded() -> None:
    cleaned = assert_same(naive_net(("batch", 3, *SIZE)), count=3)
    assert operators(cleaned) == {"Conv": 3, "Relu": 3, "GlobalAveragePool": 1, "Flatten": 1}


def test_padding_worked_out_from_an_unknown_size_stays() -> None:
    net = naive_net(("batch", 3, "height", "width"))
    cleaned = assert_same(net)
    assert operators(cleaned)["Pad"] == 3
    assert "BatchNormalization" not in operators(cleaned)
    for size in ((9, 14), (16, 5)):
        np.testing.assert_allclose(run(cleaned, images(2, size)), run(net, images(2, size)), atol=1e-4)


def test_constant_nodes_become_weights_and_feed_the_folds() -> None:
    amounts = numpy_helper.from_array(np.asarray(ODD, np.int64))
    nodes = [
        node("Constant", [], "amounts", value=amounts),
        node("Constant", [], "value", value_float=0.0),
        node("Constant", [], "weight", value=numpy_helper.from_array(floats(4, 3, 3, 3))),
        node("Pad", ["image", "amounts", "value"], "padded"),
        node("Conv", ["padded", "weight"], "y", kernel_shape=[3, 3]),
    ]
    assert operators(assert_same(model(nodes, {}))) == {"Conv": 1}


def test_bounds_of_a_clip_that_are_cast_to_the_type_of_its_input_become_constants() -> None:
    nodes = [
        node("CastLike", ["low", "image"], "low_"),
        node("CastLike", ["high", "image"], "high_"),
        node("Clip", ["image", "low_", "high_"], "y"),
    ]
    assert operators(assert_same(model(nodes, {"low": np.int64(0), "high": np.int64(6)}))) == {"Clip": 1}


def test_integer_division_rounds_towards_zero_as_the_runtime_does() -> None:
    nodes = [
        node("Div", ["a", "b"], "q"),
        node("Cast", ["q"], "f", to=TensorProto.FLOAT),
        node("Add", ["image", "f"], "y"),
    ]
    weights = {"a": np.array([-7], np.int64), "b": np.array([2], np.int64)}
    cleaned = assert_same(model(nodes, weights))
    assert operators(cleaned) == {"Add": 1}


def test_the_batch_axis_is_never_taken_for_known() -> None:
    """A flattening that copies the batch from the shape, in pieces that are known and pieces that are not."""
    nodes = [
        node("Shape", ["image"], "shape"),
        node("Gather", ["shape", "zero"], "batch", axis=0),
        node("Unsqueeze", ["batch", "axis0"], "batch_1"),
        node("Concat", ["batch_1", "rest"], "target", axis=0),
        node("Gather", ["target", "zero"], "again", axis=0),
        node("Min", ["again", "five"], "least"),
        node("Cast", ["least"], "f", to=TensorProto.FLOAT),
        node("Reshape", ["image", "target"], "flat"),
        node("Mul", ["flat", "f"], "y"),
    ]
    weights = {
        "zero": np.int64(0),
        "five": np.int64(5),
        "axis0": np.array([0], np.int64),
        "rest": np.array([-1], np.int64),
    }
    net = model(nodes, weights)
    cleaned = clean(net)
    for count in (1, 2, 7):
        np.testing.assert_array_equal(run(cleaned, images(count)), run(net, images(count)))


def test_pieces_of_a_shape_that_do_not_touch_the_batch_are_folded() -> None:
    nodes = [
        node("Shape", ["image"], "shape"),
        node("Slice", ["shape", "two", "four"], "hw"),
        node("ReduceProd", ["hw"], "pixels", keepdims=0),
        node("Cast", ["pixels"], "f", to=TensorProto.FLOAT),
        node("Div", ["image", "f"], "y"),
    ]
    weights = {"two": np.array([2], np.int64), "four": np.array([4], np.int64)}
    assert operators(assert_same(model(nodes, weights))) == {"Div": 1}


def test_random_numbers_and_huge_constants_are_not_worked_out() -> None:
    nodes = [
        node("ConstantOfShape", ["huge"], "zeros"),
        node("Shape", ["zeros"], "shape"),
        node("RandomNormal", [], "r", shape=[1]),
        node("Cast", ["shape"], "f", to=TensorProto.FLOAT),
        node("Add", ["r", "image"], "s"),
        node("Add", ["f", "s"], "y"),
    ]
    cleaned = clean(model(nodes, {"huge": np.array([1 << 40], np.int64)}))
    # The shape of what would fill the memory is known without making it.
    assert operators(cleaned) == {"RandomNormal": 1, "Add": 2}


def test_functions_of_the_model_are_written_out() -> None:
    body = helper.make_function(
        "mine", "Halve", ["a"], ["b"],
        [node("Constant", [], "half", value_float=0.5), node("Mul", ["a", "half"], "b")],
        [helper.make_opsetid("", 17)],
    )  # fmt: skip
    call = helper.make_node("Halve", ["image"], ["y"], domain="mine")
    net = model([call], {}, functions=[body], domains=["mine"])
    cleaned = assert_same(net)
    assert operators(cleaned) == {"Mul": 1}
    assert not cleaned.functions


@pytest.mark.thorough
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_chain_of_layers_gives_the_same_numbers(data: st.DataObject) -> None:
    """Random stacks of all that is rewritten, with amounts that may or may not allow it."""
    nodes: list[onnx.NodeProto] = []
    weights: dict[str, Any] = {"zero": np.float32(0), "six": np.float32(6), "low": np.float32(-INF)}
    x, channels = "image", 3
    for i in range(data.draw(st.integers(1, 5))):
        kind = data.draw(st.sampled_from(["conv", "norm", "relu", "clip", "pad", "max", "mean", "identity"]))
        out = f"x{i}"
        small = st.integers(0, 2)
        if kind == "conv":
            weights[f"w{i}"] = floats(channels, channels, 3, 3, seed=i)
            pads = [data.draw(small) for _ in range(4)]
            nodes.append(node("Conv", [x, f"w{i}"], out, kernel_shape=[3, 3], pads=pads))
        elif kind == "norm":
            weights |= norm_weights(f"bn{i}", channels)
            nodes.append(norm(x, f"bn{i}", out))
        elif kind == "pad":
            amounts = [0, 0, data.draw(small), data.draw(small), 0, 0, data.draw(small), data.draw(small)]
            weights |= with_pads(amounts)
            nodes.append(pad(x, amounts, out, value=data.draw(st.sampled_from(["", "zero", "low", "six"]))))
        elif kind in ("max", "mean"):
            more = {
                "kernel_shape": data.draw(st.sampled_from([[2, 2], [3, 2]])),
                "ceil_mode": data.draw(st.integers(0, 1)),
            }
            more["pads"] = [data.draw(st.integers(0, 1)) for _ in range(4)]
            if kind == "mean":
                more["count_include_pad"] = data.draw(st.integers(0, 1))
            nodes.append(node("MaxPool" if kind == "max" else "AveragePool", [x], out, **more))
        elif kind == "clip":
            nodes.append(node("Clip", [x, "zero", "six"], out))
        else:
            nodes.append(node("Relu" if kind == "relu" else "Identity", [x], out))
        x = out
    net = model([*nodes, node("Neg", [x], "y")], weights)
    extents = [dim.dim_value for dim in net.graph.output[0].type.tensor_type.shape.dim[2:]]
    assume(len(extents) == 2 and min(extents) > 0)  # the image has not been used up
    before = run(net, images(2))
    assume(np.abs(before).max() < 1e6)  # a maximum over padding alone is the lowest number, and soon overflows
    np.testing.assert_allclose(run(clean(net), images(2)), before, atol=1e-3, rtol=1e-4)


def _value(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["a", "b", "c", "d"])
