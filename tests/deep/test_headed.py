"""The head on a network: equal to the fitted one at the start, whatever the blocks."""

import numpy as np
import pytest
import torch
from tiny import SIZE, WIDTHS, Loaders, TinyNetwork

from drivetrain.core.errors import UsageError
from drivetrain.embed.efficientnet_lite import LITE0
from drivetrain.learn.deep import efficientnet_lite
from drivetrain.learn.deep.headed import HeadedNetwork
from drivetrain.learn.deep.learner import Learner
from drivetrain.learn.deep.network import Activation, Network
from drivetrain.learn.head import Head, fit_head

PIXELS = torch.from_numpy(np.random.default_rng(0).standard_normal((6, 3, SIZE, SIZE)).astype(np.float32))


def embedding(network: Network, pixels: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return network(pixels).numpy()


def random_head(n_features: int, n_classes: int) -> Head:
    rng = np.random.default_rng(1)
    weight = 20 * rng.standard_normal((n_features, n_classes)).astype(np.float32)
    return Head(weight, rng.standard_normal(n_classes).astype(np.float32), beta=1.0, penalty=1.0)


@pytest.mark.parametrize("blocks", [None, ("head",), ("stage1",)])
def test_logits_at_the_start_are_the_fitted_heads(blocks: tuple[str, ...] | None) -> None:
    network = TinyNetwork()
    columns = {None: slice(None), ("head",): slice(WIDTHS[2]), ("stage1",): slice(WIDTHS[2], None)}[blocks]
    features_ND = embedding(network, PIXELS)[:, columns]
    head = random_head(features_ND.shape[1], 4)
    model = HeadedNetwork.from_head(network, head, blocks)
    with torch.no_grad():
        np.testing.assert_allclose(model(PIXELS).numpy(), head.logits(features_ND), atol=1e-4)
    weight_DC, bias_C = model.weight_and_bias()
    np.testing.assert_allclose(weight_DC, head.weight_DC, rtol=1e-6)
    np.testing.assert_array_equal(bias_C, head.bias_C)


def test_a_head_fitted_on_real_features_starts_deep_training_where_it_stands() -> None:
    """Cached-feature head equals frozen-backbone head, with the packaged network, through the learner."""
    pixels = torch.rand(24, 3, 64, 64) * 2 - 1
    labels_N = np.arange(24) % 2
    pixels[labels_N == 1] += 0.5
    network = efficientnet_lite.load(LITE0)
    features_ND = embedding(network, pixels)
    ones = np.ones(24, np.float32)
    head = fit_head(features_ND, labels_N, np.arange(24), ones, n_classes=2, seed=0, threads=1).head
    model = HeadedNetwork.from_head(network, head)
    Learner(Loaders(), model)  # moves the model into its memory layout
    with torch.no_grad():
        logits_NC = model(pixels.contiguous(memory_format=torch.channels_last)).numpy()
    np.testing.assert_allclose(logits_NC, head.logits(features_ND), atol=1e-4)


def test_maxima_are_added_without_changing_what_is_said() -> None:
    pixels, network = torch.rand(4, 3, 64, 64) * 2 - 1, efficientnet_lite.load(LITE0)
    blocks = ("head", "stage3", "stage5")
    narrow = HeadedNetwork.from_head(network, random_head(1280 + 80 + 192, 3), blocks)
    with torch.no_grad():
        before = narrow(pixels)
    added = network.add_maxima(blocks)
    assert added == ("head.max", "stage3.max", "stage5.max")
    model = narrow.widened(added)
    assert model.blocks == (*blocks, *added)
    with torch.no_grad():
        torch.testing.assert_close(model(pixels), before, atol=1e-5, rtol=0)
        # By hand, from the stages' own maps.
        activation, largest = Activation(0, pixels), {}
        for stage in range(network.n_stages):
            activation = network.run_stage(activation)
            largest[stage] = activation.x_NKHW.amax((2, 3))
        found = network(pixels)
    for name, stage, start in (("head", 6, 0), ("stage3", 3, 1280), ("stage5", 5, 1280 + 80)):
        width = largest[stage].shape[1]
        first = found.shape[1] - (1280 + 80 + 192) + start
        expected = torch.nn.functional.normalize(largest[stage], dim=1)
        torch.testing.assert_close(found[:, first : first + width], expected, atol=1e-6, rtol=0, msg=name)
    model(pixels)[:, 0].sum().backward()
    assert model.weight_CD.grad is not None
    assert (model.weight_CD.grad[0, -80:].abs() > 0).any()


def test_a_network_without_maxima_says_so() -> None:
    with pytest.raises(UsageError, match="tiny pools by the mean only"):
        TinyNetwork().add_maxima(("head",))


def test_a_fresh_head_is_the_same_for_a_seed_and_leaves_the_network_free() -> None:
    a, b, c = (HeadedNetwork(TinyNetwork(), 3, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(a.weight_CD, b.weight_CD)
    assert not torch.equal(a.weight_CD, c.weight_CD)
    assert len(a.groups()) == 4
    assert a.groups()[-1] == [a.weight_CD, a.bias_C]


def test_blocks_that_do_not_fit_are_named() -> None:
    with pytest.raises(UsageError, match="tiny has the blocks head, stage1, not stage9"):
        HeadedNetwork(TinyNetwork(), 3, ("head", "stage9"))
    with pytest.raises(UsageError, match="fitted on 5 features for 2 outputs; the blocks head have 10"):
        HeadedNetwork.from_head(TinyNetwork(), random_head(5, 2), ("head",))
