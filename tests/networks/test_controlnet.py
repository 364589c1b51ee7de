"""ControlNet: equal to the frozen model at first, which training never changes, and heard thereafter."""

import pytest
import torch

import morphogen as mg
from morphogen.component import ConfigError
from morphogen.conditioning.conditions import Conditions
from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.frozen import Frozen
from morphogen.conditioning.plane import Plane
from morphogen.conditioning.sketch import Sketch, edges
from morphogen.contract import Batch, Context
from morphogen.model import Model
from morphogen.networks.controlnet import ControlNet
from morphogen.numerics.randomness import Rng
from morphogen.systems.controlnet import controlled
from personalisation.painter import painter, pictures, unchanged, weights

DIGITS = mg.load_data("digits")
X = DIGITS.train.first(64).medium


def base() -> Model:
    """A diffusion model whose last layer is not 0, as it is without training."""
    torch.manual_seed(0)
    model = mg.build_system("v_diffusion", DIGITS.representation, {}, size="tiny")
    torch.nn.init.normal_(model.objective.network.out.weight, std=0.1)
    return model


def steered(model: Model) -> Model:
    """The model that `model` becomes: its objective, with a ControlNet in place of the network."""
    return controlled(model, ConditionDropout(Sketch(), p=0.1), model.plan)


def test_it_starts_as_the_frozen_model_bit_for_bit() -> None:
    model = base()
    control, x, t = ControlNet(model, 1), Rng(0, 3).normal(1, 8, 8), torch.tensor([0.1, 0.5, 1.0])
    expected = model.objective.network(x, t)
    assert expected.abs().max() > 0.01
    for context in (None, Context(spatial=edges(X[:3]))):
        assert torch.equal(control(x, t, context), expected)
    for zero in (*control.zeros, control.hint_zero):
        torch.nn.init.normal_(zero.weight, std=0.1)
    sketched = control(x, t, Context(spatial=edges(X[:3])))
    assert not torch.allclose(sketched, control(x, t, None), atol=1e-4)
    assert torch.allclose(control(x[1:2], t[1:2], Context(spatial=edges(X[1:2]))), sketched[1:2], atol=1e-5)


def test_training_leaves_the_model_as_it_was_and_learns_the_copy(tmp_path) -> None:
    model = base()
    control = steered(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    players = control.players()["model"]
    frozen = {id(parameter) for parameter in model.parameters()}
    assert players and not frozen & {id(parameter) for parameter in players}
    optimizer = torch.optim.Adam(players, 1e-3)
    for step in range(4):
        batch = Batch(X, {"sketch": edges(X)})
        loss = control(batch, Rng(step, 64), "model").total.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    network = control.objective.network
    assert all(zero.weight.any() for zero in network.zeros) and not model.training
    assert network.hint_zero.weight.any() and network.hint[0].weight.grad.any()
    mg.save(control, tmp_path / "model")
    again = mg.load(tmp_path / "model")
    options = {"n": 2, "condition": edges(X[:2]), "sampler": mg.DDIM(3)}
    assert torch.equal(again.sample(**options).tensor, control.sample(**options).tensor)


def test_what_does_not_fit_is_refused() -> None:
    model = base()
    with pytest.raises(ConfigError, match="steers a diffusion model with a U-Net, and Model has none"):
        ControlNet(mg.build_system("dit", DIGITS, size="tiny"), 1)
    with pytest.raises(ConfigError, match=r"shape \[2, 1, 4, 4\]: it must match x, \[2, 1, 8, 8\]"):
        context = Context(spatial=torch.zeros(2, 1, 4, 4))
        ControlNet(model, 1)(torch.zeros(2, 1, 8, 8), torch.ones(2), context)


def test_the_copy_starts_from_the_trained_base_when_its_stage_begins() -> None:
    data = mg.load_data("digits", condition="sketch")
    staged = mg.build_system("controlnet", data, size="tiny")
    base, control = staged.models["base"], staged.models["control"]
    for parameter in base.parameters():  # as if it had been trained
        torch.nn.init.normal_(parameter, std=0.1)
    control.prepare(data.train.first(8), Rng(0, 8))
    trained = dict(base.objective.network.named_parameters())
    own = dict(control.objective.network.encoder.named_parameters())
    assert own and all(torch.equal(parameter, trained[name]) for name, parameter in own.items())
    options = {"n": 2, "sampler": mg.DDIM(3), "seed": 1}
    unsteered = staged.sample(condition=torch.ones(2, 1, 8, 8), **options).tensor
    assert torch.equal(unsteered, base.sample(**options).tensor)


def test_masks_and_depth_steer_models_of_captions() -> None:
    model = painter()
    parts = Conditions(caption=Frozen(model.conditioner), mask=ConditionDropout(Plane("mask"), 0.1))
    control, batch = controlled(model, parts, model.plan), pictures(4, "a dog")
    masks = (batch.medium > 0).float()
    before = weights(model)
    rows = Batch(batch.medium, {**batch.condition, "mask": masks})
    mg.train(control, rows, steps=3)
    assert unchanged(model, before)
    options = {"sampler": mg.DDIM(3), "seed": 1}
    drawn = control.sample(4, {"caption": "a dog", "mask": masks}, **options)
    assert drawn.tensor.shape == (4, 1, 4, 4)
    with pytest.raises(ConfigError, match=r"shape \[2, 1, 8, 8\]: it must match x, \[2, 1, 4, 4\]"):
        control.sample(2, {"caption": "a dog", "mask": torch.ones(2, 1, 8, 8)}, **options)
    with pytest.raises(ConfigError, match=r"a mask is a tensor \[B, 1, H, W\] with values in \[0, 1\]"):
        control.sample(2, {"caption": "a dog", "mask": 2 * torch.ones(2, 1, 4, 4)}, **options)
