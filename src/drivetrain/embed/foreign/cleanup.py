"""The clean-up of a foreign graph, which removes steps that graphs built here never have.

An exporter writes batch norm behind its convolution, padding in front of it, and the arithmetic of that padding
wherever it was traced. None of it changes the result, all of it costs time. The rewrites here are exact up to rounding;
one that is not exact for the case at hand is left undone. Shapes: O output channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, inliner, numpy_helper

from ..graph import fold_batch_norm
from ..known_values import fold_constants, opset
from ..wiring import Wiring, all_graphs, prune, replace_nodes

# Operators whose result is never below zero, so that a zero of the padding is never the one maximum.
NOT_NEGATIVE = frozenset({"Abs", "HardSigmoid", "Relu", "Sigmoid", "Softmax"})


def clean(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of ``model`` that gives the same outputs (to rounding) in fewer steps.

    Arithmetic on constants and shapes is done, identities and inactive dropouts go, constant padding moves into the
    convolution or pooling behind it, batch norm into the convolution before it, and what no output needs is dropped.
    Padding whose amount depends on the image's size is folded where the input's H and W are fixed.
    """
    if model.functions:
        cleaned = inliner.inline_local_functions(model)
    else:
        cleaned = onnx.ModelProto()
        cleaned.CopyFrom(model)
    fold_constants(cleaned)
    version = opset(cleaned)
    _drop_no_ops(cleaned.graph, version)
    _fold_pads(cleaned.graph, version)
    _fold_batch_norms(cleaned.graph)
    prune(cleaned.graph)
    return cleaned


def _drop_no_ops(graph: onnx.GraphProto, version: int) -> None:
    """Remove nodes that hand their input on, unless they make an output of the graph."""
    wiring = Wiring(graph)
    alias: dict[str, str] = {}
    kept = []
    for node in graph.node:
        if _is_no_op(node, wiring, version) and node.output[0] not in wiring.outputs:
            alias[node.output[0]] = alias.get(node.input[0], node.input[0])
        else:
            kept.append(node)
    replace_nodes(graph, kept)
    for inner in all_graphs(graph):
        for node in inner.node:
            node.input[:] = [alias.get(name, name) for name in node.input]


def _is_no_op(node: onnx.NodeProto, wiring: Wiring, version: int) -> bool:
    if node.op_type == "Identity":
        return True
    if node.op_type == "Pad":
        padding = _padding(node, wiring, version)
        return padding is not None and not any(padding.pads)
    if node.op_type != "Dropout" or version < 7 or any(wiring.reads[mask] for mask in node.output[1:]):
        return False
    if version < 12 or len(node.input) < 3 or not node.input[2]:
        return True  # without being told to train, dropout passes everything on
    training = _constant(node.input[2], wiring)
    return training is not None and not training.any()


@dataclass(frozen=True)
class _Padding:
    """A ``Pad`` with a constant value: ``pads`` are all begins, then all ends, one an axis."""

    pads: tuple[int, ...]
    value: float

    @property
    def spatial(self) -> tuple[int, ...]:
        """The pads of the axes after batch and channel: begins, then ends."""
        rank = len(self.pads) // 2
        return self.pads[2:rank] + self.pads[rank + 2 :]

    @property
    def is_spatial(self) -> bool:
        """Tells whether the padding only adds, and only to the axes after batch and channel."""
        rank = len(self.pads) // 2
        return rank > 2 and min(self.pads) >= 0 and not any((*self.pads[:2], *self.pads[rank : rank + 2]))


def _padding(node: onnx.NodeProto, wiring: Wiring, version: int) -> _Padding | None:
    """Read the padding of a ``Pad``; None where its value is not constant, or its pads are not known before it runs."""
    if _attribute(node, "mode", b"constant") != b"constant" or version < 2:
        return None
    if version < 11:  # before opset 11, pads and value were attributes
        return _Padding(tuple(_attribute(node, "pads", ())), float(_attribute(node, "value", 0.0)))
    pads = _constant(node.input[1], wiring)
    value = _constant(node.input[2], wiring) if len(node.input) > 2 and node.input[2] else np.zeros(())
    if pads is None or value is None or value.size != 1 or pads.size % 2:
        return None
    begins_ends = [int(pad) for pad in pads]
    if len(node.input) > 3 and node.input[3]:  # since opset 18 the padded axes may be named
        axes = _constant(node.input[3], wiring)
        if axes is None or 2 * axes.size != pads.size or any(not -4 <= axis < 4 for axis in axes):
            return None
        named, begins_ends = (
            begins_ends,
            [0] * 8,
        )  # the tensor is taken for an image's: a tensor of another rank goes into no pooling of two axes
        for i, axis in enumerate(axes % 4):
            begins_ends[axis], begins_ends[4 + axis] = named[i], named[axes.size + i]
    return _Padding(tuple(begins_ends), float(value.reshape(())))


def _fold_pads(graph: onnx.GraphProto, version: int) -> None:
    """Let convolutions and poolings do the padding in front of them."""
    wiring = Wiring(graph)
    for node in graph.node:
        while node.op_type in ("AveragePool", "Conv", "MaxPool"):
            pad = wiring.maker.get(node.input[0])
            padding = _padding(pad, wiring, version) if pad is not None and pad.op_type == "Pad" else None
            if pad is None or padding is None or not _absorb(node, pad.input[0], padding, wiring):
                break
            node.input[0] = pad.input[0]


