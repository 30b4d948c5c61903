"""Any torch network as a clean ONNX graph, by tracing: for networks that have no ONNX twin to put their weights into.

Shapes: N batch, H and W pixels, D embedding.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
import torch
from torch import Tensor, nn

from ...embed.backbone import INPUT, OUTPUT
from ...embed.foreign.cleanup import clean
from ...embed.graph import OPSET
from .network import Network


class _Columns(nn.Module):
    """The embedding's columns of some blocks."""

    def __init__(self, network: Network, columns: Tensor) -> None:
        super().__init__()
        self.network = network
        self.columns = columns

    def forward(self, pixels_NKHW: Tensor) -> Tensor:
        chosen: Tensor = self.network(pixels_NKHW)[:, self.columns]
        return chosen


def traced_graph(network: Network, blocks: tuple[str, ...]) -> onnx.ModelProto:
    """``pixels`` (N, 3, H, W) of the network's own size → ``embedding`` (N, D) of the named blocks."""
    chosen, start = [], 0
    for block in network.about.blocks:
        if block.name in blocks:
            chosen.append(torch.arange(start, start + block.width))
        start += block.width
    device = next(network.parameters()).device
    module = _Columns(network, torch.cat(chosen).to(device)).eval()
    pixels = torch.zeros(1, 3, *network.about.preprocess.resize.size, device=device)
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        path = Path(folder) / "traced.onnx"
        # The older exporter: sizes that tracing fixes are meant to be fixed, and the newer exporter needs one more package.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (pixels,),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: "N"}, OUTPUT: {0: "N"}},
        )
        return clean(onnx.load(str(path)))
