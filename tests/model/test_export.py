"""One graph for views, backbone and head, whatever the backbone's graph looks like. Shapes: N batch, D embedding, C classes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, checker, helper, numpy_helper

from drivetrain.core.types import FloatArray
from drivetrain.embed.recipe import View
from drivetrain.embed.registry import resolve
from drivetrain.embed.session import Session
from drivetrain.model.export import head_of, with_head
from views import FOUR, ONE, TWO

SIDE, WIDTH, CLASSES = 8, 5, 3


def small_backbone(*, opset: int = 17, batch: str | int = "N", names: dict[str, str] | None = None) -> onnx.ModelProto:
    """A network that sees left and right: convolution, ReLU, linear layer, unit length. ``names`` renames its tensors."""
    rng = np.random.default_rng(0)
    called = {name: (names or {}).get(name, name) for name in ("kernel", "linear", "conv", "relu", "flat", "features")}
    nodes = [
        helper.make_node("Conv", ["pixels", called["kernel"]], [called["conv"]], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", [called["conv"]], [called["relu"]], name="relu"),
        helper.make_node("Flatten", [called["relu"]], [called["flat"]], axis=1),
        helper.make_node("MatMul", [called["flat"], called["linear"]], [called["features"]]),
        helper.make_node("LpNormalization", [called["features"]], ["embedding"], axis=1, p=2),
    ]
    weights = {
        called["kernel"]: rng.normal(size=(4, 3, 3, 3)).astype(np.float32),
        called["linear"]: rng.normal(size=(4 * (SIDE // 2) ** 2, WIDTH)).astype(np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [batch, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [batch, WIDTH])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@pytest.fixture
def head() -> tuple[FloatArray, FloatArray]:
    """Weights (D, C) and bias (C,)."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(WIDTH, CLASSES)).astype(np.float32), rng.normal(size=CLASSES).astype(np.float32)


@pytest.fixture
def images_NKHW() -> FloatArray:
    """Four images."""
    return np.random.default_rng(2).normal(size=(4, 3, SIDE, SIDE)).astype(np.float32)


Head = tuple[FloatArray, FloatArray]


def shown(images_NKHW: FloatArray, views: tuple[View, ...]) -> list[FloatArray]:
    """The images as each view has them."""
    return [np.ascontiguousarray(np.flip(images_NKHW, view.reversed_axes)) for view in views]


def test_the_head_stands_on_the_embedding(head: Head, images_NKHW: FloatArray) -> None:
    backbone = small_backbone()
    model = with_head(backbone, *head)
    checker.check_model(onnx.load_from_string(model), full_check=True)
    embedding_ND, logits_NC = Session(model).run(images_NKHW, ["embedding", "logits"])
    expected_ND = Session(backbone.SerializeToString()).run(images_NKHW)[0]
    np.testing.assert_array_equal(embedding_ND, expected_ND)
    np.testing.assert_allclose(logits_NC, expected_ND @ head[0] + head[1], rtol=1e-5)


def test_the_backbone_given_is_left_as_it_was(head: Head) -> None:
    backbone = small_backbone()
    before = backbone.SerializeToString()
    with_head(backbone, *head, views=TWO)
    assert backbone.SerializeToString() == before


@pytest.mark.parametrize("opset", [7, 9, 13, 17, 18, 21])
@pytest.mark.parametrize("batch", ["N", 1])
@pytest.mark.parametrize("views", [TWO, FOUR, (View.FLIP,)])
def test_the_embedding_is_the_mean_over_the_views(
    head: Head, images_NKHW: FloatArray, opset: int, batch: str | int, views: tuple[View, ...]
) -> None:
    backbone = small_backbone(opset=opset, batch=batch)
    model = with_head(backbone, *head, views=views)
    checker.check_model(onnx.load_from_string(model), full_check=True)
    alone, both = Session(backbone.SerializeToString()), Session(model)
    for start in range(0, len(images_NKHW), 1 if batch == 1 else len(images_NKHW)):
        part = images_NKHW[start : start + 1] if batch == 1 else images_NKHW
        seen = [alone.run(view)[0] for view in shown(part, (View.PLAIN, *(v for v in views if v is not View.PLAIN)))]
        assert np.abs(seen[0] - seen[1]).max() > 0.1, "the network must see left and right, top and bottom"
        embedding_ND, logits_NC = both.run(part, ["embedding", "logits"])
        np.testing.assert_allclose(embedding_ND, np.mean(seen, axis=0), atol=1e-6)
        np.testing.assert_allclose(logits_NC, embedding_ND @ head[0] + head[1], atol=1e-5)
    assert both.inputs == alone.inputs
    assert both.outputs == {"embedding": (WIDTH,), "logits": (CLASSES,)}


