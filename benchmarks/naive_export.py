"""EfficientNet-Lite0 as a plain PyTorch module, exported to ONNX the ways a user would, without tidying up.

The module is written as the ports of TensorFlow networks to PyTorch are: 'same' padding is worked out for each input by
``F.pad`` (as in timm's ``Conv2dSame``), batch norm is a layer of its own. Needs torch (and onnxscript for the newer
exporter), and the packaged weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain.embed.efficientnet_lite import BATCH_NORM_EPS, LITE0, block_strides, weight_file
from drivetrain.embed.torch_file import read_torch_file

SIZE = LITE0.size
NAMES: dict[str, Any] = {"input_names": ["image"], "output_names": ["features"]}


def network() -> Any:
    """The module in inference mode: (N, 3, 224, 224) normalised → (N, 1280), the pooled head."""
    import torch
    from torch import nn
    from torch.nn import functional

    class SameConv(nn.Conv2d):
        """'Same' padding from the input's size, whatever that is."""

        def forward(self, x: Any) -> Any:
            pads: list[Any] = []
            for axis in (-1, -2):
                kernel, stride = self.kernel_size[axis], self.stride[axis]
                amount = _same(x.shape[axis], kernel, stride)
                pads += [amount // 2, amount - amount // 2]
            return super().forward(functional.pad(x, pads))

    def _same(extent: Any, kernel: int, stride: int) -> Any:
        if isinstance(extent, torch.Tensor):  # the older exporter traces sizes as tensors
            return torch.clamp(((extent / stride).ceil() - 1) * stride + kernel - extent, min=0)
        return max((math.ceil(extent / stride) - 1) * stride + kernel - extent, 0)

    weights = {name: torch.from_numpy(np.array(value)) for name, value in read_torch_file(weight_file(LITE0)).items()}

    def conv_norm(conv: str, norm: str, stride: int = 1, *, depthwise: bool = False) -> nn.Sequential:
        weight = weights[f"{conv}.weight"]
        width, fan_in, kernel, _ = weight.shape
        groups = width if depthwise else 1
        pair = nn.Sequential(
            SameConv(fan_in * groups, width, kernel, stride, groups=groups, bias=False),
            nn.BatchNorm2d(width, eps=BATCH_NORM_EPS),
        )
        pair[0].weight.data = weight
        for name in ("weight", "bias", "running_mean", "running_var"):
            getattr(pair[1], name).data = weights[f"{norm}.{name}"]
        return pair

    class Block(nn.Module):
        """Inverted residual: expand, depthwise, project."""

        def __init__(self, name: str, stride: int) -> None:
            super().__init__()
            layers: list[Any] = []
            if f"{name}._expand_conv.weight" in weights:
                layers += [conv_norm(f"{name}._expand_conv", f"{name}._bn0"), nn.ReLU6()]
            layers += [conv_norm(f"{name}._depthwise_conv", f"{name}._bn1", stride, depthwise=True), nn.ReLU6()]
            layers += [conv_norm(f"{name}._project_conv", f"{name}._bn2")]
            self.layers = nn.Sequential(*layers)
            self.repeats = stride == 1 and layers[0][0].in_channels == layers[-1][0].out_channels

        def forward(self, x: Any) -> Any:
            return x + self.layers(x) if self.repeats else self.layers(x)

    blocks = [Block(f"_blocks.{i}", stride) for i, stride in enumerate(block_strides(LITE0.depth))]
    stem = [conv_norm("_conv_stem", "_bn0", 2), nn.ReLU6()]
    head = [conv_norm("_conv_head", "_bn1"), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*stem, *blocks, *head).eval()


def _older(module: Any, images: Any, path: Path, **more: Any) -> None:
    import torch

    torch.onnx.export(module, (images,), str(path), dynamo=False, dynamic_axes={"image": {0: "batch"}}, **NAMES, **more)


def _older_untouched(module: Any, images: Any, path: Path) -> None:
    import torch

    _older(module, images, path, do_constant_folding=False, training=torch.onnx.TrainingMode.PRESERVE)


def _newer(module: Any, images: Any, path: Path, **more: Any) -> None:
    import torch

    free = ({0: torch.export.Dim.DYNAMIC},)
    torch.onnx.export(
        module, (images,), str(path), dynamo=True, dynamic_shapes=free, external_data=False, **NAMES, **more
    )


def _newer_untouched(module: Any, images: Any, path: Path) -> None:
    _newer(module, images, path, optimize=False)


EXPORTERS: dict[str, Callable[[Any, Any, Path], None]] = {
    "torchscript-untouched": _older_untouched,
    "torchscript-defaults": _older,
    "dynamo-untouched": _newer_untouched,
    "dynamo-defaults": _newer,
}
"""``untouched`` keeps batch norm and the arithmetic of padding; ``defaults`` is what the exporter does by itself."""


def export(folder: Path) -> Iterator[Path]:
    """Write the module once with each exporter; yields the files."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    module = network()
    images = torch.randn(2, 3, SIZE, SIZE)
    for name, exporter in EXPORTERS.items():
        path = folder / f"{name}.onnx"
        exporter(module, images, path)
        yield path
