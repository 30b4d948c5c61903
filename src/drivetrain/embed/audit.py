"""Which foreign graphs may become a backbone: standard operators only, one image in, and valid as ONNX."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
from onnx import TensorProto, checker

from ..core.errors import WeightsError
from .known_values import dims_of, opset
from .sidecar import GraphSize
from .trial import line
from .wiring import all_nodes


@dataclass(frozen=True)
class Image:
    """The image input of a graph: its name, whether it takes any number of images, and (H, W), None for a free axis."""

    name: str
    free_batch: bool
    size: GraphSize


def audit(model: onnx.ModelProto, where: str) -> Image:
    """Refuse a graph that cannot be a backbone; returns its image input.

    Raises:
        WeightsError: an operator that is not a standard one, or an input that is not one image.
    """
    own = {(function.domain, function.name) for function in model.functions}
    for nodes in (all_nodes(model.graph), *(function.node for function in model.functions)):
        for node in nodes:
            if node.domain not in ("", "ai.onnx") and (node.domain, node.op_type) not in own:
                raise WeightsError(
                    f"{where}: node “{node.name}” is a {node.domain}::{node.op_type}, which is not a standard ONNX "
                    "operator; export the network again with standard operators only"
                )
    check(model, where)
    return _image_input(model.graph, where)


def check(model: onnx.ModelProto, where: str) -> None:
    """Let ONNX's own checker look at a graph.

    Raises:
        WeightsError: it is not a valid graph, or newer than this installation.
    """
    newest = onnx.defs.onnx_opset_version()
    if opset(model) > newest:
        raise WeightsError(f"{where} uses opset {opset(model)}, newer than {newest}; upgrade onnx, or export with 17")
    checked = onnx.ModelProto()
    checked.CopyFrom(model)
    for value in checked.graph.output:  # the checker insists on shapes here, ONNX Runtime and some exporters do not
        value.type.tensor_type.shape.SetInParent()
    try:
        checker.check_model(checked)
    except Exception as error:  # the checker raises several classes, of C++ and of its own
        raise WeightsError(f"{where} is not a valid ONNX graph: {line(error)}; export it again") from None


def _image_input(graph: onnx.GraphProto, where: str) -> Image:
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise WeightsError(f"{where} has {len(inputs)} inputs ({names}); a backbone takes one image tensor")
    kind = inputs[0].type
    if kind.tensor_type.elem_type != TensorProto.FLOAT:
        received = TensorProto.DataType.Name(kind.tensor_type.elem_type)
        raise WeightsError(f"{where}: input “{inputs[0].name}” is {received}; export with a float32 input")
    dims = dims_of(kind)
    if dims is None or len(dims) != 4 or dims[1] not in (3, None):
        shape = "of unknown rank" if dims is None else list(dims)
        raise WeightsError(
            f"{where}: input “{inputs[0].name}” is {shape}; a backbone takes (N, 3, H, W), channels first"
        )
    if dims[0] not in (1, None):
        raise WeightsError(f"{where} takes batches of {dims[0]} only; export with a batch of 1, or a free batch axis")
    return Image(inputs[0].name, dims[0] is None, (dims[2], dims[3]))
