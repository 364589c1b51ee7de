"""The chain rule is a law (it sums to 1), its samples follow it, and how they are drawn does not matter."""

import math
from itertools import product

import pytest
import torch
from scipy.stats import chi2
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.conditioning.guidance import Guided
from morphogen.contract import Context, Encoded, Losses
from morphogen.families.autoregressive import Ancestral, Autoregressive, Temperature, TopP
from morphogen.networks.decoders import gpt2
from morphogen.networks.gated_pixelcnn import GatedPixelCNN
from morphogen.numerics.randomness import Rng, invert_cdf
from morphogen.representations.pixels import Pixels
from morphogen.representations.text import Bytes
from morphogen.systems.gated_pixelcnn import gated_pixelcnn
from morphogen.systems.gpt import gpt

WORLDS = [((1, 2, 2), 3), ((4, 1, 1), 2), ((2, 2), 3), ((4,), 3)]


def law(shape: tuple[int, ...], vocabulary: int, vector: int = 0, spread: float = 0.3) -> Autoregressive:
    """A random, far from uniform law of tiny pictures or strings."""
    torch.manual_seed(0)
    length = torch.Size(shape).numel()
    network: nn.Module = GatedPixelCNN(shape, vocabulary, 8, 3, 3, vector=vector) if len(shape) > 1 else gpt2(
        vocabulary, length, 8, 2, 2, vector=vector
    )  # fmt: skip
    for p in network.parameters():
        p.data += spread * torch.randn_like(p)
    return Autoregressive(network).eval()


def every(shape: tuple[int, ...], vocabulary: int) -> Tensor:
    """All x there are."""
    return torch.tensor(list(product(range(vocabulary), repeat=torch.Size(shape).numel()))).view(-1, *shape)


def encoded(x: Tensor, mask: Tensor | None = None) -> Encoded:
    return Encoded(x, torch.zeros(len(x)), torch.full((len(x),), float(x[0].numel())), mask=mask)


def nats(objective: Autoregressive, x: Tensor, context: Context | None = None) -> Tensor:
    with torch.no_grad():
        return objective.log_prob(encoded(x), context, Rng(0, len(x))).nats


