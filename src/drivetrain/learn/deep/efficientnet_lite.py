"""EfficientNet-Lite as torch modules, from the very weights the ONNX graph is built from.

Modules are named as in the weight file, so a state dict goes into `embed.efficientnet_lite.build_graph` as it is, before
training and after. Shapes: N batch, K channels, H and W pixels, O output channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ...core.errors import UsageError, WeightsError
from ...data.image.preprocess import Preprocess, for_images
from ...embed import efficientnet_lite as onnx_twin
from ...embed.backbone import MAXIMA, Block
from ...embed.efficientnet_lite import BATCH_NORM_EPS, SMALLEST, TAPS, Variant, block_strides, stage_blocks
from ...embed.graph import same_pads
from ...embed.torch_file import read_torch_file
from .network import About, Activation, Network, Prefix, max_pool, mean_pool
from .onnx_prefix import OnnxPrefix

# Weights in the file that the embedding does not need: the 1,000 classes of ImageNet, and batch norm's counter.
UNUSED = ("_fc.", "num_batches_tracked")

Weights = Mapping[str, NDArray[Any]]


def load(variant: Variant) -> EfficientNetLite:
    """Load the network with the packaged weights.

    Raises:
        WeightsError: the package with the weights is not installed, or they are not those of this variant.
    """
    twin = onnx_twin.load(variant)
    about = About(twin.name, twin.licence, twin.source, for_images(twin.preprocess), twin.blocks, twin.fingerprint)
    network = EfficientNetLite(about, variant, read_torch_file(onnx_twin.weight_file(variant)))
    network.eval()
    return network


def conv_norm(conv: nn.Conv2d, norm: nn.BatchNorm2d, x_NKHW: Tensor) -> Tensor:
    """Convolution with TensorFlow's 'same' padding, whose odd pixel goes to the end, then batch norm.

    With frozen statistics batch norm is a factor and a shift a channel, so they go into the convolution's weights first:
    the same function and the same gradients without a second pass over the activations, which would cost a quarter of
    the time of a step on a CPU, and memory for what it would have to remember.
    """
    kernel, stride = conv.kernel_size[0], conv.stride[0]
    top, bottom = same_pads(x_NKHW.shape[2], kernel, stride)
    left, right = same_pads(x_NKHW.shape[3], kernel, stride)
    if (top, left) != (bottom, right):
        x_NKHW, top, left = functional.pad(x_NKHW, (left, right, top, bottom)), 0, 0
    if norm.training or norm.running_mean is None or norm.running_var is None:
        plain = functional.conv2d(x_NKHW, conv.weight, None, conv.stride, (top, left), 1, conv.groups)
        normed: Tensor = norm(plain)
        return normed
    gain_O = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    weight = conv.weight * gain_O[:, None, None, None]
    bias_O = norm.bias - norm.running_mean * gain_O
    return functional.conv2d(x_NKHW, weight, bias_O, conv.stride, (top, left), 1, conv.groups)


def relu6(x: Tensor) -> Tensor:
    """Apply ReLU6 in place: no convolution needs its own output for its gradient."""
    return functional.hardtanh(x, 0.0, 6.0, inplace=True)


def _conv(weights: Weights, name: str, stride: int = 1) -> nn.Conv2d:
    """A convolution of the size its weights have; one input channel a filter means depthwise."""
    out, per_group, kernel, _ = weights[f"{name}.weight"].shape
    depthwise = per_group == 1
    channels = out if depthwise else per_group
    return nn.Conv2d(channels, out, kernel, stride, groups=out if depthwise else 1, bias=False)


def _norm(weights: Weights, name: str) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(len(weights[f"{name}.weight"]), eps=BATCH_NORM_EPS)


class InvertedBottleneck(nn.Module):
    """Expand (unless the width stays), convolve each channel by itself, project; with a shortcut where shapes allow."""

    def __init__(self, weights: Weights, name: str, stride: int, shortcut: bool) -> None:
        super().__init__()
        self._shortcut = shortcut
        self._expand_conv: nn.Conv2d | None = None
        if f"{name}._expand_conv.weight" in weights:
            self._expand_conv = _conv(weights, f"{name}._expand_conv")
            self._bn0 = _norm(weights, f"{name}._bn0")
        self._depthwise_conv = _conv(weights, f"{name}._depthwise_conv", stride)
        self._bn1 = _norm(weights, f"{name}._bn1")
        self._project_conv = _conv(weights, f"{name}._project_conv")
        self._bn2 = _norm(weights, f"{name}._bn2")

    def forward(self, x_NKHW: Tensor) -> Tensor:
        """(N, K, H, W) → (N, O, H / stride, W / stride)."""
        y: Tensor = x_NKHW
        if self._expand_conv is not None:
            y = relu6(conv_norm(self._expand_conv, self._bn0, y))
        y = relu6(conv_norm(self._depthwise_conv, self._bn1, y))
        y = conv_norm(self._project_conv, self._bn2, y)
        return y + x_NKHW if self._shortcut else y


class EfficientNetLite(Network):
    """Seven stages; the stem belongs to the first, the head's convolution to the last."""

    def __init__(self, about: About, variant: Variant, weights: Weights) -> None:
        """Build from ``weights``, whose names and widths decide everything but strides and stages.

        Raises:
            WeightsError: they are not the weights of this variant.
        """
        super().__init__(about)
        self.variant = variant
        counts = stage_blocks(variant.depth)
        self._starts = (0, *accumulate(counts))
        strides = block_strides(variant.depth)
        try:
            self._conv_stem = _conv(weights, "_conv_stem", stride=2)
            self._bn0 = _norm(weights, "_bn0")
            self._blocks = nn.ModuleList(
                InvertedBottleneck(weights, f"_blocks.{i}", stride, shortcut=i not in self._starts)
                for i, stride in enumerate(strides)
            )
            self._conv_head = _conv(weights, "_conv_head")
            self._bn1 = _norm(weights, "_bn1")
        except KeyError as error:
            raise WeightsError(f"not the weights of {variant.name}: no {error}") from None
        used = {
            name: torch.from_numpy(np.array(array))
            for name, array in weights.items()
            if not name.startswith(UNUSED[0]) and not name.endswith(UNUSED[1])
        }
        missing, unexpected = self.load_state_dict(used, strict=False)
        wrong = [name for name in missing if not name.endswith(UNUSED[1])] + list(unexpected)
        if wrong:
            raise WeightsError(f"not the weights of {variant.name}: {wrong[0]} has no counterpart")

    @property
    def n_stages(self) -> int:
        return len(self._starts) - 1

    @property
    def _maxima(self) -> tuple[str, ...]:
        """The blocks that are pooled by their largest value too."""
        names = (block.name for block in self.about.blocks)
        return tuple(name.removesuffix(MAXIMA) for name in names if name.endswith(MAXIMA))

    def groups(self) -> list[list[nn.Parameter]]:
        modules: list[list[nn.Module]] = [list(self._blocks[a:b]) for a, b in pairwise(self._starts)]
        modules[0] = [self._conv_stem, self._bn0, *modules[0]]
        modules[-1] = [*modules[-1], self._conv_head, self._bn1]
        return [[parameter for module in group for parameter in module.parameters()] for group in modules]

    def run_stage(self, activation: Activation) -> Activation:
        stage, x = activation.stage, activation.x_NKHW
        if stage == 0:
            x = relu6(conv_norm(self._conv_stem, self._bn0, x))
        for block in self._blocks[self._starts[stage] : self._starts[stage + 1]]:
            x = block(x)
        name = f"stage{stage}" if stage in TAPS else ""
        if stage == self.n_stages - 1:
            x = relu6(conv_norm(self._conv_head, self._bn1, x))
            name = "head"
        pooled = dict(activation.pooled)
        if name:
            pooled[name] = mean_pool(x)
        if name in self._maxima:
            pooled[f"{name}{MAXIMA}"] = max_pool(x)
        return Activation(stage + 1, x, pooled)

    def add_maxima(self, blocks: tuple[str, ...]) -> tuple[str, ...]:
        means = [block for block in self.about.blocks if not block.name.endswith(MAXIMA)]
        added = tuple(Block(f"{block.name}{MAXIMA}", block.width) for block in means if block.name in blocks)
        self.about = replace(self.about, blocks=(*means, *added))
        return tuple(block.name for block in added)

    def prefix(self, stage: int, size: tuple[int, int]) -> Prefix:
        """Run the first stages in ONNX Runtime on a CPU, where it is several times as fast as torch; in torch on other
        devices."""
        device = self._conv_stem.weight.device
        if device.type == "cpu" and size[0] == size[1] and stage > 0:
            return self._onnx_prefix(stage, size[0])

        @torch.inference_mode()
        def run(pixels_NKHW: Tensor) -> Activation:
            return self.advance(Activation(0, pixels_NKHW), stage)

        return run

    def graph(self, blocks: tuple[str, ...]) -> onnx.ModelProto:
        """Build the graph like that of the packaged weights, so that it is as clean and as fast."""
        taps = tuple(tap for tap in TAPS if f"stage{tap}" in blocks)
        side, _ = self.about.preprocess.resize.size
        maxima = tuple(block.removesuffix(MAXIMA) for block in blocks if block.endswith(MAXIMA))
        return onnx_twin.build_graph(
            self.weights(), self.variant.depth, side, taps, head="head" in blocks, maxima=maxima
        )

    def prepare(self, preprocess: Preprocess) -> None:
        height, width = preprocess.resize.size
        if height != width or height < SMALLEST:
            raise UsageError(f"{self.about.name} takes squares of {SMALLEST} pixels and more, not {width}×{height}")
        self.about = replace(self.about, preprocess=preprocess)

    def _onnx_prefix(self, stage: int, size: int) -> OnnxPrefix:
        graph = onnx_twin.build_graph(self.weights(), self.variant.depth, size, TAPS, maxima=self._maxima)
        made = {name for node in graph.graph.node for name in node.output}
        last = f"blocks.{self._starts[stage] - 1}"
        end = f"{last}.sum" if f"{last}.sum" in made else f"{last}._project_conv"
        taps = [f"stage{tap}" for tap in TAPS if tap < stage]
        if stage == self.n_stages:
            end, taps = "conv_head.relu6", [*taps, "head"]
        taps += [f"{tap}{MAXIMA}" for tap in taps if tap in self._maxima]
        return OnnxPrefix(graph, stage, end, tuple(taps))

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """The state dict as arrays, as `embed.efficientnet_lite.build_graph` reads it."""
        return {
            name: tensor.detach().cpu().contiguous().numpy()
            for name, tensor in self.state_dict().items()
            if not name.endswith(UNUSED[1])
        }
