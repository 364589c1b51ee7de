"""Autoregressive models: normalization, sampling statistics, and equality of cached and uncached decoding."""

import math
from itertools import product

import pytest
import torch
from scipy.stats import chi2
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.conditioning.guidance import Guided
from morphogen.conditioning.specs import Classes
from morphogen.contract import Context, Encoded, Losses
from morphogen.families.autoregressive import Ancestral, Autoregressive, Temperature, TopP
from morphogen.networks.decoders import gpt2
from morphogen.networks.gated_pixelcnn import GatedPixelCNN
from morphogen.numerics.randomness import Rng, invert_cdf
from morphogen.representations.pixels import Pixels
from morphogen.representations.text import Bytes
from morphogen.systems.gated_pixelcnn import gated_pixelcnn
from morphogen.systems.gpt import gpt

SHAPES = [((1, 2, 2), 3), ((4, 1, 1), 2), ((2, 2), 3), ((4,), 3)]


def random_model(
    shape: tuple[int, ...], vocabulary: int, vector: int = 0, spread: float = 0.3
) -> Autoregressive:
    """A random model of tiny pictures or strings, far from uniform."""
    torch.manual_seed(0)
    length = torch.Size(shape).numel()
    network: nn.Module
    if len(shape) > 1:
        network = GatedPixelCNN(shape, vocabulary, 8, 3, 3, vector=vector)
    else:
        network = gpt2(vocabulary, length, 8, 2, 2, vector=vector)
    for p in network.parameters():
        p.data += spread * torch.randn_like(p)
    return Autoregressive(network).eval()


def all_x(shape: tuple[int, ...], vocabulary: int) -> Tensor:
    """All x of the shape."""
    return torch.tensor(list(product(range(vocabulary), repeat=torch.Size(shape).numel()))).view(-1, *shape)


def encoded(x: Tensor, mask: Tensor | None = None) -> Encoded:
    return Encoded(x, torch.zeros(len(x)), torch.full((len(x),), float(x[0].numel())), mask=mask)


def nats(objective: Autoregressive, x: Tensor, context: Context | None = None) -> Tensor:
    with torch.no_grad():
        return objective.log_prob(encoded(x), context, Rng(0, len(x))).nats


