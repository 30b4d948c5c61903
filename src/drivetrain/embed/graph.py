"""A small builder for inference graphs: it writes ONNX with nothing left to fold.

What makes a convolutional graph fast in ONNX Runtime is mostly what is *not* in it: batch norm stands in the
convolution's weights, padding in the convolution's ``pads`` attribute, ReLU6 directly behind its convolution where the
runtime fuses it. Shapes: N batch, C channels, H and W pixels, D embedding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

# Opset 17 with IR 8 is read by ONNX Runtime since 1.12 and by every ONNX Runtime Web release still in use.
OPSET = 17
IR_VERSION = 8

Array = NDArray[np.float32]


def fold_batch_norm(
    weight_OIHW: Array, scale_O: Array, shift_O: Array, mean_O: Array, var_O: Array, eps: float
) -> tuple[Array, Array]:
    """Merge a convolution and the batch norm after it (inference form) into one convolution: weight and bias.

    y = γ·(w∗x − μ)/√(σ² + ε) + β, so w' = w·γ/√(σ² + ε) and b' = β − μ·γ/√(σ² + ε); computed in float64.
    """
    gain_O = scale_O.astype(np.float64) / np.sqrt(var_O.astype(np.float64) + eps)
    weight = weight_OIHW * gain_O[:, None, None, None]
    return weight.astype(np.float32), (shift_O - mean_O * gain_O).astype(np.float32)


def same_pads(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return TensorFlow's 'same' padding for one axis: the odd pixel goes to the end."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class GraphBuilder:
    """Collects nodes and weights; every method returns the name of the tensor it made."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._zero_six: tuple[str, str] | None = None

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def conv(
        self, x: str, name: str, weight_OIHW: Array, bias_O: Array, *, stride: int, pads: tuple[int, int], groups: int
    ) -> str:
        """Square convolution with explicit (before, after) padding on both axes."""
        inputs = [x, self.constant(f"{name}.weight", weight_OIHW), self.constant(f"{name}.bias", bias_O)]
        kernel = [weight_OIHW.shape[2], weight_OIHW.shape[3]]
        before, after = pads
        return self.node(
            "Conv",
            inputs,
            name,
            kernel_shape=kernel,
            strides=[stride, stride],
            pads=[before, before, after, after],
            group=groups,
        )

    def relu6(self, x: str) -> str:
        if self._zero_six is None:
            low, high = np.float32(0), np.float32(6)
            self._zero_six = (
                self.constant("zero", np.asarray(low)),
                self.constant("six", np.asarray(high)),
            )
        return self.node("Clip", [x, *self._zero_six], f"{x}.relu6")

    def add(self, a: str, b: str, name: str) -> str:
        return self.node("Add", [a, b], name)

    def mean_pool(self, x: str, name: str) -> str:
        """(N, C, H, W) → (N, C)."""
        return self.node("Flatten", [self.node("GlobalAveragePool", [x], f"{name}.pool")], name, axis=1)

    def max_pool(self, x: str, name: str) -> str:
        """(N, C, H, W) → (N, C)."""
        return self.node("Flatten", [self.node("GlobalMaxPool", [x], f"{name}.pool")], name, axis=1)

    def unit_length(self, x: str, name: str) -> str:
        """(N, D) → (N, D), each row divided by its L2 norm."""
        return self.node("LpNormalization", [x], name, axis=1, p=2)

    def linear(self, x: str, name: str, weight_DC: Array, bias_C: Array) -> str:
        """(N, D) → (N, C)."""
        inputs = [x, self.constant(f"{name}.weight", weight_DC), self.constant(f"{name}.bias", bias_C)]
        return self.node("Gemm", inputs, name)

    def model(self, inputs: dict[str, tuple[Any, ...]], outputs: dict[str, tuple[Any, ...]]) -> onnx.ModelProto:
        """Close the graph. ``inputs`` and ``outputs`` map float tensors to shapes; a string is a free axis."""

        def value(name: str, shape: tuple[Any, ...]) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))

        graph = helper.make_graph(
            self._nodes,
            "drivetrain",
            [value(*item) for item in inputs.items()],
            [value(*item) for item in outputs.items()],
            self._weights,
        )
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="drivetrain"
        )
