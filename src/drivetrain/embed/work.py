"""The work of a graph: multiply-adds for one image, counted from the shapes of its tensors.

Counted, not timed, so that it is the same number on every machine and however busy that is. Convolutions and matrix
products are nearly all of the work of any network; what else there is (activations, norms, pooling) is left out.
Shapes: N batch, taken as one image.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import onnx

from .known_values import Dims, dims_of, fold_constants

# The places of each operator's two factors among its inputs.
_FACTORS: Mapping[str, tuple[int, int]] = {
    "Conv": (0, 1),
    "ConvInteger": (0, 1),
    "QLinearConv": (0, 3),
    "ConvTranspose": (0, 1),
    "Gemm": (0, 1),
    "MatMul": (0, 1),
    "MatMulInteger": (0, 1),
    "QLinearMatMul": (0, 3),
}


def multiply_adds(model: onnx.ModelProto) -> int:
    """Count the multiply-adds of one image through ``model``, whose image input has a fixed height and width.

    Another free axis counts as one. Where a shape only shows when the graph runs, and inside control flow, work is missed.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)  # a copy, as the fold works in place
    # The batch axis is fixed: shapes behind a reshape that reads a free one off a tensor, as exporters write it, are unknown.
    for value in copy.graph.input:
        shape = value.type.tensor_type.shape
        if shape.dim and not shape.dim[0].HasField("dim_value"):
            shape.dim[0].dim_value = 1
    known = fold_constants(copy)
    shapes = {name: dims for name, kind in known.items() if (dims := dims_of(kind)) is not None}
    shapes |= {tensor.name: tuple(tensor.dims) for tensor in copy.graph.initializer}
    return sum(_of_node(node, shapes) for node in copy.graph.node if node.op_type in _FACTORS)


def _of_node(node: onnx.NodeProto, shapes: Mapping[str, Dims]) -> int:
    left, right = (shapes.get(node.input[place]) for place in _FACTORS[node.op_type])
    out = shapes.get(node.output[0])
    if not left or not right or out is None:
        return 0
    match node.op_type:
        case "Conv" | "ConvInteger" | "QLinearConv":
            return _elements(out) * _elements(right[1:])  # each number is a sum over a window of a group's channels
        case "ConvTranspose":
            return _elements(left) * _elements(right[1:])  # each number is spread over a window
        case "Gemm":
            transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
            return _elements(out) * _elements(left[:1] if transposed else left[-1:])
        case _:
            return _elements(out) * _elements(left[-1:])


def _elements(dims: Dims) -> int:
    return prod(1 if dim is None else dim for dim in dims)
