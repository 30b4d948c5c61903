"""Export of a fine-tuned network to the forms that the rest of the system reads: a backbone, and one graph with its head.

Shapes: N batch, D embedding, C outputs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from ...embed.backbone import Backbone
from ...embed.recipe import View
from ...model.export import with_head
from .headed import HeadedNetwork
from .network import Network


def to_onnx(model: HeadedNetwork, *, views: Sequence[View] = (View.PLAIN,)) -> bytes:
    """The serialised graph: ``pixels`` → ``embedding`` (N, D) of the model's blocks, and ``logits`` (N, C).

    With several ``views`` of the image the embedding is the mean over them, and so are the logits.
    """
    weight_DC, bias_C = model.weight_and_bias()
    return with_head(model.network.graph(model.blocks), weight_DC, bias_C, views=views)


def to_backbone(model: HeadedNetwork) -> Backbone:
    """The fine-tuned network as a frozen backbone with the model's blocks; its fingerprint is that of its new weights.

    Its features have seen the labels of all training items: what is estimated from them needs items held out from both.
    """
    network, about = model.network, model.network.about
    return Backbone(
        name=f"{about.name} fine-tuned",
        fingerprint=fingerprint(network),
        licence=about.licence,
        source=f"{about.source}; fine-tuned",
        preprocess=about.preprocess,
        blocks=tuple(block for block in about.blocks if block.name in model.blocks),
        build=network.graph,
    )


def frozen_backbone(network: Network) -> Backbone:
    """A network as it is, as a backbone with all its blocks."""
    about = network.about
    return Backbone(
        name=about.name,
        fingerprint=about.fingerprint or fingerprint(network),
        licence=about.licence,
        source=about.source,
        preprocess=about.preprocess,
        blocks=about.blocks,
        build=network.graph,
    )


def fingerprint(network: Network) -> str:
    """SHA-256 (hex) over names, shapes and weights."""
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        array = np.ascontiguousarray(tensor.detach().cpu().numpy())
        digest.update(f"{name} {array.shape} {array.dtype}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
