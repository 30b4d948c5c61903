"""EfficientNet-Lite as an ONNX graph.

Tan and Le 2019 (EfficientNet, arXiv 1905.11946) without squeeze-and-excitation and with ReLU6, in the Lite form that
TensorFlow published in 2020: the stem, the head and the number of blocks of the first and last stage are not scaled.
Widths and depths are read off the weights; only strides and the place of the stages stand here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from ..core.errors import WeightsError
from .graph import GraphBuilder, fold_batch_norm, same_pads

BATCH_NORM_EPS = 1e-3
EMBEDDING_SIZE = 1280

# (blocks, stride) of the seven stages, before depth scaling.
STAGES = ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1))

Weights = Mapping[str, NDArray[Any]]


def stage_blocks(depth: float) -> list[int]:
    """Number of blocks in each stage; the first and last are fixed in the Lite form."""
    last = len(STAGES) - 1
    return [n if i in (0, last) else int(np.ceil(n * depth)) for i, (n, _) in enumerate(STAGES)]


def block_strides(depth: float) -> list[int]:
    """Stride of each block: a stage's first block carries the stage's stride."""
    strides = []
    for blocks, (_, stride) in zip(stage_blocks(depth), STAGES, strict=True):
        strides += [stride] + [1] * (blocks - 1)
    return strides


def build_graph(weights: Weights, depth: float, size: int, taps: tuple[int, ...] = ()) -> onnx.ModelProto:
    """The frozen network up to its pooled features.

    Input ``pixels`` (N, 3, size, size) float32, normalised; output ``embedding`` (N, 1280 + taps): the pooled head,
    followed by the mean-pooled output of each stage in ``taps`` (0 to 6), in that order.

    Raises:
        WeightsError: the weights are not those of an EfficientNet-Lite of this depth.
    """
    net = GraphBuilder()
    extent = size

    def conv_bn(x: str, conv: str, norm: str, stride: int = 1, depthwise: bool = False) -> str:
        nonlocal extent
        weight_OIHW = weights[f"{conv}.weight"]
        kernel = weight_OIHW.shape[2]
        scale_O, shift_O = weights[f"{norm}.weight"], weights[f"{norm}.bias"]
        mean_O, var_O = weights[f"{norm}.running_mean"], weights[f"{norm}.running_var"]
        folded = fold_batch_norm(weight_OIHW, scale_O, shift_O, mean_O, var_O, BATCH_NORM_EPS)
        groups = weight_OIHW.shape[0] if depthwise else 1
        pads = same_pads(extent, kernel, stride)
        extent = -(-extent // stride)
        return net.conv(x, conv.strip("_"), *folded, stride=stride, pads=pads, groups=groups)

    try:
        x = net.relu6(conv_bn("pixels", "_conv_stem", "_bn0", stride=2))
        stage_ends = np.cumsum(stage_blocks(depth)) - 1
        stage_outputs = []
        for i, stride in enumerate(block_strides(depth)):
            name, shortcut = f"_blocks.{i}", x
            if f"{name}._expand_conv.weight" in weights:
                x = net.relu6(conv_bn(x, f"{name}._expand_conv", f"{name}._bn0"))
            x = net.relu6(conv_bn(x, f"{name}._depthwise_conv", f"{name}._bn1", stride, depthwise=True))
            x = conv_bn(x, f"{name}._project_conv", f"{name}._bn2")
            repeats = stride == 1 and i > 0 and i - 1 not in stage_ends
            if repeats:
                x = net.add(x, shortcut, f"blocks.{i}.sum")
            if i in stage_ends:
                stage_outputs.append((x, weights[f"{name}._project_conv.weight"].shape[0]))
        x = net.relu6(conv_bn(x, "_conv_head", "_bn1"))
    except KeyError as error:
        raise WeightsError(f"not the weights of an EfficientNet-Lite of depth {depth}: no {error}") from None

    pooled = [net.mean_pool(x, "head.pooled")]
    pooled += [net.mean_pool(stage_outputs[tap][0], f"stage{tap}.pooled") for tap in taps]
    width = EMBEDDING_SIZE + sum(stage_outputs[tap][1] for tap in taps)
    net.node("Concat", pooled, "embedding", axis=1) if taps else net.node("Identity", pooled, "embedding")
    return net.model({"pixels": ("N", 3, size, size)}, {"embedding": ("N", width)})
