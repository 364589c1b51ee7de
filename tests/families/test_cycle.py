"""CycleGAN: its losses against their definition, independence of the pairing, and both directions."""

import pytest
import torch
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Context, Encoded
from morphogen.families.gan import Adversarial, CycleGAN, NonSaturating
from morphogen.networks.concat_condition import ConcatCritic
from morphogen.networks.lipschitz import ClippedWeights
from morphogen.networks.patch_discriminator import PatchDiscriminator
from morphogen.networks.translation_unet import TranslationUNet
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels
from morphogen.systems.cyclegan import cyclegan
from morphogen.systems.pix2pix import Sketches, pix2pix

ROWS, SHAPE, OTHER = 6, (2, 4, 4), (1, 4, 4)


class Mix(Component, nn.Module):
    """A linear map of the channels: with inverses, the cycle losses are 0."""

    def __init__(self, weights: Tensor):
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("dc,bchw->bdhw", self.weights, x)


def rows() -> tuple[Tensor, Tensor]:
    """Pictures x and, unrelated, y."""
    x, y = Rng(0, ROWS).uniform(*SHAPE) * 2 - 1, Rng(1, ROWS).uniform(*SHAPE) * 2 - 1
    return x.double(), y.double()


def objective(**options: float) -> CycleGAN:
    torch.manual_seed(0)
    critics = (PatchDiscriminator(SHAPE, (4, 8)) for _ in range(2))
    forward, backward = torch.randn(2, 2), torch.randn(2, 2)
    return CycleGAN(Mix(forward), Mix(backward), *critics, **options).double()  # type: ignore[misc]


def losses(model: CycleGAN, x: Tensor, y: Tensor, player: str) -> dict[str, Tensor]:
    encoded = Encoded(x, torch.zeros(ROWS), torch.ones(ROWS))
    return dict(model.losses(encoded, Context(spatial=y), Rng(2, ROWS), player).terms)


def test_the_losses_are_their_definitions() -> None:
    model, (x, y) = objective(cycle=3.0, identity=0.5), rows()
    g, f, d, e = model.network, model.inverse, model.critic, model.inverse_critic

    def mean(value: Tensor) -> Tensor:
        return value.flatten(1).mean(1)

    expected = {
        "adversarial": mean((d(g(y)) - 1) ** 2 / 2),
        "adversarial, inverse": mean((e(f(x)) - 1) ** 2 / 2),
        "cycle": 3 * mean((f(g(y)) - y).abs()),
        "cycle, inverse": 3 * mean((g(f(x)) - x).abs()),
        "identity": 1.5 * mean((g(x) - x).abs()),
        "identity, inverse": 1.5 * mean((f(y) - y).abs()),
    }
    found = losses(model, x, y, "generator")
    assert found.keys() == expected.keys()
    assert all(torch.allclose(found[name], value) for name, value in expected.items())
    of_critics = losses(model, x, y, "critic")
    assert torch.allclose(of_critics["real, inverse"], mean((e(y) - 1) ** 2 / 2))
    assert torch.allclose(of_critics["fake"], mean(d(g(y)) ** 2 / 2))
    assert "identity" not in losses(objective(), x, y, "generator")


@pytest.mark.parametrize("player", ["generator", "critic"])
def test_the_pairing_has_no_effect_on_the_gradient(player: str) -> None:
    """In fp64, another order of y changes the mean loss and its gradient by less than 1e-12."""
    model, (x, y) = objective(identity=0.5), rows()
    results = []
    for order in (torch.arange(ROWS), torch.tensor([3, 0, 5, 1, 2, 4])):
        total = sum(term.mean() for term in losses(model, x, y[order], player).values())
        parameters = model.players()[player]
        results.append([total, *torch.autograd.grad(total, parameters)])  # type: ignore[arg-type]
    assert all((a - b).abs().max() < 1e-12 for a, b in zip(*results, strict=True))
    assert all(gradient.abs().max() > 1e-6 for gradient in results[0][1:])


