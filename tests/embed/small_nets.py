"""Small networks in ONNX, written node by node, as exporters of all kinds would leave them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, shape_inference

from drivetrain.embed.onnx_runtime import onnx_runtime

Array = NDArray[Any]

SIZE = (12, 10)


def node(op: str, inputs: Sequence[str], output: str | Sequence[str], **attributes: Any) -> onnx.NodeProto:
    outputs = [output] if isinstance(output, str) else list(output)
    return helper.make_node(op, list(inputs), outputs, name=f"node_{outputs[0]}", **attributes)


def model(
    nodes: Sequence[onnx.NodeProto],
    weights: Mapping[str, Array],
    *,
    shape: Sequence[Any] = ("batch", 3, *SIZE),
    outputs: Mapping[str, Sequence[Any] | None] | None = None,
    opset: int = 17,
    ir: int = 8,
    source: str = "image",
    dtype: int = TensorProto.FLOAT,
    domains: Sequence[str] = (),
    **more: Any,
) -> onnx.ModelProto:
    """A model with one image input and, unless told otherwise, one output ``y``; shapes are inferred where possible."""
    graph = helper.make_graph(
        list(nodes),
        "net",
        [helper.make_tensor_value_info(source, dtype, list(shape))],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
            for name, dims in (outputs or {"y": None}).items()
        ],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    net = helper.make_model(graph, opset_imports=imports, ir_version=ir, **more)
    return shape_inference.infer_shapes(net, data_prop=True)


def floats(*shape: int, seed: int = 0, low: float = -1) -> Array:
    return np.random.default_rng((seed, *shape)).uniform(low, 1, shape).astype(np.float32)


def norm_weights(name: str, channels: int) -> dict[str, Array]:
    return {
        f"{name}.scale": floats(channels, seed=1, low=0.5),
        f"{name}.shift": floats(channels, seed=2),
        f"{name}.mean": floats(channels, seed=3),
        f"{name}.var": floats(channels, seed=4, low=0.1),
    }


def norm(x: str, name: str, output: str, **attributes: Any) -> onnx.NodeProto:
    inputs = [x, f"{name}.scale", f"{name}.shift", f"{name}.mean", f"{name}.var"]
    return node("BatchNormalization", inputs, output, **attributes)


def plain_net(**more: Any) -> onnx.ModelProto:
    """Convolution, batch norm, ReLU, mean: (N, 3, 12, 10) → (N, 5)."""
    nodes = [
        node("Conv", ["image", "w"], "c", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        norm("c", "bn", "n"),
        node("Relu", ["n"], "r"),
        node("GlobalAveragePool", ["r"], "p"),
        node("Flatten", ["p"], "y"),
    ]
    return model(nodes, {"w": floats(5, 3, 3, 3), **norm_weights("bn", 5)}, **more)


def images(count: int, size: tuple[int, int] = SIZE) -> Array:
    return np.random.default_rng(5).standard_normal((count, 3, *size)).astype(np.float32)


def run(net: onnx.ModelProto, images_NKHW: Array) -> Array:
    """The first output, from ONNX Runtime without any optimisation of its own."""
    ort = onnx_runtime()
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = ort.InferenceSession(net.SerializeToString(), options, providers=["CPUExecutionProvider"])
    result: Array = session.run(None, {session.get_inputs()[0].name: images_NKHW})[0]
    return result


def operators(net: onnx.ModelProto) -> dict[str, int]:
    return dict(Counter(item.op_type for item in net.graph.node))