class Naive(nn.Module):
    """A network without its memory."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, context: Context | None) -> Tensor:
        return self.network(x, context)


@pytest.mark.parametrize(("shape", "vocabulary"), WORLDS)
def test_the_law_sums_to_one(shape: tuple[int, ...], vocabulary: int) -> None:
    objective, x = law(shape, vocabulary), every(shape, vocabulary)
    assert nats(objective, x).double().exp().sum().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("shape", "vocabulary"), WORLDS)
def test_the_law_after_a_prefix_sums_to_one(shape: tuple[int, ...], vocabulary: int) -> None:
    objective, x = law(shape, vocabulary), every(shape, vocabulary)
    given = nats(objective, x, Context(prefix=torch.tensor([[1, 0]]).expand(len(x), 2))).double().exp()
    assert given.sum().item() == pytest.approx(1, abs=1e-5)
    assert (given > 0).sum() == len(x) // vocabulary**2  # what begins otherwise is impossible


@pytest.mark.parametrize(("shape", "vocabulary"), [((1, 2, 2), 2), ((2, 1, 2), 2), ((4,), 2)])
def test_samples_follow_the_law(shape: tuple[int, ...], vocabulary: int) -> None:
    """n = 4000, seed 0, 15 degrees of freedom: chi-square below its 99.9 % point."""
    objective, x, n = law(shape, vocabulary), every(shape, vocabulary), 4000
    drawn = Ancestral()(objective, shape, None, Rng(0, n))
    counts = (drawn[:, None] == x[None]).flatten(2).all(2).sum(0)
    expected = n * nats(objective, x).double().exp()
    assert expected.min() > 5 and expected.max() > 2 * expected.min()
    assert ((counts - expected) ** 2 / expected).sum().item() < chi2.ppf(0.999, len(x) - 1)


@pytest.mark.parametrize("shape", [(1, 5, 4), (2, 3, 4), (9,)])
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_memory_draws_what_recomputing_draws(shape: tuple[int, ...], scale: float) -> None:
    objective = law(shape, 5, vector=3)
    context = Context(vector=torch.randn(6, 3), null=Context(vector=torch.zeros(6, 3)))
    sampler = Ancestral() if scale == 1 else Guided(Ancestral(), scale)
    fast = sampler(objective, shape, context, Rng(1, 6))
    assert torch.equal(fast, sampler(objective.with_network(Naive(objective.network)), shape, context, Rng(1, 6)))
    assert fast.shape == (6, *shape) and len(fast.unique()) == 5


@pytest.mark.parametrize("shape", [(2, 3, 4), (9,)])
def test_a_sample_does_not_know_its_batch(shape: tuple[int, ...]) -> None:
    objective = law(shape, 5)
    together = Ancestral((TopP(0.9),))(objective, shape, None, Rng(2, 8))
    for i in (0, 5):
        assert torch.equal(Ancestral((TopP(0.9),))(objective, shape, None, Rng(2, torch.tensor([i]))), together[i : i + 1])


def test_a_prefix_is_kept_and_read() -> None:
    objective, shape, prefix = law((9,), 5), (9,), torch.tensor([[4, 4, 4], [0, 1, 2]])
    drawn = Ancestral()(objective, shape, Context(prefix=prefix), Rng(0, 2))
    assert torch.equal(drawn[:, :3], prefix)
    with torch.no_grad():
        logits, u = objective.network(drawn, None), Rng(0, 2).fork("symbols").uniform(9)
    assert all(torch.equal(invert_cdf(logits[:, i], u[:, i]), drawn[:, i]) for i in range(3, 9))
    with pytest.raises(ConfigError, match="at most 9"):
        Ancestral()(objective, shape, Context(prefix=torch.zeros(2, 10, dtype=torch.int64)), Rng(0, 2))


def test_temperature_zero_takes_the_most_likely_symbol_at_every_place() -> None:
    objective = law((9,), 5)
    x = Ancestral((Temperature(0),))(objective, (9,), None, Rng(0, 2))
    with torch.no_grad():
        assert torch.equal(objective.network(x, None).argmax(-1), x)


def test_masked_symbols_do_not_count_and_weights_undo_the_mean() -> None:
    objective, x = law((4,), 3), torch.tensor([[0, 1, 2, 0], [2, 2, 1, 1]])
    mask = torch.tensor([[True, True, False, False], [True, True, True, True]])
    losses: Losses = objective.losses(encoded(x, mask), None, Rng(0, 2), "model")
    log_p = objective.token_log_probs(x, None)
    assert losses.weight is not None and losses.weight.tolist() == [2, 4]
    torch.testing.assert_close(losses.total * losses.weight, -(log_p * mask).sum(1))
    other = x.clone()
    other[0, 2:] = 1
    assert torch.equal(objective.losses(encoded(other, mask), None, Rng(0, 2), "model").total, losses.total)


def test_training_reaches_the_entropy_of_a_correlated_world() -> None:
    """4 x 4 pictures of 3 levels, each symbol a copy of the one to the left, of that above, or neither; held out n = 400, seed 0.

    The model's mean nats exceed those of the true law, on the same draws, by less than 0.05 a symbol, and are not below them by
    more than 400 draws allow (0.02).
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
    """Pictures whose law is a small table, and their log p: p(x_i) = 0.1 / 3 + 0.6 [left] + 0.3 [above]; zeros stand outside."""
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
def test_the_pixelcnn_page_samples_measures_and_is_guided(shape: tuple[int, int, int]) -> None:
    model = gated_pixelcnn(Pixels(17, shape), classes=10, size="tiny")
    drawn = model.sample(2, 3, Guided(Ancestral(), 2.0))
    likelihood = model.log_prob(drawn.tensor, torch.tensor([3, 3]))
    assert (likelihood.kind, likelihood.measure) == ("exact", "mass")
    assert likelihood.bits_per_dim.mean().item() == pytest.approx(math.log2(17), abs=1)  # untrained: near uniform


def test_the_gpt_page_continues_a_prompt() -> None:
    model = gpt(Bytes(12), size="tiny")
    prompt = torch.tensor([list(b"abc"), list(b"xyz")])
    assert [s[:3] for s in model.sample(2, prompt).decode()] == ["abc", "xyz"]
    assert model.log_prob(model.sample(2).tensor).kind == "exact"
