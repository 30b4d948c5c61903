"""A fine-tuned network as ONNX says what it says in torch."""

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from tiny import Photos, TinyNetwork, tiny_learner

from drivetrain.data.image.preprocess import Preprocess, Resize
from drivetrain.embed.efficientnet_lite import LITE0, LITE2, Variant
from drivetrain.embed.recipe import View
from drivetrain.embed.session import Session
from drivetrain.learn.deep import efficientnet_lite
from drivetrain.learn.deep.export import fingerprint, to_backbone, to_onnx
from drivetrain.learn.deep.headed import HeadedNetwork
from drivetrain.learn.deep.learner import Learner
from drivetrain.model.explain.heatmap import Heatmaps
from drivetrain.stats.metrics import softmax
from views import FOUR, ONE, TWO


def shaken(model: HeadedNetwork) -> HeadedNetwork:
    """Weights well away from where they started, as a long training would leave them, and a confident head."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.mul_(1 + 0.05 * torch.randn_like(parameter))
        model.weight_CD.copy_(torch.randn_like(model.weight_CD) * 0.2)
    return model


def differences(model: HeadedNetwork, graph: bytes, views: tuple[View, ...] = ONE) -> tuple[float, np.ndarray]:
    """Largest difference of a probability, and the probabilities."""
    size = model.network.about.preprocess.resize.size
    pixels = torch.from_numpy(np.random.default_rng(1).standard_normal((3, 3, *size)).astype(np.float32))
    with torch.no_grad():
        logits_NC = torch.stack([model(pixels.flip(view.reversed_axes)) for view in views]).mean(0)
    embedding_ND, found_NC = Session(graph).run(pixels.numpy(), ["embedding", "logits"])
    assert embedding_ND.shape == (3, len(model.columns))
    probs_NC = softmax(found_NC)
    return float(np.abs(probs_NC - softmax(logits_NC.numpy())).max()), probs_NC


@pytest.mark.parametrize("variant", [LITE0, LITE2], ids=lambda variant: variant.name)
@pytest.mark.parametrize(("blocks", "views"), [(None, ONE), (("head", "stage3"), TWO), (("head",), FOUR)])
def test_the_graph_agrees_with_torch(variant: Variant, blocks: tuple[str, ...] | None, views: tuple[View, ...]) -> None:
    model = shaken(HeadedNetwork(efficientnet_lite.load(variant), 5, blocks)).eval()
    graph = to_onnx(model, views=views)
    difference, probs_NC = differences(model, graph, views)
    assert difference <= 1e-4
    assert probs_NC.max() > 0.3  # far enough from uniform to be able to differ
    if views == ONE:
        operators = {node.op_type for node in onnx.load_from_string(graph).graph.node}
        assert operators == {"Conv", "Clip", "Add", "GlobalAveragePool", "Flatten", "LpNormalization", "Concat", "Gemm"}


@pytest.mark.parametrize("views", [ONE, FOUR])
def test_maxima_agree_with_torch_and_have_places(views: tuple[View, ...]) -> None:
    network = efficientnet_lite.load(LITE0)
    blocks = ("head", "stage4")
    added = network.add_maxima(blocks)
    model = shaken(HeadedNetwork(network, 3, (*blocks, *added))).eval()
    graph = to_onnx(model, views=views)
    difference, probs_NC = differences(model, graph, views)
    assert difference <= 1e-4
    assert probs_NC.max() > 0.3
    assert [block.name for block in to_backbone(model).blocks] == [*blocks, *added]
    # Each channel's maximum stands at one place, and the shares still add up to the logit.
    maps = Heatmaps(graph, ("a", "b", "c"), network.about.preprocess, method="activation")
    noise = np.random.default_rng(3).integers(0, 255, (224, 224, 3)).astype(np.uint8)
    heat = maps.of(Image.fromarray(noise))
    total_C = heat.contributions_Chw.sum(axis=(1, 2)) + model.bias_C.detach().numpy()
    np.testing.assert_allclose(total_C, heat.logits_C, atol=1e-3)


def test_it_is_the_trained_weights_that_are_exported() -> None:
    """Two steps on the packaged network at a small size; the untrained graph disagrees."""
    network = efficientnet_lite.load(LITE0)
    model = HeadedNetwork(network, 3)
    before, print_before = to_onnx(model), fingerprint(network)
    learner = Learner(Loaders16(), model)
    learner.transform.preprocess = Preprocess(resize=Resize(size=(32, 32)))
    learner.fit_one_cycle(1, 1e-2)
    assert differences(model, to_onnx(model))[0] <= 1e-4
    assert differences(model, before)[0] > 1e-3
    assert fingerprint(network) != print_before


class Loaders16:
    train = Photos(8, 4)
    valid = Photos(0)


def test_a_backbone_of_the_trained_network_embeds_as_it_does() -> None:
    learner = tiny_learner()
    learner.fit_one_cycle(1, 1e-2)
    backbone = to_backbone(learner.model)
    assert backbone.fingerprint == fingerprint(learner.model.network)
    assert backbone.fingerprint != fingerprint(TinyNetwork())
    pixels = torch.rand(4, 3, 16, 16)
    with torch.no_grad():
        expected_ND = learner.model.network(pixels).numpy()
    for blocks in (("head",), ("stage1",), ("head", "stage1")):
        (found_ND,) = Session(backbone.build(blocks).SerializeToString()).run(pixels.numpy())
        np.testing.assert_allclose(found_ND, expected_ND[:, backbone.columns(blocks)], atol=1e-5)
