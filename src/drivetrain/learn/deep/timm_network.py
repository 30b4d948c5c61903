"""Any network of timm as a trainable network, with the preprocessing it was pretrained with.

timm is optional and no dependency of any extra: it needs the torchvision that matches torch.
"""

from __future__ import annotations

import difflib
import hashlib
from importlib.util import find_spec
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from ...core.errors import UsageError, WeightsError
from ...data.image.preprocess import FILTERS, REDUCED_DECODE_MARGIN, Preprocess, Resize
from ...embed.backbone import Block
from .network import About, Activation, Network, Prefix
from .traced import traced_graph

INSTALL = "pip install timm (with the torchvision that matches your torch)"


def load(name: str, *, pretrained: bool = True) -> TimmNetwork:
    """Load the network timm knows as ``name``; ``NAME.TAG`` is one of several sets of pretrained weights.

    Raises:
        UsageError: timm is not installed or knows no such network or weights; the message says what to install, or the
            nearest.
        WeightsError: the pretrained weights cannot be had.
    """
    if find_spec("timm") is None:
        raise UsageError(f"timm:{name} needs timm, which is not installed; {INSTALL}")
    import timm

    architecture, _, tag = name.partition(".")
    known = timm.list_models()
    if architecture not in known:
        near = difflib.get_close_matches(architecture, known, n=3, cutoff=0.5)
        hint = f"the nearest are {', '.join(near)}" if near else "timm.list_models() gives all"
        raise UsageError(f"timm knows no network “{name}”; {hint}")
    tagged = timm.list_models(architecture, include_tags=True)
    if tag and name not in tagged:
        raise UsageError(f"timm knows no weights “{tag}” of {architecture}; there are {', '.join(tagged)}")
    try:
        model = timm.create_model(name, pretrained=pretrained, num_classes=0)
    except Exception as error:  # a hub without a network raises classes of several libraries
        detail = " ".join(f"{type(error).__name__}: {error}".split())
        raise WeightsError(f"cannot get the pretrained weights of timm:{name} ({detail})") from error
    network = TimmNetwork(_about(name, model, pretrained), model)
    network.eval()
    return network


def _about(name: str, model: Any, pretrained: bool) -> About:
    from timm.data import resolve_data_config

    config = resolve_data_config({}, model=model)
    _, height, width = config["input_size"]
    kernel = config["interpolation"]
    preprocess = Preprocess(
        resize=Resize(method="crop", size=(height, width), filter=kernel if kernel in FILTERS else "bicubic"),
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        decode_floor=REDUCED_DECODE_MARGIN * max(height, width),
    )
    return About(
        name=f"timm:{name}",
        licence=str(model.pretrained_cfg.get("license") or "unknown"),
        source=str(model.pretrained_cfg.get("hf_hub_id") or "timm"),
        preprocess=preprocess,
        blocks=(Block("head", int(model.head_hidden_size)),),
        fingerprint=_fingerprint(model) if pretrained else "",
    )


def _fingerprint(model: nn.Module) -> str:
    """SHA-256 over names and weights."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


class TimmNetwork(Network):
    """One stage (timm offers no common place to cut), but as many parameter groups as timm's own group matcher sees."""

    def __init__(self, about: About, model: Any) -> None:
        super().__init__(about)
        self.model = model

    @property
    def n_stages(self) -> int:
        return 1

    def groups(self) -> list[list[nn.Parameter]]:
        from timm.models import group_parameters

        named = dict(self.model.named_parameters())
        by_group = group_parameters(self.model, self.model.group_matcher(coarse=True))
        return [[named[name] for name in by_group[group]] for group in sorted(by_group)]

    def run_stage(self, activation: Activation) -> Activation:
        x: Any = self.model.forward_features(activation.x_NKHW)
        if not isinstance(x, Tensor):
            raise UsageError(f"{self.about.name} gives {len(x)} feature maps side by side; take a network with one")
        return Activation(1, x, {"head": self.model.forward_head(x, pre_logits=True)})

    def prefix(self, stage: int, size: tuple[int, int]) -> Prefix:  # noqa: ARG002  # any size will do
        @torch.inference_mode()
        def run(pixels_NKHW: Tensor) -> Activation:
            return self.advance(Activation(0, pixels_NKHW), stage)

        return run

    def graph(self, blocks: tuple[str, ...]) -> onnx.ModelProto:
        return traced_graph(self, blocks)
