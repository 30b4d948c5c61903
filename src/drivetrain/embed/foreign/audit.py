"""The audit of a foreign graph that is to become a backbone: standard operators only, one image in, and valid ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx
from onnx import TensorProto, checker

from ...core.errors import WeightsError
from ..known_values import dims_of, opset
from ..operators import ALLOWED, DOMAINS
from ..wiring import all_nodes
from .determinism import line
from .sidecar import GraphSize

# The most nodes: ten times as many as any network in use has.
MAX_NODES = 100_000
MAX_BYTES = (2 << 30) - 1


@dataclass(frozen=True)
class Image:
    """The image input of a graph: its name, whether its batch axis is free, and (H, W), None for a free axis."""

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
            if (node.domain, node.op_type) in own:
                continue
            if node.domain not in DOMAINS:
                raise WeightsError(
                    f"{where}: node “{node.name}” is a {node.domain}::{node.op_type}, which is not a standard ONNX "
                    "operator; export the network again with standard operators only"
                )
            if node.op_type not in ALLOWED:
                raise WeightsError(
                    f"{where}: node “{node.name}” is a {node.op_type}, which no network for pictures needs; export it "
                    "again for inference, without control flow and chance"
                )
    _bound_functions(model, where)
    check(model, where)
    return _image_input(model.graph, where)


def _bound_functions(model: onnx.ModelProto, where: str) -> None:
    """Refuse functions that make too many nodes once they are written out: ten functions that each call the next one ten times
    make ten thousand million nodes."""
    bodies = {(function.domain, function.name): function.node for function in model.functions}
    sizes: dict[tuple[str, str], tuple[int, int]] = {}

    def size(nodes: Sequence[onnx.NodeProto], above: frozenset[tuple[str, str]]) -> tuple[int, int]:
        count = length = 0
        for node in nodes:
            called = (node.domain, node.op_type)
            if called in above:
                raise WeightsError(f"{where}: function “{node.op_type}” calls itself; export the network again")
            if called in bodies and called not in sizes:
                sizes[called] = size(bodies[called], above | {called})
            more = sizes.get(called, (1, node.ByteSize()))
            count, length = count + more[0], length + more[1]
            if count > MAX_NODES or length > MAX_BYTES:
                raise WeightsError(
                    f"{where} comes to more than {MAX_NODES:,} nodes, or 2 GiB, with its functions written out"
                )
        return count, length

    size(model.graph.node, frozenset())


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
    except Exception as error:  # the checker raises errors of several classes, from C++ and its own
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
