"""Networks of timm, with random weights: their own preprocessing, training and ONNX. `make timm` runs this.

Shapes: N batch, K channels, H and W pixels, D embedding, C outputs.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_deep_export import differences, shaken
from tiny import Photos

from drivetrain.core.errors import UsageError
from drivetrain.data.image import preprocess
from drivetrain.embed.session import Session
from drivetrain.learn.deep import timm_network
from drivetrain.learn.deep.augment import NONE
from drivetrain.learn.deep.export import to_backbone, to_onnx
from drivetrain.learn.deep.headed import HeadedNetwork
from drivetrain.learn.deep.learner import Learner
from drivetrain.learn.deep.networks import network
from drivetrain.learn.deep.timm_network import TimmNetwork

timm = pytest.importorskip("timm", reason="timm needs an environment of its own: make timm")

CNN, VIT = "mobilenetv4_conv_small", "vit_tiny_patch16_224"
# Between them two means and standard deviations, two sizes, and two interpolations.
OWN_WAYS = [CNN, VIT, "tf_efficientnet_lite0", "test_resnet"]
# Small enough that one step of AdamW, which is as long whatever the gradient, goes downhill.
RATE = 1e-4


def load(name: str) -> TimmNetwork:
    torch.manual_seed(0)
    return timm_network.load(name, pretrained=False)


def picture(side: int) -> Image.Image:
    """Square, so that timm's resizing of the shorter side and ours of the largest box are the same."""
    return Image.fromarray(np.random.default_rng(3).integers(0, 256, (side, side, 3), dtype=np.uint8))


@pytest.mark.parametrize("name", OWN_WAYS)
def test_the_embedding_is_what_timm_makes_of_the_image(name: str) -> None:
    """Against timm's own transform and features, but for its cropping to a centre that we keep whole."""
    net, image = load(name), picture(301)
    config = timm.get_pretrained_cfg(name)
    theirs_KHW = timm.data.create_transform(
        config.input_size, interpolation=config.interpolation, mean=config.mean, std=config.std, crop_pct=1.0
    )(image)
    spec = net.about.preprocess
    ours_KHW = torch.from_numpy(preprocess.apply(image, spec))
    assert (3, *spec.resize.size) == config.input_size
    torch.testing.assert_close(ours_KHW, theirs_KHW, atol=1e-5, rtol=0)
    with torch.no_grad():
        embedding_ND = net(ours_KHW[None])
        features_ND = net.model.forward_head(net.model.forward_features(theirs_KHW[None]), pre_logits=True)
    assert embedding_ND.shape == (1, net.about.blocks[0].width)
    torch.testing.assert_close(embedding_ND, features_ND / features_ND.norm(), atol=1e-5, rtol=0)


def test_the_networks_compared_differ_in_their_preprocessing() -> None:
    specs = [load(name).about.preprocess for name in OWN_WAYS]
    assert len({spec.mean for spec in specs}) > 1
    assert len({spec.std for spec in specs}) > 1
    assert len({spec.resize.size for spec in specs}) > 1
    assert {spec.resize.filter for spec in specs} == {"bilinear", "bicubic"}


@pytest.mark.parametrize("name", [CNN, VIT])
def test_groups_hold_every_parameter_once_from_the_input_on(name: str) -> None:
    net = load(name)
    groups = [{id(p) for p in group} for group in net.groups()]
    assert len(groups) > 1
    assert sum(map(len, groups)) == len(list(net.parameters()))
    assert set.union(*groups) == {id(p) for p in net.parameters()}
    first = next(p for p in net.parameters() if p.ndim == 4)  # the convolution that reads the pixels
    assert id(first) in groups[0]


@pytest.mark.parametrize("name", [CNN, VIT])
def test_the_graph_agrees_with_torch(name: str) -> None:
    model = shaken(HeadedNetwork(load(name), 5)).eval()
    difference, probs_NC = differences(model, to_onnx(model))
    assert difference <= 1e-4
    assert probs_NC.max() > 0.3  # far enough from uniform to be able to differ
    size = model.network.about.preprocess.resize.size
    pixels = torch.from_numpy(np.random.default_rng(2).standard_normal((4, 3, *size)).astype(np.float32))
    with torch.no_grad():
        expected_ND = model.network(pixels).numpy()
    backbone = to_backbone(model)
    (found_ND,) = Session(backbone.build(backbone.block_names).SerializeToString()).run(pixels.numpy())
    assert np.abs(found_ND - expected_ND).max() <= 1e-4
    assert np.abs(expected_ND - expected_ND[0]).max() > 1e-3  # the images are told apart


class OneBatch:
    """One batch, so that an epoch is one step; and judged on the same images."""

    train = Photos(6, 6)
    valid = Photos(6, 6, shuffle=False)


@pytest.mark.parametrize("name", [CNN, VIT])
def test_one_step_trains_every_group_and_the_graph_follows(name: str) -> None:
    model = HeadedNetwork(load(name), 3)
    learner = Learner(OneBatch(), model, augment=NONE)
    before = [[p.detach().clone() for p in group] for group in model.groups()]
    buffers = {key: buffer.clone() for key, buffer in model.network.named_buffers()}
    untrained = to_onnx(model)
    loss = learner.validate().loss
    learner.fit_one_cycle(1, RATE, div=1.0)
    assert len(learner.recorder.losses) == 1
    assert learner.validate().loss < loss
    for old, group in zip(before, model.groups(), strict=True):
        assert any(not torch.equal(a, b) for a, b in zip(old, group, strict=True))
    assert all(torch.equal(buffer, buffers[key]) for key, buffer in model.network.named_buffers())
    assert differences(model, to_onnx(model))[0] <= 1e-4
    assert differences(model, untrained)[0] > 1e-3


def test_an_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"timm knows no network “resnet_18”; the nearest are resnet18, "):
        network("timm:resnet_18")
    with pytest.raises(UsageError, match=r"“resnet_18.a1_in1k”; the nearest are resnet18, "):
        network("timm:resnet_18.a1_in1k")
    with pytest.raises(UsageError, match=r"“ζζζ”; timm.list_models\(\) gives all"):
        network("timm:ζζζ")


def test_unknown_weights_of_a_known_network_give_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no weights “a9_in1k” of resnet18; there are resnet18.a1_in1k, "):
        network("timm:resnet18.a9_in1k")
    assert load("test_resnet.r160_in1k").about.name == "timm:test_resnet.r160_in1k"


def test_a_network_of_several_feature_maps_is_refused() -> None:
    net = load("crossvit_9_240")
    with pytest.raises(UsageError, match="timm:crossvit_9_240 gives 2 feature maps side by side"):
        net(torch.zeros(1, 3, *net.about.preprocess.resize.size))


def test_weights_that_cannot_be_had_are_an_error_of_one_line(tmp_path: Path) -> None:
    """Offline and with nothing cached, in a process of its own: the hub reads its settings when it is imported."""
    code = (
        "from drivetrain.core.errors import WeightsError\n"
        "from drivetrain.learn.deep.networks import network\n"
        "try:\n    network('timm:test_resnet.r160_in1k')\n"
        "except WeightsError as error:\n    print(error)\n"
    )
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "TORCH_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=offline, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("cannot get the pretrained weights of timm:test_resnet.r160_in1k (")
    assert done.stdout.count("\n") == 1