def _absorb(node: onnx.NodeProto, source: str, padding: _Padding, wiring: Wiring) -> bool:
    """Add ``padding`` of the tensor ``source`` to the node's own, where the result stays exactly the same."""
    kernel = _kernel(node, wiring)
    own = _own_pads(node, len(kernel))
    if own is None or not padding.is_spatial or len(padding.spatial) != len(own):
        return False
    pads = [a + b for a, b in zip(own, padding.spatial, strict=True)]
    if node.op_type == "Conv":
        if padding.value != 0:
            return False
    else:
        total = [begin + end for begin, end in zip(pads[: len(kernel)], pads[len(kernel) :], strict=True)]
        dilated = any(step != 1 for step in _attribute(node, "dilations", ()))
        if _attribute(node, "ceil_mode", 0) or dilated or any(t >= k for t, k in zip(total, kernel, strict=True)):
            return False  # a window could lie wholly in the padding, or a further window appear
        if node.op_type == "AveragePool":
            if padding.value != 0 or (any(own) and not _attribute(node, "count_include_pad", 0)):
                return False
            _set_attribute(node, "count_include_pad", 1)
        elif len(node.output) > 1 or not _never_wins(source, padding.value, wiring):
            return False
    _set_attribute(node, "pads", pads)
    _set_attribute(node, "auto_pad", None)
    return True


def _kernel(node: onnx.NodeProto, wiring: Wiring) -> tuple[int, ...]:
    """Read the extents of the kernel; a convolution may leave them to its weight."""
    weight = wiring.constants.get(node.input[1]) if node.op_type == "Conv" else None
    return tuple(weight.dims[2:]) if weight is not None else tuple(_attribute(node, "kernel_shape", ()))


def _own_pads(node: onnx.NodeProto, axes: int) -> list[int] | None:
    """Read the node's explicit pads on its ``axes`` spatial axes; None where the node works them out itself."""
    mode = _attribute(node, "auto_pad", b"NOTSET")
    if mode == b"VALID":
        return [0] * 2 * axes
    own = list(_attribute(node, "pads", [0] * 2 * axes))
    return own if mode == b"NOTSET" and len(own) == 2 * axes else None


def _never_wins(source: str, value: float, wiring: Wiring) -> bool:
    """Tells whether ``value`` never changes a maximum over elements of ``source``."""
    if value <= float(np.finfo(np.float32).min):
        return True
    maker = wiring.maker.get(source)
    if maker is None or value != 0:
        return False
    if maker.op_type == "Clip":
        low = _constant(maker.input[1], wiring) if len(maker.input) > 1 and maker.input[1] else None
        return (low is not None and float(low.reshape(())) >= 0) or _attribute(maker, "min", -1.0) >= 0
    return maker.op_type in NOT_NEGATIVE


def _fold_batch_norms(graph: onnx.GraphProto) -> None:
    """Merge each batch norm into the convolution whose output only it reads."""
    wiring = Wiring(graph)
    kept = []
    for node in graph.node:
        conv = wiring.maker.get(node.input[0]) if node.op_type == "BatchNormalization" else None
        folded = _folded(conv, node, wiring) if conv is not None and conv.op_type == "Conv" else None
        if conv is None or folded is None:
            kept.append(node)
            continue
        # The new weight is named after the output: the old weight may serve another convolution as well.
        names = [f"{node.output[0]}.folded_weight", f"{node.output[0]}.folded_bias"]
        graph.initializer.extend(map(numpy_helper.from_array, folded, names))
        conv.input[1:] = names
        conv.output[0] = node.output[0]
        wiring.maker[node.output[0]] = conv
    replace_nodes(graph, kept)


def _folded(
    conv: onnx.NodeProto, norm: onnx.NodeProto, wiring: Wiring
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Compute weight and bias of the merged convolution; None where merging would not be exact."""
    if wiring.reads[conv.output[0]] != 1 or any(wiring.reads[name] for name in norm.output[1:]):
        return None
    trains = _attribute(norm, "training_mode", 0) or not _attribute(norm, "spatial", 1)
    weight = _float_constant(conv.input[1], wiring)
    statistics = [_float_constant(name, wiring) for name in norm.input[1:]]
    if trains or weight is None or weight.ndim != 4 or len(statistics) != 4:
        return None
    scale_O, shift_O, mean_O, var_O = statistics
    has_bias = len(conv.input) > 2 and conv.input[2]
    bias_O = _float_constant(conv.input[2], wiring) if has_bias else np.zeros(len(weight), np.float32)
    if scale_O is None or shift_O is None or mean_O is None or var_O is None or bias_O is None:
        return None
    if any(vector.shape != (len(weight),) for vector in (scale_O, shift_O, mean_O, var_O, bias_O)):
        return None
    mean_O = mean_O - bias_O  # γ·(w∗x + b − μ) = γ·(w∗x − (μ − b))
    return fold_batch_norm(weight, scale_O, shift_O, mean_O, var_O, float(_attribute(norm, "epsilon", 1e-5)))


def _attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    found: Iterator[Any] = (helper.get_attribute_value(item) for item in node.attribute if item.name == name)
    return next(found, default)


def _set_attribute(node: onnx.NodeProto, name: str, value: Any) -> None:
    """Set an attribute, or remove it with None."""
    kept = [item for item in node.attribute if item.name != name]
    del node.attribute[:]
    node.attribute.extend(kept if value is None else [*kept, helper.make_attribute(name, value)])


def _constant(name: str, wiring: Wiring) -> NDArray[Any] | None:
    tensor = wiring.constants.get(name)
    if tensor is None or tensor.data_location == TensorProto.EXTERNAL:
        return None
    return numpy_helper.to_array(tensor)


def _float_constant(name: str, wiring: Wiring) -> NDArray[np.float32] | None:
    """Look up a float32 constant; other types are left to the runtime."""
    tensor = wiring.constants.get(name)
    return _constant(name, wiring) if tensor is not None and tensor.data_type == TensorProto.FLOAT else None