def test_inverse_generators_have_no_cycle_loss() -> None:
    model, (x, y) = objective(), rows()
    with torch.no_grad():
        model.inverse.weights.copy_(model.network.weights.inverse())
    terms = losses(model, x, y, "generator")
    assert terms["cycle"].max() < 1e-6 and terms["cycle, inverse"].max() < 1e-6


def test_both_directions_are_of_their_kind_and_constrained_critics_are_kept() -> None:
    torch.manual_seed(0)
    model = cyclegan(Pixels(17, (3, 8, 8)), Pixels(17, (1, 8, 8)), "tiny")
    source = Rng(0, 3).uniform(1, 8, 8) * 2 - 1
    samples = model.sample(3, source).tensor
    assert samples.shape == (3, 3, 8, 8) and model.objective.identity == 0
    assert torch.equal(samples, model.sample(3, source, seed=1).tensor)  # a function of the source
    back = model.objective.to_source(samples)
    assert back.shape == source.shape and back.abs().max() <= 1 and not back.requires_grad
    clipped = objective()
    clipped.inverse_critic = ClippedWeights(clipped.inverse_critic, 0.02)
    encoded = Encoded(rows()[0], torch.zeros(ROWS), torch.ones(ROWS))
    result = clipped.losses(encoded, Context(spatial=rows()[1]), Rng(2, ROWS), "critic")
    clipped.update_from_statistics(result.statistics, 0)
    assert max(p.abs().max() for p in clipped.inverse_critic.parameters()) <= 0.02


def test_errors_are_one_line_with_the_remedy() -> None:
    one = pix2pix(Pixels(17, (1, 8, 8)), Sketches(), "tiny")
    two = cyclegan(Pixels(17, (1, 8, 8)), Pixels(17, (1, 8, 8)), "tiny")
    for model in (one, two):
        with pytest.raises(ConfigError, match=r"none is given: .*sample\(n, condition=pictures\)$"):
            model.sample(2)
    for model, what in ((one, "sketch"), (two, "source picture")):
        with pytest.raises(ConfigError, match=f"a {what} .*: use ") as error:
            model.sample(2, torch.full((2, 1, 8, 8), 3.0))
        assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match=r"a source picture has the shape \[1, 8, 8\]"):
        two.sample(2, torch.zeros(2, 3, 8, 8))
    with pytest.raises(ConfigError, match=r"must match x, \[2, 1, 8, 8\]"):
        one.sample(2, torch.zeros(2, 1, 4, 4))
    with pytest.raises(ConfigError, match="cycle=-1"):
        objective(cycle=-1.0)
    with pytest.raises(ConfigError, match="1 source pictures for 6 rows"):
        losses(objective(), rows()[0], rows()[1][:1], "generator")


def test_the_critic_of_pix2pix_sees_the_condition_and_l1_the_pair() -> None:
    torch.manual_seed(0)
    generator = TranslationUNet((1, 8, 8), 1, (4, 8), dropped=1)
    critic = ConcatCritic(PatchDiscriminator((2, 8, 8), (4, 8)), 1)
    gan = Adversarial(generator, critic, generator.latent, NonSaturating(), l1=100.0)
    x = Rng(0, 4).uniform(1, 8, 8) * 2 - 1
    context = Context(spatial=Rng(1, 4).uniform(1, 8, 8))
    other = Context(spatial=context.spatial.roll(1, 0))  # type: ignore[union-attr]
    assert (critic(x, context) - critic(x, other)).abs().min() > 0
    terms = gan.losses(Encoded(x, torch.zeros(4), torch.ones(4)), context, Rng(2, 4), "generator").terms
    fake = gan.fake(x, context, Rng(2, 4))
    assert torch.allclose(terms["l1"], 100 * (x - fake).abs().flatten(1).mean(1))
