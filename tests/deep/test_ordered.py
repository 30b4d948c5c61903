"""Ordered grades in a network: the loss is numpy's, and outputs fall whatever training does to them."""

import numpy as np
import pytest
import torch
from tiny import MILD, SIZE, WIDTHS, Loaders, Photos, TinyNetwork

from drivetrain.embed.session import Session
from drivetrain.learn.deep.export import to_onnx
from drivetrain.learn.deep.learner import Learner
from drivetrain.learn.deep.objective import ORDINAL
from drivetrain.learn.deep.ordered import OrderedNetwork
from drivetrain.learn.deep.stepper import Options
from drivetrain.learn.head import Head
from drivetrain.learn.ordinal_head import fit_ordinal_head
from drivetrain.stats.metrics import losses
from drivetrain.stats.ordinal import grade_probabilities

PIXELS = torch.from_numpy(np.random.default_rng(0).standard_normal((30, 3, SIZE, SIZE)).astype(np.float32))


def fitted_head(n_features: int, n_grades: int, seed: int = 0) -> Head:
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((60, n_features)).astype(np.float32)
    grades = rng.permutation(np.arange(60) % n_grades)
    ones = np.ones(60, np.float32)
    return fit_ordinal_head(features, grades, np.arange(60), ones, n_grades=n_grades, seed=0, threads=1).head


@pytest.mark.parametrize("n_grades", [2, 3, 6])
def test_the_loss_is_numpys(n_grades: int) -> None:
    rng = np.random.default_rng(1)
    logits = np.sort(3 * rng.standard_normal((200, n_grades - 1)))[:, ::-1].astype(np.float32)
    grades = rng.integers(0, n_grades, 200)
    outputs = torch.from_numpy(logits.copy()).requires_grad_()
    target = ORDINAL.target(grades, torch.device("cpu"))
    each = ORDINAL.losses(outputs, target)
    expected = losses(grades, grade_probabilities(logits))
    np.testing.assert_allclose(each.detach().numpy(), expected, rtol=1e-4, atol=1e-5)
    weights = torch.from_numpy(rng.uniform(0, 2, 200).astype(np.float32))
    assert float(ORDINAL.loss(outputs, target, weights).detach()) == pytest.approx(
        float((expected * weights.numpy()).mean()), rel=1e-4
    )
    each.sum().backward()
    assert outputs.grad is not None
    # −log p has the slope P(above) − P(below) when all logits move together.
    probs = grade_probabilities(logits)
    above = probs[:, ::-1].cumsum(axis=1)[:, ::-1]
    own = np.arange(200), grades
    slope = above[own] - probs[own] - (1 - above[own])
    np.testing.assert_allclose(outputs.grad.numpy().sum(axis=1), slope, atol=1e-4)


def test_outputs_out_of_order_are_pushed_apart() -> None:
    outputs = torch.tensor([[1.0, 2.0], [0.0, 0.0], [-200.0, -300.0], [1e6, -1e6]], requires_grad=True)
    each = ORDINAL.losses(outputs, torch.tensor([1, 1, 1, 1]))
    assert torch.isfinite(each).all()
    each.sum().backward()
    assert outputs.grad is not None
    assert torch.isfinite(outputs.grad).all()
    assert outputs.grad[0, 0] < 0 < outputs.grad[0, 1]
    assert outputs.grad[1, 0] < 0 < outputs.grad[1, 1]


@pytest.mark.parametrize("n_grades", [2, 4])
def test_the_network_begins_where_the_fitted_head_stands(n_grades: int) -> None:
    head = fitted_head(sum(WIDTHS[1:]), n_grades)
    network = TinyNetwork()
    model = ORDINAL.headed.from_head(network, head)
    assert isinstance(model, OrderedNetwork)
    with torch.no_grad():
        np.testing.assert_allclose(model(PIXELS).numpy(), head.logits(network(PIXELS).numpy()), atol=1e-5)
    weight_DC, bias_C = model.weight_and_bias()
    np.testing.assert_allclose(weight_DC, head.weight_DC, rtol=1e-6)
    np.testing.assert_allclose(bias_C, head.bias_C, atol=1e-6)


def test_whatever_is_learnt_outputs_fall_and_the_exported_graphs_too() -> None:
    model = OrderedNetwork(TinyNetwork(), 3, seed=1)
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in (model.weight_CD, model.bias_C):
            parameter.add_(5 * torch.randn(parameter.shape, generator=rng))
        outputs = model(PIXELS).numpy()
    assert (np.diff(outputs, axis=1) < 0).all()
    logits = Session(to_onnx(model)).run(PIXELS.numpy(), ["logits"])[0]
    np.testing.assert_allclose(logits, outputs, atol=1e-3)
    assert (np.diff(logits, axis=1) <= 0).all()
    probs = grade_probabilities(logits)
    assert (probs >= 0).all()
    np.testing.assert_allclose(probs.sum(axis=1), 1)


def test_it_learns_and_stays_in_order() -> None:
    loaders = Loaders(Photos(48), Photos(24, first_row=1000, shuffle=False))
    model = OrderedNetwork(TinyNetwork(), 2)
    learner = Learner(loaders, model, ORDINAL, MILD, Options(swa=0.5))
    before = learner.validate().loss
    learner.fine_tune(15, base_lr=3e-2)
    last = learner.recorder.epochs[-1]
    assert last.valid_loss < 0.6 * before
    assert last.metrics["accuracy"] >= 0.75
    assert last.metrics["grades off"] <= 0.3
    outputs = learner.validate().outputs_NC
    assert outputs.shape == (24, 2)
    assert (np.diff(outputs, axis=1) < 0).all()


def test_every_parameter_of_the_head_is_learnt() -> None:
    model = OrderedNetwork(TinyNetwork(), 4)
    assert model.groups()[-1] == [model.weight_CD, model.bias_C]
    assert model.weight_CD.shape[0] == 1
    ORDINAL.loss(model(PIXELS), torch.arange(30) % 5).backward()
    assert all(parameter.grad is not None and (parameter.grad != 0).any() for parameter in model.groups()[-1])