class Uncached(nn.Module):
    """A network without its decoding cache."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, context: Context | None) -> Tensor:
        return self.network(x, context)


@pytest.mark.parametrize(("shape", "vocabulary"), SHAPES)
def test_probabilities_sum_to_one(shape: tuple[int, ...], vocabulary: int) -> None:
    objective, x = random_model(shape, vocabulary), all_x(shape, vocabulary)
    assert nats(objective, x).double().exp().sum().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("shape", "vocabulary"), SHAPES)
def test_probabilities_given_a_prefix_sum_to_one(shape: tuple[int, ...], vocabulary: int) -> None:
    objective, x = random_model(shape, vocabulary), all_x(shape, vocabulary)
    context = Context(prefix=torch.tensor([[1, 0]]).expand(len(x), 2))
    p = nats(objective, x, context).double().exp()
    assert p.sum().item() == pytest.approx(1, abs=1e-5)
    assert (p > 0).sum() == len(x) // vocabulary**2  # x with another beginning has probability 0


@pytest.mark.parametrize(("shape", "vocabulary"), [((1, 2, 2), 2), ((2, 1, 2), 2), ((4,), 2)])
def test_sample_frequencies_match_the_probabilities(shape: tuple[int, ...], vocabulary: int) -> None:
    """n = 4000, seed 0, 15 degrees of freedom: chi-square below its 99.9 % point."""
    objective, x, n = random_model(shape, vocabulary), all_x(shape, vocabulary), 4000
    drawn = Ancestral()(objective, shape, None, Rng(0, n))
    counts = (drawn[:, None] == x[None]).flatten(2).all(2).sum(0)
    expected = n * nats(objective, x).double().exp()
    assert expected.min() > 5 and expected.max() > 2 * expected.min()
    assert ((counts - expected) ** 2 / expected).sum().item() < chi2.ppf(0.999, len(x) - 1)


@pytest.mark.parametrize("shape", [(1, 5, 4), (2, 3, 4), (9,)])
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_cached_decoding_equals_uncached_decoding(shape: tuple[int, ...], scale: float) -> None:
    objective = random_model(shape, 5, vector=3)
    context = Context(vector=torch.randn(6, 3), null=Context(vector=torch.zeros(6, 3)))
    sampler = Ancestral() if scale == 1 else Guided(Ancestral(), scale)
    cached = sampler(objective, shape, context, Rng(1, 6))
    uncached = objective.steered(Uncached)
    assert torch.equal(cached, sampler(uncached, shape, context, Rng(1, 6)))
    assert cached.shape == (6, *shape) and len(cached.unique()) == 5


@pytest.mark.parametrize("shape", [(2, 3, 4), (9,)])
def test_a_sample_does_not_depend_on_its_batch(shape: tuple[int, ...]) -> None:
    objective = random_model(shape, 5)
    together = Ancestral((TopP(0.9),))(objective, shape, None, Rng(2, 8))
    for i in (0, 5):
        assert torch.equal(
            Ancestral((TopP(0.9),))(objective, shape, None, Rng(2, torch.tensor([i]))), together[i : i + 1]
        )


def test_a_prefix_is_kept_and_conditions_the_samples() -> None:
    objective, shape, prefix = random_model((9,), 5), (9,), torch.tensor([[4, 4, 4], [0, 1, 2]])
    drawn = Ancestral()(objective, shape, Context(prefix=prefix), Rng(0, 2))
    assert torch.equal(drawn[:, :3], prefix)
    with torch.no_grad():
        logits, u = objective.network(drawn, None), Rng(0, 2).fork("symbols").uniform(9)
    assert all(torch.equal(invert_cdf(logits[:, i], u[:, i]), drawn[:, i]) for i in range(3, 9))
    with pytest.raises(ConfigError, match="at most 9"):
        Ancestral()(objective, shape, Context(prefix=torch.zeros(2, 10, dtype=torch.int64)), Rng(0, 2))


def test_temperature_zero_selects_the_most_likely_token() -> None:
    objective = random_model((9,), 5)
    x = Ancestral((Temperature(0),))(objective, (9,), None, Rng(0, 2))
    with torch.no_grad():
        assert torch.equal(objective.network(x, None).argmax(-1), x)


def test_masked_tokens_are_not_scored_and_the_weight_is_the_token_count() -> None:
    objective, x = random_model((4,), 3), torch.tensor([[0, 1, 2, 0], [2, 2, 1, 1]])
    mask = torch.tensor([[True, True, False, False], [True, True, True, True]])
    losses: Losses = objective.losses(encoded(x, mask), None, Rng(0, 2), "model")
    log_p = objective.token_log_probs(x, None)
    assert losses.weight is not None and losses.weight.tolist() == [2, 4]
    torch.testing.assert_close(losses.total * losses.weight, -(log_p * mask).sum(1))
    changed = x.clone()
    changed[0, 2:] = 1
    assert torch.equal(objective.losses(encoded(changed, mask), None, Rng(0, 2), "model").total, losses.total)


def test_training_reaches_the_entropy_of_a_known_distribution() -> None:
    """4 x 4 pictures of 3 levels, each subpixel a copy of its left or upper neighbour, or random.

    On n = 400 held-out samples, seed 0, the model's mean nats exceed those of the true distribution by less
    than 0.05 per subpixel, and are below them by at most the sampling error (0.02).
    """
    x, log_p = copies(2400, 4)
    torch.manual_seed(0)
    objective = Autoregressive(GatedPixelCNN((1, 4, 4), 3, 16, 3, 3))
    optimizer = torch.optim.Adam(objective.parameters(), 1e-2)
    for s in range(150):
        rows = torch.arange(64 * s, 64 * s + 64) % 2000
        optimizer.param_groups[0]["lr"] = 1e-2 * (1 - s / 150)
        optimizer.zero_grad()
        objective.losses(encoded(x[rows]), None, Rng(0, rows), "model").total.mean().backward()
        optimizer.step()
    excess = (-nats(objective, x[2000:]) + log_p[2000:]).mean().item() / 16
    assert -0.02 < excess < 0.05


def copies(n: int, side: int) -> tuple[Tensor, Tensor]:
    """Pictures with p(x_i) = 0.1 / 3 + 0.6 [left] + 0.3 [above], 0 outside the border, and their log p."""
    x, log_p = torch.zeros(n, side + 1, side + 1, dtype=torch.int64), torch.zeros(n)
    u = Rng(0, n).uniform(side, side)
    for i, j in product(range(1, side + 1), repeat=2):
        p = torch.full((n, 3), 0.1 / 3)
        p.scatter_add_(1, x[:, i, j - 1, None], torch.full((n, 1), 0.6))
        p.scatter_add_(1, x[:, i - 1, j, None], torch.full((n, 1), 0.3))
        x[:, i, j] = (p.cumsum(1) < u[:, i - 1, j - 1, None]).sum(1).clamp_max(2)
        log_p += p.gather(1, x[:, i, j, None])[:, 0].log()
    return x[:, None, 1:, 1:], log_p


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 4, 4)])
def test_gated_pixelcnn_samples_with_guidance_and_has_a_likelihood(shape: tuple[int, int, int]) -> None:
    model = gated_pixelcnn(Pixels(17, shape), label=Classes(10), size="tiny")
    drawn = model.sample(2, 3, Guided(Ancestral(), 2.0))
    likelihood = model.log_prob(drawn.tensor, torch.tensor([3, 3]))
    assert (likelihood.kind, likelihood.measure) == ("exact", "mass")
    # untrained: near uniform
    assert likelihood.bits_per_dim.mean().item() == pytest.approx(math.log2(17), abs=1)


def test_guided_samples_of_gated_pixelcnn_are_more_likely_of_their_class() -> None:
    """n = 64, seed 0: log p(x | 3) - log p(x), the evidence for the class, grows with the scale."""
    model = gated_pixelcnn(Pixels(17, (1, 4, 4)), label=Classes(10), size="tiny")
    with torch.no_grad():
        for i, parameter in enumerate(model.parameters()):
            parameter.add_(0.3 * Rng(i, 1).normal(parameter.numel()).view_as(parameter))
    evidence = []
    for scale in (0.0, 1.0, 4.0):
        x = model.sample(64, 3, Guided(Ancestral(), scale)).tensor
        evidence.append(float((model.log_prob(x, torch.full((64,), 3)).nats - model.log_prob(x).nats).mean()))
    assert evidence[0] < 0 < evidence[1] < evidence[2]


def test_gpt_continues_a_prompt() -> None:
    model = gpt(Bytes(12), size="tiny")
    prompt = torch.tensor([list(b"abc"), list(b"xyz")])
    assert [s[:3] for s in model.sample(2, prompt).decode()] == ["abc", "xyz"]
    assert model.log_prob(model.sample(2).tensor).kind == "exact"
