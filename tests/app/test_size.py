"""A network that sees more, or fewer, pixels than it was trained with: the same everywhere, from embedding to bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import drivetrain as dt
from drivetrain.core.errors import UsageError
from drivetrain.data.image.preprocess import Preprocess, Resize
from drivetrain.embed import registry
from drivetrain.embed.session import Session
from drivetrain.learn.deep.networks import network

pytestmark = pytest.mark.trains

LITE0 = "efficientnet-lite0"


@pytest.mark.parametrize("side", [32, 96, 225, 300])
def test_both_twins_agree_at_any_size(side: int) -> None:
    backbone, net = registry.resolve(LITE0, side), network(LITE0)
    net.prepare(net.about.preprocess.model_copy(update={"resize": Resize(method="crop", size=(side, side))}))
    pixels = np.random.default_rng(side).normal(size=(2, 3, side, side)).astype(np.float32)
    graph = Session(backbone.build(backbone.block_names).SerializeToString()).run(pixels, ["embedding"])[0]
    with torch.no_grad():
        np.testing.assert_allclose(net(torch.from_numpy(pixels)).numpy(), graph, atol=1e-4)
    own = Session(net.graph(backbone.block_names).SerializeToString()).run(pixels, ["embedding"])[0]
    np.testing.assert_allclose(own, graph, atol=1e-5)


def test_the_bundle_takes_that_size(pictures: Path, tmp_path: Path) -> None:
    result = dt.train(pictures, tmp_path / "b", backbone=LITE0, size=96, cache=tmp_path / "cache")
    predictor = dt.load(result.bundle)
    assert predictor.manifest.input.preprocess.resize.size == (96, 96)
    assert predictor.parity is not None
    assert result.accuracy > 0.8


def test_sizes_that_cannot_be_are_refused(pictures: Path, tmp_path: Path) -> None:
    for size in (31, 1025):
        with pytest.raises(UsageError, match=f"size is {size}; it must be 32 to 1024"):
            dt.train(pictures, tmp_path / "b", backbone=LITE0, size=size)
    with pytest.raises(UsageError, match="an input of one size"):
        dt.train(pictures, tmp_path / "b", backbone="some.onnx", size=96)
    with pytest.raises(UsageError, match="takes squares of 32 pixels and more, not 64×48"):
        network(LITE0).prepare(Preprocess(resize=Resize(size=(48, 64))))
