"""Values in a graph that do not depend on its image: constants, and shapes once H and W are fixed.

Exporters leave the arithmetic of padding in the graph (the shape of a tensor, divided, rounded up, subtracted …). Here
it is done once: a single pass in execution order keeps, for every tensor, its type and shape as far as known and, for
small ones, its value. The batch axis stays free: a shape with an unknown axis is carried as two arrays that differ
exactly where the value is unknown, and only operators that move elements without looking at them may work on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, TypeProto, helper, numpy_helper, shape_inference

from .wiring import Wiring, bodies, reads_of, replace_nodes

# The most numbers of a folded value: padding arithmetic works on a handful, and anything larger is a weight and stays.
MAX_ELEMENTS = 1 << 16

# Operators that move elements and never look at them: an unknown element stays unknown, a known one stays known.
MOVERS = frozenset({"Concat", "Gather", "Identity", "Reshape", "Slice", "Squeeze", "Unsqueeze"})

# Operators that stay: they depend on more than their inputs, or the runtime fuses them by their pattern (quantised ones).
NEVER_FOLDED = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
    | {"DequantizeLinear", "DynamicQuantizeLinear", "QuantizeLinear", "Dropout"}
)

Array = NDArray[Any]
Pair = tuple[Array, Array]
Dims = tuple[int | None, ...]


def opset(model: onnx.ModelProto) -> int:
    """Return the version of the standard operators that a model uses."""
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 1)


def dims_of(kind: TypeProto | None) -> Dims | None:
    """Return the extents of a tensor type, None for a free axis; None when not even the rank is known."""
    if kind is None or not kind.tensor_type.HasField("shape"):
        return None
    return tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in kind.tensor_type.shape.dim)


def fold_constants(model: onnx.ModelProto) -> dict[str, TypeProto]:
    """Replace, in place, the nodes that can be computed beforehand; returns the type and shape of every tensor, where known.

    ``Constant`` nodes become initialisers too. Outputs of the graph keep their nodes.
    """
    graph = model.graph
    known = _Known(model)
    kept = [node for node in graph.node if not known.visit(node)]
    wanted = {name for node in kept for name in reads_of(node)}
    folded = [tensor for name, tensor in known.folded().items() if name in wanted]
    replace_nodes(graph, kept)
    graph.initializer.extend(folded)
    del graph.value_info[:]  # the old value_info described the tensors before the fold
    return known.types


class _Known:
    """The state of the pass: types of all tensors so far, values of the small constant ones."""

    def __init__(self, model: onnx.ModelProto) -> None:
        wiring = Wiring(model.graph)
        self.types: dict[str, TypeProto] = {value.name: value.type for value in model.graph.input}
        self._opset = opset(model)
        self._imports = [helper.make_opsetid("", self._opset)]
        self._outputs = wiring.outputs
        self._tensors: dict[str, TensorProto] = {}
        self._pairs: dict[str, Pair] = {}
        self._made: dict[str, TensorProto | None] = {}
        for tensor in wiring.constants.values():
            self._add_tensor(tensor.name, tensor)

    def visit(self, node: onnx.NodeProto) -> bool:
        """Take one node into account; True when all its results are known and the node can go."""
        if node.domain not in ("", "ai.onnx"):
            return False
        if node.op_type == "Constant":
            return self._visit_constant(node)
        self._infer(node)
        if node.op_type == "Shape":
            self._visit_shape(node)
        elif node.op_type not in NEVER_FOLDED and not any(bodies(node)):
            self._evaluate(node)
        folded = all(self._value(name) is not None for name in node.output if name)
        if not folded or self._outputs.intersection(node.output):
            return False
        self._made |= {name: None for name in node.output if name}
        return True

    def folded(self) -> dict[str, TensorProto]:
        """Return the results of the removed nodes as tensors."""
        tensors = {}
        for name, tensor in self._made.items():
            tensors[name] = tensor if tensor is not None else numpy_helper.from_array(self._pairs[name][0], name)
        return tensors

    def _visit_constant(self, node: onnx.NodeProto) -> bool:
        attribute = node.attribute[0] if len(node.attribute) == 1 else None
        name = node.output[0]
        if attribute is None or name in self._outputs:
            return False
        tensor = TensorProto()
        if attribute.name == "value":
            tensor.CopyFrom(attribute.t)
            tensor.name = name
        elif attribute.name in ("value_int", "value_ints", "value_float", "value_floats"):
            dtype = np.int64 if attribute.name.startswith("value_int") else np.float32
            value = helper.get_attribute_value(attribute)
            tensor.CopyFrom(numpy_helper.from_array(np.asarray(value, dtype), name))
        else:
            return False
        self._add_tensor(name, tensor)
        self._made[name] = tensor
        return True

    def _add_tensor(self, name: str, tensor: TensorProto) -> None:
        self.types[name] = helper.make_tensor_type_proto(tensor.data_type, list(tensor.dims))
        if tensor.data_location != TensorProto.EXTERNAL and prod(tensor.dims) <= MAX_ELEMENTS:
            self._tensors[name] = tensor

    def _pair(self, name: str) -> Pair | None:
        if name not in self._pairs and name in self._tensors:
            value = numpy_helper.to_array(self._tensors[name])
            self._pairs[name] = (value, value)
        return self._pairs.get(name)

    def _value(self, name: str) -> Array | None:
        """Return the value of a tensor; None unless all of it is known."""
        pair = self._pair(name)
        if pair is None or (pair[0] is not pair[1] and not np.array_equal(pair[0], pair[1])):
            return None
        return pair[0]

    def _infer(self, node: onnx.NodeProto) -> None:
        if any(name and name not in self.types for name in node.input):
            return
        # A control-flow body may read any tensor of the graph around it; a node without one needs only its inputs.
        visible = self.types if any(bodies(node)) else {name: self.types[name] for name in node.input if name}
        data = {}
        for name in node.input:
            value = self._value(name)
            if value is not None:
                data[name] = numpy_helper.from_array(value, name)
        try:
            schema = onnx.defs.get_schema(node.op_type, self._opset, "")
            found = shape_inference.infer_node_outputs(schema, node, visible, data, opset_imports=self._imports)
        except Exception:  # the inference raises several classes of its own; not knowing a shape is no error here
            return
        self.types.update(found)

    def _visit_shape(self, node: onnx.NodeProto) -> None:
        dims = dims_of(self.types.get(node.input[0]))
        if dims is None:
            return
        window = {attribute.name: attribute.i for attribute in node.attribute}
        dims = dims[window.get("start", 0) : window.get("end", len(dims))]
        first, second = ([-unknown if dim is None else dim for dim in dims] for unknown in (1, 2))
        self._pairs[node.output[0]] = (np.asarray(first, np.int64), np.asarray(second, np.int64))

    def _evaluate(self, node: onnx.NodeProto) -> None:
        if not all(self._is_small(name) for name in node.output if name):
            return
        if node.op_type == "CastLike":  # CastLike looks at the type of its second input, never at the value
            self._cast_like(node)
            return
        pairs = [self._pair(name) for name in node.input if name]
        if not pairs or any(pair is None for pair in pairs):
            return
        given = [pair for pair in pairs if pair is not None]
        certain = [self._value(name) is not None for name in node.input if name]
        if all(certain):
            outputs = self._run(node, [pair[0] for pair in given])
            made = None if outputs is None else [(value, value) for value in outputs]
        elif node.op_type in MOVERS and (node.op_type == "Concat" or all(certain[1:])):
            first = self._run(node, [pair[0] for pair in given])
            second = self._run(node, [pair[1] for pair in given])
            made = None if first is None or second is None else list(zip(first, second, strict=True))
        else:
            return
        if made is not None:
            self._pairs.update(zip(node.output, made, strict=False))

    def _cast_like(self, node: onnx.NodeProto) -> None:
        value, target = self._value(node.input[0]), self.types.get(node.input[1])
        if value is not None and target is not None:
            cast = value.astype(helper.tensor_dtype_to_np_dtype(target.tensor_type.elem_type))
            self._pairs[node.output[0]] = (cast, cast)

    def _is_small(self, name: str) -> bool:
        """Tells whether the shape is known and small, so that evaluating the node cannot fill the memory."""
        dims = dims_of(self.types.get(name))
        return dims is not None and None not in dims and prod(dim or 0 for dim in dims) <= MAX_ELEMENTS

    def _run(self, node: onnx.NodeProto, values: Sequence[Array]) -> list[Array] | None:
        from onnx.reference import ReferenceEvaluator  # 0.2 s to import, and a clean graph has nothing to evaluate

        names = [name for name in node.input if name]
        if node.op_type == "Div" and np.issubdtype(values[0].dtype, np.integer):
            # Integer division rounds towards zero, as in ONNX Runtime; the reference evaluator of some releases rounds down.
            return None if np.any(values[1] == 0) else [np.trunc(values[0] / values[1]).astype(values[0].dtype)]
        try:
            evaluator = ReferenceEvaluator(node, opsets={"": self._opset})
            with np.errstate(all="ignore"):
                outputs = evaluator.run(None, dict(zip(names, values, strict=True)))
        except Exception:  # the evaluator lacks the operator, or the graph is wrong, which the runtime will say
            return None
        arrays = [np.asarray(value) for value in outputs]
        for name, array in zip((name for name in node.output if name), arrays, strict=False):
            kind = self.types[name].tensor_type
            if array.dtype != helper.tensor_dtype_to_np_dtype(kind.elem_type) or array.shape != dims_of(
                self.types[name]
            ):
                return None
        return arrays
