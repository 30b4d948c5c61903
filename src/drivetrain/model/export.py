"""One graph for the whole model: views, backbone and head. Shapes: N batch, D embedding, C classes.

The backbone may be anybody's: of any opset from 7 on, with any names, and with a batch axis that is free or fixed at one.
What is added here uses only operators that have not changed since opset 7.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.types import FloatArray
from ..embed.backbone import INPUT, OUTPUT
from ..embed.recipe import View

if TYPE_CHECKING:
    import onnx

LOGITS = "logits"


def with_head(
    backbone: onnx.ModelProto, weight_DC: FloatArray, bias_C: FloatArray, *, views: Sequence[View] = (View.PLAIN,)
) -> bytes:
    """Append the head; the serialised model maps ``pixels`` to ``embedding`` (N, D) and ``logits`` (N, C).

    With several ``views``, the image as it is among them, the embedding is the mean over them.
    """
    from onnx import ModelProto, TensorProto, helper

    from ..embed.wiring import names_in, rename

    model = ModelProto()
    model.CopyFrom(backbone)
    graph = model.graph
    used = names_in(graph)
    if LOGITS in used:  # the backbone may be a classifier's inner layer, with an output of that name
        rename(graph, {LOGITS: _fresh(f"{LOGITS}.backbone", used)})
    further = [view for view in views if view is not View.PLAIN]
    if further:
        _average_views(graph, further, used)
    weight = _constant(graph, "head.weight", np.ascontiguousarray(weight_DC, np.float32), used)
    bias = _constant(graph, "head.bias", np.ascontiguousarray(bias_C, np.float32), used)
    graph.node.append(helper.make_node("Gemm", [OUTPUT, weight, bias], [LOGITS], name="head.classifier"))
    batch = graph.output[0].type.tensor_type.shape.dim[0]
    shape = [batch.dim_param or batch.dim_value, int(weight_DC.shape[1])]
    graph.output.append(helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, shape))
    return bytes(model.SerializeToString())


def head_of(model: bytes) -> tuple[FloatArray, FloatArray] | None:
    """Read the head that `with_head` appended: weights (D, C) and bias (C,); None where a graph ends in another way."""
    from onnx import load_from_string, numpy_helper

    graph = load_from_string(model).graph
    last = next((node for node in graph.node if LOGITS in node.output), None)
    if last is None or last.op_type != "Gemm" or last.attribute or list(last.input[:1]) != [OUTPUT]:
        return None
    weights = {tensor.name: tensor for tensor in graph.initializer if tensor.name in last.input[1:]}
    if len(last.input) != 3 or len(weights) != 2:
        return None
    weight_DC, bias_C = (np.asarray(numpy_helper.to_array(weights[name]), np.float32) for name in last.input[1:])
    return weight_DC, bias_C


def _average_views(graph: onnx.GraphProto, views: Sequence[View], used: set[str]) -> None:
    """Run the backbone on the image and on further views of it, with the same weights, and average the embeddings.

    The nodes stand once a view in the graph, so that a batch axis fixed at one is no obstacle. One pass over a batch of
    two would be a tenth faster (9.4 against 10.5 ms with EfficientNet-Lite0 on one core), but is not open to every graph.
    """
    from onnx import GraphProto, helper

    from ..embed.wiring import rename

    dims = graph.input[0].type.tensor_type.shape.dim
    backwards = {
        axis: _constant(graph, f"views.axis{axis}", np.arange(dims[axis].dim_value - 1, -1, -1, dtype=np.int64), used)
        for axis in sorted({axis for view in views for axis in view.reversed_axes})
    }
    share = _constant(graph, "views.share", np.asarray(1 / (1 + len(views)), np.float32), used)
    once, plain = list(graph.node), GraphProto()
    plain.node.extend(once)
    total = _fresh(f"{OUTPUT}.plain", used)
    rename(plain, {OUTPUT: total})
    nodes = list(plain.node)
    for view in views:
        again = GraphProto()
        again.node.extend(once)
        made = [INPUT, *(name for node in again.node for name in node.output if name)]
        names = {name: _fresh(f"{name}.{view}", used) for name in made}
        rename(again, names)
        for node in again.node:
            node.name = f"{node.name}.{view}" if node.name else ""
        shown = INPUT
        for axis in view.reversed_axes:
            last = axis == view.reversed_axes[-1]
            turned = names[INPUT] if last else _fresh(f"{INPUT}.{view}.axis{axis}", used)
            # The flip is Gather, not Slice, which has negative steps only since opset 10.
            nodes.append(helper.make_node("Gather", [shown, backwards[axis]], [turned], axis=axis))
            shown = turned
        nodes += again.node
        summed = _fresh(f"{OUTPUT}.sum", used)
        nodes.append(helper.make_node("Add", [total, names[OUTPUT]], [summed]))
        total = summed
    nodes.append(helper.make_node("Mul", [total, share], [OUTPUT]))
    del graph.node[:]
    graph.node.extend(nodes)


def _constant(graph: onnx.GraphProto, name: str, value: np.ndarray[Any, Any], used: set[str]) -> str:
    """Add a weight under a free name, and return the name."""
    from onnx import numpy_helper

    name = _fresh(name, used)
    graph.initializer.append(numpy_helper.from_array(value, name))
    return name


def _fresh(name: str, used: set[str]) -> str:
    """Reserve ``name``, with as many underscores as it takes to be new."""
    while name in used:
        name += "_"
    used.add(name)
    return name
