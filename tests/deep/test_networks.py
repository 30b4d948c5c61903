"""The torch networks see what their ONNX twins see, can be cut anywhere and keep their batch norm."""

from functools import cache
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from drivetrain.core.errors import UsageError, WeightsError
from drivetrain.embed import efficientnet_lite as onnx_twin
from drivetrain.embed.efficientnet_lite import LITE0, LITE1, LITE2, Variant
from drivetrain.embed.session import Session
from drivetrain.embed.torch_file import read_torch_file
from drivetrain.learn.deep import efficientnet_lite
from drivetrain.learn.deep.network import Activation
from drivetrain.learn.deep.networks import network


@cache
def lite0() -> efficientnet_lite.EfficientNetLite:
    return efficientnet_lite.load(LITE0)


def noise(size: int, count: int = 2) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(7).standard_normal((count, 3, size, size)).astype(np.float32))


@pytest.mark.parametrize("variant", [LITE0, LITE1, LITE2], ids=lambda variant: variant.name)
def test_the_embedding_is_that_of_the_onnx_graph(variant: Variant) -> None:
    net, twin = network(variant.name), onnx_twin.load(variant)
    pixels = noise(variant.size)
    (expected_ND,) = Session(twin.build(twin.block_names).SerializeToString()).run(pixels.numpy())
    with torch.no_grad():
        embedding_ND = net(pixels).numpy()
    assert embedding_ND.shape == expected_ND.shape
    assert np.abs(embedding_ND - expected_ND).max() <= 1e-4
    assert (net.about.blocks, net.about.fingerprint) == (twin.blocks, twin.fingerprint)
    assert net.about.preprocess == twin.preprocess


def test_cut_anywhere_the_rest_gives_the_same() -> None:
    pixels = noise(64)
    with torch.no_grad():
        whole_ND = lite0()(pixels)
        for stage in range(lite0().n_stages + 1):
            cut = lite0().advance(Activation(0, pixels), stage)
            assert cut.stage == stage
            assert torch.equal(lite0()(cut), whole_ND)


def test_a_cut_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="stages 0 to 7; cannot go from 0 to 8"):
        lite0().advance(Activation(0, noise(32)), 8)
    with pytest.raises(UsageError, match="from 3 to 2"):
        lite0().advance(Activation(3, noise(32)), 2)


def test_groups_hold_every_parameter_once() -> None:
    grouped = [parameter for group in lite0().groups() for parameter in group]
    assert len(lite0().groups()) == lite0().n_stages
    assert {id(p) for p in grouped} == {id(p) for p in lite0().parameters()}
    assert len(grouped) == len({id(p) for p in grouped})


def test_a_group_is_what_its_stage_runs() -> None:
    """Gradients of the embedding of one stage's output reach that stage's group and no other."""
    net = efficientnet_lite.load(LITE0)
    with torch.no_grad():
        before = net.advance(Activation(0, noise(64)), 4)
    net.advance(before, 5).x_NKHW.sum().backward()
    touched = [any(p.grad is not None for p in group) for group in net.groups()]
    assert touched == [stage == 4 for stage in range(7)]


def test_training_mode_leaves_the_statistics_of_batch_norm_alone() -> None:
    net = efficientnet_lite.load(LITE0)
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    net.train()
    assert net.training
    net(3 + noise(64))
    assert before
    assert all(torch.equal(buffer, before[name]) for name, buffer in net.named_buffers())


def test_the_state_dict_goes_back_into_the_graph() -> None:
    weights, given = lite0().weights(), read_torch_file(onnx_twin.weight_file(LITE0))
    assert {name for name in given if not name.startswith("_fc.") and "num_batches" not in name} == set(weights)
    assert all(np.array_equal(weights[name], given[name]) for name in weights)


def test_weights_of_another_size_are_refused() -> None:
    weights = read_torch_file(onnx_twin.weight_file(LITE1))
    with pytest.raises(WeightsError, match=r"not the weights of efficientnet-lite0: _blocks.16"):
        efficientnet_lite.EfficientNetLite(lite0().about, LITE0, weights)
    del weights["_bn1.weight"]
    with pytest.raises(WeightsError, match=r"no '_bn1.weight'"):
        efficientnet_lite.EfficientNetLite(lite0().about, LITE1, weights)


def test_an_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean efficientnet-lite1"):
        network("efficientnet-light1")


@pytest.mark.skipif(find_spec("timm") is not None, reason="timm is installed")
def test_without_timm_the_error_says_what_to_install() -> None:
    with pytest.raises(UsageError, match=r"timm:resnet18 needs timm.*pip install timm"):
        network("timm:resnet18")


def test_folding_batch_norm_changes_neither_outputs_nor_gradients() -> None:
    """Against torch's own batch norm in evaluation mode."""
    torch.manual_seed(0)
    conv, norm = torch.nn.Conv2d(4, 6, 3, stride=2, bias=False), torch.nn.BatchNorm2d(6, eps=1e-3)
    norm.running_mean, norm.running_var = torch.randn(6), torch.rand(6) + 0.5
    torch.nn.init.normal_(norm.weight)
    norm.eval()
    x = torch.randn(2, 4, 8, 8)
    leaves = [*conv.parameters(), *norm.parameters()]
    folded = efficientnet_lite.conv_norm(conv, norm, x)
    plain = norm(conv(torch.nn.functional.pad(x, (0, 1, 0, 1))))
    torch.testing.assert_close(folded, plain, atol=1e-5, rtol=1e-5)
    weight = torch.randn_like(plain)
    for ours, theirs in zip(
        torch.autograd.grad((folded * weight).sum(), leaves),
        torch.autograd.grad((plain * weight).sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("stage", [1, 2, 5, 6, 7])
def test_the_prefix_in_onnx_runtime_is_the_first_stages(stage: int) -> None:
    pixels = noise(64, 5)
    with torch.no_grad():
        expected = lite0().advance(Activation(0, pixels), stage)
    found = lite0().prefix(stage, (64, 64))(pixels)
    assert found.stage == stage
    assert found.pooled.keys() == expected.pooled.keys()
    scale = expected.x_NKHW.abs().max()
    assert (found.x_NKHW - expected.x_NKHW).abs().max() <= 1e-4 * scale
    for name, tensor in expected.pooled.items():
        torch.testing.assert_close(found.pooled[name], tensor, atol=1e-4, rtol=1e-3)


def test_the_prefix_pools_maxima_too() -> None:
    network, pixels = efficientnet_lite.load(LITE0), noise(64, 5)
    network.add_maxima(("stage1", "stage2", "stage5", "head"))
    for stage in (3, 7):
        with torch.no_grad():
            expected = network.advance(Activation(0, pixels), stage)
        found = network.prefix(stage, (64, 64))(pixels)
        assert found.pooled.keys() == expected.pooled.keys() >= {"stage1.max", "stage2.max"}
        for name, tensor in expected.pooled.items():
            torch.testing.assert_close(found.pooled[name], tensor, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(("stage", "size"), [(0, (64, 64)), (3, (64, 96))])
def test_where_onnx_runtime_does_not_apply_the_prefix_runs_in_torch(stage: int, size: tuple[int, int]) -> None:
    pixels = torch.rand(2, 3, *size)
    with torch.no_grad():
        expected = lite0().advance(Activation(0, pixels), stage)
    assert torch.equal(lite0().prefix(stage, size)(pixels).x_NKHW, expected.x_NKHW)
