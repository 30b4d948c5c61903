"""The operators that a network from a file may use: those whose results are bounded by the size of file and input.

An operator is here if it is ONNX's own, always gives the same, and does an amount of work that follows from the shapes of
what it reads. So there are no loops and branches (``Loop``, ``Scan``, ``If``, ``SequenceMap``: a counter of 2⁶² fits into
a few bytes), nothing random, no text, no files or pictures that the graph would decode, no sequences.

Some operators take the *size* of what they make from a value. Where that value could depend on the picture, one picture
might ask for a few kilobytes and the next for terabytes; so it must not, and a network that has run once on pictures of
its size takes as much for every other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

DOMAINS = frozenset({"", "ai.onnx"})
"""Both names of the standard operators."""

_NAMES = """
    Abs Acos Acosh Add AffineGrid And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool BatchNormalization
    BitCast BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor BlackmanWindow Cast CastLike CausalConvWithState Ceil
    Celu CenterCropPad Clip Col2Im Compress Concat Constant ConstantOfShape Conv ConvInteger ConvTranspose Cos Cosh
    CumProd CumSum DFT DeformConv DepthToSpace DequantizeLinear Det Div Dropout DynamicQuantizeLinear Einsum Elu Equal
    Erf Exp Expand EyeLike Flatten Floor GRU Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalLpPool
    GlobalMaxPool Greater GreaterOrEqual GridSample GroupNormalization HammingWindow HannWindow HardSigmoid HardSwish
    Hardmax Identity InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization LeakyRelu Less LessOrEqual
    LinearAttention Log LogSoftmax LpNormalization LpPool MatMul MatMulInteger Max MaxPool MaxRoiPool MaxUnpool Mean
    MeanVarianceNormalization Min Mish Mod Mul Neg NonMaxSuppression NonZero Not OneHot Or PRelu Pad Pow QLinearConv
    QLinearMatMul QuantizeLinear RMSNormalization RNN Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp
    ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize ReverseSequence RoiAlign
    RotaryEmbedding Round STFT Scatter ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign Sin Sinh Size Slice
    Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum SwiGLU Swish Tan Tanh TensorScatter
    ThresholdedRelu Tile TopK Transpose Trilu Unique Unsqueeze Upsample Where Xor
"""
ALLOWED = frozenset(_NAMES.split())

_REDUCTIONS = [name for name in ALLOWED if name.startswith("Reduce")]

SIZED_BY: Mapping[str, frozenset[int]] = {
    **{name: frozenset({1}) for name in (*_REDUCTIONS, "AffineGrid", "CenterCropPad", "Compress", "Expand", "OneHot")},
    **{name: frozenset({1}) for name in ("Reshape", "Split", "Squeeze", "TopK", "Unsqueeze", "Upsample")},
    **{name: frozenset({0}) for name in ("ConstantOfShape", "NonZero", "Unique")},
    **{name: frozenset({0}) for name in ("BlackmanWindow", "HammingWindow", "HannWindow")},
    "Col2Im": frozenset({1, 2}),
    "DFT": frozenset({1, 2}),
    "MaxUnpool": frozenset({2}),
    "NonMaxSuppression": frozenset(range(5)),
    "Pad": frozenset({1, 3}),
    "Range": frozenset(range(3)),
    "Resize": frozenset({1, 2, 3}),
    "RoiAlign": frozenset({1}),
    "STFT": frozenset({1, 3}),
    "Slice": frozenset({1, 2, 3, 4}),
    "Tile": frozenset({1, 2}),
}
"""Operator → its inputs whose values decide how large its output is, or how much memory it takes to make it (RoiAlign:
as many sampling points as a region is wide and high)."""

# Operators that look at the size of a tensor, not at its values.
_ASK_THE_SIZE = frozenset({"Shape", "Size"})


class Step(NamedTuple):
    """One node: its operator, and the names of the tensors it reads and makes (empty where it leaves one out)."""

    operator: str
    domain: str
    reads: tuple[str, ...]
    makes: tuple[str, ...]


def fault_of(steps: Iterable[Step], inputs: Collection[str], weights: Collection[str]) -> str | None:
    """Say what keeps a graph without bodies and functions from being bounded, as the end of a sentence; None if nothing does.

    ``inputs`` are the names of the graph's inputs that carry the picture, ``weights`` those of its constants.
    """
    made = {*inputs, *weights}
    from_picture = set(inputs)
    for step in steps:
        if fault := unknown(step):
            return fault
        if early := next((name for name in step.reads if name and name not in made), None):
            return f"its {step.operator} reads “{early[:80]}” before that is made"
        sized = SIZED_BY.get(step.operator, frozenset())
        if any(name in from_picture for place, name in enumerate(step.reads) if place in sized):
            return f"how much its {step.operator} makes depends on what a picture shows, so that one could ask for any amount"
        made.update(step.makes)
        if step.operator not in _ASK_THE_SIZE and not from_picture.isdisjoint(step.reads):
            from_picture.update(name for name in step.makes if name)
    return None


def unknown(step: Step) -> str | None:
    """Say whether the operator alone is at fault, as `fault_of` does."""
    if step.domain not in DOMAINS:
        return f"it needs operators of “{step.domain[:80]}”"
    if step.operator not in ALLOWED:
        return f"its operator {step.operator[:80]} is none that a network for pictures needs"
    return None
