"""WGAN-GP: which loss trains which player, and the penalty of critics with a known gradient."""

import pytest
import torch
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.conditioning.label import Label, OneHot
from morphogen.conditioning.specs import Classes
from morphogen.contract import Batch, Context, Unsupported
from morphogen.families.gan import Adversarial, GANSampler, GradientPenalty, Wasserstein
from morphogen.model import Model, load, save
from morphogen.networks.resnet_gan import ResNetCritic, ResNetGenerator
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels
from morphogen.systems.wgan_gp import wgan_gp

SHAPES = [((1, 8, 8), 17), ((1, 28, 28), 256), ((3, 32, 32), 256)]


class LinearCritic(Component, nn.Module):
    """D(x) = w . x, with gradient w everywhere."""

    def __init__(self, dims: int, norm: float):
        super().__init__()
        self.dims, self.norm = dims, norm
        w = torch.randn(dims, generator=torch.Generator().manual_seed(0))
        self.w = nn.Parameter(norm * w / w.norm())

    def forward(self, x: Tensor, context: Context | None = None) -> Tensor:
        return x.flatten(1) @ self.w


class SquareCritic(Component, nn.Module):
    """D(x) = |x|^2 / 2, with gradient x: the penalty reveals where it was evaluated."""

    def forward(self, x: Tensor, context: Context | None = None) -> Tensor:
        return 0.5 * x.square().flatten(1).sum(1)


def perturbed(model: Model) -> Model:
    """Random parameters: at initialization a FiLM of zeros blocks the gradient of the condition."""
    torch.manual_seed(1)
    for p in model.parameters():
        nn.init.normal_(p, std=0.15)
    return model


def residual(shape: tuple[int, int, int], levels: int = 17) -> Model:
    """A small model of residual networks, which have no batch statistics."""
    generator, critic = ResNetGenerator(4, shape, (8, 8), 10), ResNetCritic(shape, (8, 8), 0, 10)
    objective = Adversarial(generator, critic, 4, Wasserstein(), GradientPenalty(1.0), 2)
    return perturbed(Model(objective, Pixels(levels, shape), OneHot(10)))


def batch_of(shape: tuple[int, int, int], n: int = 6) -> Batch:
    return Batch(Rng(5, n).uniform(*shape) * 2 - 1, {"label": torch.arange(n)})


@pytest.mark.parametrize("norm", [0.5, 1.0, 3.0])
def test_the_penalty_of_a_linear_critic_is_known(norm: float) -> None:
    real, fake = Rng(0, 7).normal(2, 3, 3), Rng(1, 7).normal(2, 3, 3)
    critic = LinearCritic(18, norm)
    term = GradientPenalty(10.0)(critic, real, fake, None, Rng(2, 7))
    assert torch.allclose(term, torch.full((7,), 10 * (norm - 1) ** 2), atol=1e-4)
    (gradient,) = torch.autograd.grad(term.mean(), critic.w)
    assert torch.allclose(gradient, 20 * (norm - 1) * critic.w.detach() / norm, atol=1e-4)


def test_the_penalty_is_evaluated_between_real_and_generated_samples() -> None:
    """D has gradient x; real 0, fake of norm 5: E (5 a - 1)^2 = 25/3 - 4.

    n = 4000, seed 2, within 4 standard errors.
    """
    n, fake = 4000, torch.tensor([[3.0, 4.0]])
    term = GradientPenalty(1.0)(
        SquareCritic(), torch.zeros(n, 2), fake.expand(n, 2), None, Rng(2, n)
    ).detach()
    assert abs(term.mean() - (25 / 3 - 4)) <= 4 * term.std() / n**0.5 and 15 < term.max() <= 16


def test_a_constant_critic_has_a_finite_gradient() -> None:
    critic = LinearCritic(4, 1.0)
    with torch.no_grad():
        critic.w.zero_()
    term = GradientPenalty()(critic, torch.ones(3, 4), torch.zeros(3, 4), None, Rng(0, 3))
    (gradient,) = torch.autograd.grad(term.sum(), critic.w)
    assert gradient.isfinite().all()


@pytest.mark.parametrize(("shape", "levels"), SHAPES)
def test_each_turn_trains_all_parameters_of_its_player_and_no_others(
    shape: tuple[int, int, int], levels: int
) -> None:
    model = perturbed(wgan_gp(Pixels(levels, shape), label=Classes(10), size="tiny"))
    players = model.players()
    for player, own in players.items():
        for p in model.parameters():
            p.grad = None
            p.requires_grad_(any(p is q for q in own))
        model(batch_of(shape), Rng(0, 6), player).total.mean().backward()
        for name, p in model.named_parameters():
            trained = p.grad is not None and bool(p.grad.any())
            assert trained == any(p is q for q in own), f"{player}: {name}"