@pytest.mark.parametrize("views", [ONE, TWO, FOUR])
@pytest.mark.parametrize(
    "names",
    [
        {"features": "logits", "linear": "head.weight"},  # a classifier cut off before its last layer
        {"conv": "pixels.mirror", "relu": "embedding.plain", "kernel": "views.axis3", "flat": "views.share"},
        {"conv": "conv", "relu": "conv.mirror", "flat": "conv.half-turn", "features": "embedding.sum"},
        {"features": "head.bias", "flat": "logits.backbone", "relu": "logits"},
    ],
)
def test_a_graph_may_use_any_names(
    head: Head, images_NKHW: FloatArray, names: dict[str, str], views: tuple[View, ...]
) -> None:
    plain = Session(with_head(small_backbone(), *head, views=views)).run(images_NKHW, ["embedding", "logits"])
    model = with_head(small_backbone(names=names), *head, views=views)
    checker.check_model(onnx.load_from_string(model), full_check=True)
    for got, expected in zip(Session(model).run(images_NKHW, ["embedding", "logits"]), plain, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_a_graph_with_a_branch_is_mirrored_too(head: Head, images_NKHW: FloatArray) -> None:
    backbone = small_backbone(names={"relu": "before"})
    branches = [
        helper.make_graph(
            [helper.make_node(op, ["before", f"{op}.own"], [f"{op}.out"])],
            op,
            [],
            [_any(f"{op}.out")],
            [numpy_helper.from_array(np.zeros(1, np.float32), f"{op}.own")],
        )
        for op in ("Add", "Mul")
    ]
    backbone.graph.initializer.append(numpy_helper.from_array(np.asarray(True), "yes"))
    branch = helper.make_node("If", ["yes"], ["chosen"], then_branch=branches[0], else_branch=branches[1])
    backbone.graph.node.insert(2, branch)
    backbone.graph.node[3].input[0] = "chosen"
    expected = Session(with_head(small_backbone(), *head, views=TWO)).run(images_NKHW)
    model = with_head(backbone, *head, views=TWO)
    checker.check_model(onnx.load_from_string(model))
    for got, wanted in zip(Session(model).run(images_NKHW), expected, strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-6)


def _any(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, None)


@pytest.mark.parametrize("views", [TWO, FOUR])
def test_a_packaged_backbone_from_several_views(views: tuple[View, ...]) -> None:
    backbone = resolve("efficientnet-lite0").build(("head", "stage4"))
    width = backbone.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    rng = np.random.default_rng(3)
    weight_DC = rng.normal(size=(width, 2)).astype(np.float32)
    model = with_head(backbone, weight_DC, np.zeros(2, np.float32), views=views)
    checker.check_model(onnx.load_from_string(model), full_check=True)
    image = rng.normal(size=(1, 3, 224, 224)).astype(np.float32)
    alone = Session(backbone.SerializeToString())
    seen = [alone.run(view)[0] for view in shown(image, views)]
    embedding_ND, logits_NC = Session(model).run(image, ["embedding", "logits"])
    np.testing.assert_allclose(embedding_ND, np.mean(seen, axis=0), atol=1e-5)
    np.testing.assert_allclose(logits_NC, embedding_ND @ weight_DC, atol=1e-4)
    # The weights stand in the file once.
    assert len(model) < 1.04 * len(backbone.SerializeToString()) + weight_DC.nbytes


def test_equal_input_gives_equal_bytes(head: Head) -> None:
    for views in (ONE, TWO, FOUR):
        assert with_head(small_backbone(), *head, views=views) == with_head(small_backbone(), *head, views=views)


def test_the_head_can_be_taken_off_again(head: tuple[FloatArray, FloatArray]) -> None:
    found = head_of(with_head(small_backbone(), *head, views=TWO))
    assert found is not None
    for wanted, array in zip(head, found, strict=True):
        np.testing.assert_array_equal(array, wanted)
    assert head_of(small_backbone().SerializeToString()) is None
