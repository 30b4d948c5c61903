"""Evidence by place in the graph of a traced network."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from tiny import SIZE, WIDTHS, TinyNetwork

from drivetrain.data.image.preprocess import apply
from drivetrain.embed.recipe import View
from drivetrain.embed.session import Session
from drivetrain.learn.deep.traced import traced_graph
from drivetrain.model.explain.heatmap import Heatmaps
from drivetrain.model.export import with_head
from views import FOUR, ONE, TWO


@pytest.mark.parametrize("views", [ONE, TWO, FOUR])
@pytest.mark.parametrize(("blocks", "width"), [(("head",), WIDTHS[2]), (("head", "stage1"), WIDTHS[2] + WIDTHS[1])])
def test_a_traced_network_gives_maps_by_activation(
    blocks: tuple[str, ...], width: int, views: tuple[View, ...]
) -> None:
    network = TinyNetwork()
    rng = np.random.default_rng(0)
    weight_DC, bias_C = rng.normal(size=(width, 3)).astype(np.float32), rng.normal(size=3).astype(np.float32)
    model = with_head(traced_graph(network, blocks), weight_DC, bias_C, views=views)
    preprocess = network.about.preprocess
    image = Image.fromarray(rng.integers(0, 256, (SIZE, SIZE + 9, 3), np.uint8))
    heat = Heatmaps(model, ("a", "b", "c"), preprocess).of(image)
    assert heat.method == "activation"
    logits_C = Session(model).run(apply(image, preprocess)[None], ["logits"])[0][0]
    np.testing.assert_allclose(heat.contributions_Chw.sum(axis=(1, 2)), logits_C - bias_C, atol=1e-4)