def test_the_critic_never_trains_the_generators_embedding() -> None:
    pixels = Pixels(17, (1, 8, 8))
    generator, critic = ResNetGenerator(4, pixels.shape, (8, 8), 5), ResNetCritic(pixels.shape, (8, 8), 0, 5)
    objective = Adversarial(generator, critic, 4, Wasserstein(), GradientPenalty(), 2)
    model = perturbed(Model(objective, pixels, Label(10, 5)))
    embedding = model.conditioner.embedding.weight
    assert [any(p is embedding for p in own) for own in model.players().values()] == [True, False]
    model(batch_of(pixels.shape), Rng(0, 6), "critic").total.mean().backward()
    assert embedding.grad is None and all(p.grad is None for p in objective.network.parameters())
    model(batch_of(pixels.shape), Rng(0, 6), "generator").total.mean().backward()
    assert embedding.grad is not None and embedding.grad[:6].any(1).all()


def test_the_losses_are_opposed_and_turns_follow_critic_steps() -> None:
    paper = wgan_gp(Pixels(17, (1, 8, 8)), size="paper")
    assert (
        paper.objective.turns == ("critic",) * 5 + ("generator",)
        and next(iter(paper.players())) == "generator"
    )
    model = perturbed(wgan_gp(Pixels(17, (1, 8, 8)), size="tiny"))
    medium = Batch(batch_of((1, 8, 8)).medium)
    critic, generator = [model(medium, Rng(0, 6), player) for player in ("critic", "generator")]
    real = model.objective.critic(medium.medium, None)
    assert torch.allclose(critic.terms["real"], -real, atol=1e-6)
    assert torch.allclose(critic.terms["fake"], -generator.terms["adversarial"], atol=1e-6)
    assert set(critic.terms) == {"real", "fake", "penalty"} and all(
        t.shape == (6,) for t in critic.terms.values()
    )


@pytest.mark.parametrize(("shape", "levels"), SHAPES)
def test_rows_and_samples_are_independent_of_their_batch(shape: tuple[int, int, int], levels: int) -> None:
    model, three, batch = residual(shape, levels), torch.tensor([3]), batch_of(shape)
    for player in model.players():
        losses = model(batch, Rng(0, 6), player).total
        assert torch.allclose(
            model(batch[3:4], Rng(0, three), player).total, losses[3:4], rtol=1e-4, atol=1e-5
        )
    context = model.conditioner(batch.condition["label"])
    together = GANSampler()(model.objective, shape, context, Rng(1, 6))
    assert torch.allclose(
        GANSampler()(model.objective, shape, context[3:4], Rng(1, three)), together[3:4], atol=1e-5
    )
    assert (
        together.shape == (6, *shape)
        and together.abs().max() <= 1
        and not torch.equal(together[0], together[1])
    )


def test_both_players_depend_on_the_label() -> None:
    model = perturbed(wgan_gp(Pixels(17, (1, 8, 8)), label=Classes(10), size="tiny"))
    batch = batch_of((1, 8, 8))
    one, other = [model.conditioner(c) for c in (batch.condition["label"], batch.condition["label"].roll(1))]
    assert (model.objective.critic(batch.medium, one) != model.objective.critic(batch.medium, other)).all()
    fakes = [model.objective.fake(batch.medium, c, Rng(0, 6)) for c in (one, other)]
    assert (fakes[0] != fakes[1]).flatten(1).any(1).all()


def test_save_and_load_are_the_same_model(tmp_path) -> None:
    model = wgan_gp(Pixels(17, (1, 8, 8)), label=Classes(10), size="tiny")
    save(model, tmp_path)
    again = load(tmp_path)
    assert repr(again) == repr(model) and again.objective.turns == model.objective.turns
    assert torch.equal(again.sample(3, 7, seed=2).tensor, model.sample(3, 7, seed=2).tensor)


def test_log_prob_is_unsupported_and_names_an_alternative() -> None:
    for label in (None, Classes(10)):  # the classes that are missing here are no matter
        model = wgan_gp(Pixels(17, (1, 8, 8)), label=label, size="tiny")
        with pytest.raises(Unsupported, match=r"^Adversarial has no likelihood; evaluate its samples"):
            model.log_prob(batch_of((1, 8, 8)).medium.round())


def test_an_image_that_cannot_be_halved_raises() -> None:
    with pytest.raises(ConfigError, match="cannot be halved 2 times"):
        ResNetCritic((1, 10, 10), (8, 8, 8))
