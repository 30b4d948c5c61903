"""Multiply-adds as they are counted by hand, and by torch."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from small_nets import floats, model, node, plain_net
from torch.utils.flop_counter import FlopCounterMode

from drivetrain.data.image.preprocess import Resize
from drivetrain.embed.backbone import INPUT
from drivetrain.embed.registry import packaged, resolve
from drivetrain.embed.work import multiply_adds

# What takes another input may be registered by the tests of inputs in the same process.
IMAGE_BACKBONES = packaged("image")


def test_a_convolution() -> None:
    """12×10 places, 5 outputs, windows of 3×3 over 3 channels."""
    assert multiply_adds(plain_net()) == 12 * 10 * 5 * 3 * 3 * 3


def test_one_of_each_kind() -> None:
    nodes = [
        node("Conv", ["image", "grouped"], "c", kernel_shape=[3, 3], group=3, strides=[2, 2], pads=[1, 1, 1, 1]),
        node("ConvTranspose", ["c", "up"], "t", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", ["t"], "f"),
        node("Gemm", ["f", "g"], "d", transB=1),
        node("MatMul", ["d", "m"], "y"),
    ]
    weights = {
        "grouped": floats(6, 1, 3, 3),
        "up": floats(6, 4, 2, 2),
        "g": floats(7, 480),
        "m": floats(7, 2),
    }
    expected = [6 * 5 * 6 * 9, 6 * 6 * 5 * 4 * 4, 7 * 480, 7 * 2]
    net = model(nodes, weights, shape=("N", 3, 12, 10))
    assert multiply_adds(net) == sum(expected)
    assert multiply_adds(model(nodes, weights, shape=(1, 3, 12, 10))) == sum(expected)


def test_counting_leaves_the_graph_alone() -> None:
    net = plain_net()
    before = net.SerializeToString()
    multiply_adds(net)
    assert net.SerializeToString() == before


def test_a_shape_that_is_worked_out_in_the_graph() -> None:
    """As exporters write it: the shape read off a tensor, cut and put together again."""
    nodes = [
        node("Shape", ["image"], "s", start=0, end=1),
        node("Concat", ["s", "rest"], "to", axis=0),
        node("Reshape", ["image", "to"], "r"),
        node("MatMul", ["r", "m"], "y"),
    ]
    net = model(nodes, {"rest": np.asarray([-1, 10], np.int64), "m": floats(10, 4)}, shape=("N", 3, 12, 10))
    assert multiply_adds(net) == 36 * 10 * 4


def test_what_cannot_be_known_is_left_out() -> None:
    nodes = [node("NonZero", ["image"], "n"), node("Cast", ["n"], "f", to=onnx.TensorProto.FLOAT)]
    nodes += [node("Transpose", ["f"], "t"), node("MatMul", ["t", "m"], "y")]
    net = model(nodes, {"m": floats(4, 2)})
    assert multiply_adds(net) == 4 * 2  # the number of rows is the image's affair: counted as one
    assert numpy_helper.to_array(net.graph.initializer[0]).shape == (4, 2)


@pytest.mark.trains
@pytest.mark.parametrize(("name", "side"), [*((name, None) for name in IMAGE_BACKBONES), ("efficientnet-lite0", 96)])
def test_the_packaged_networks_as_torch_counts_them(name: str, side: int | None) -> None:
    """Published: 407, 631 and 899 million, which count norms and activations too."""
    import torch

    from drivetrain.learn.deep.networks import network

    backbone, net = resolve(name, side), network(name)
    side = backbone.preprocess.resize.size[0]
    net.prepare(net.about.preprocess.model_copy(update={"resize": Resize(method="crop", size=(side, side))}))
    counted = multiply_adds(backbone.build(backbone.block_names))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net.eval()(torch.zeros(1, 3, side, side))
    assert counted == counter.get_total_flops() // 2
    if side == resolve(name).preprocess.resize.size[0]:
        assert counted == pytest.approx({"0": 407e6, "1": 631e6, "2": 899e6}[name[-1]], rel=0.06)
    assert [value.name for value in backbone.build(("head",)).graph.input] == [INPUT]
