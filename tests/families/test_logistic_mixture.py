"""A mixture of logistics is a law of levels: it sums to one, equals a written-out reference, and is one thing said in three ways."""

import math
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import logistic
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded
from morphogen.families.autoregressive import Autoregressive, LogisticMixture, Recompute, laws
from morphogen.families.autoregressive.laws import numbers
from morphogen.networks.pixelcnn_pp import PixelCNNPP
from morphogen.numerics.randomness import Rng

K = 3
Mutate = Callable[[pytest.MonkeyPatch], None]


class Given(nn.Module):
    """The same numbers for every pixel."""

    def __init__(self, channels: int, levels: int, spread: float = 1.0):
        super().__init__()
        torch.manual_seed(0)
        self.shape, self.outputs, self.levels = (channels, 1, 1), numbers(channels, K), levels
        self.described = nn.Parameter(spread * torch.randn(1, self.outputs, 1, 1))

    def forward(self, x: Tensor, context: Context | None) -> Tensor:
        return self.described.expand(len(x), -1, *x.shape[2:])


def law(shape: tuple[int, ...], levels: int) -> LogisticMixture:
    torch.manual_seed(0)
    network = PixelCNNPP(shape, levels, numbers(shape[0], K), width=6, resnets=1, scales=2, dropout=0.0)
    for p in network.parameters():
        p.data += 0.2 * torch.randn_like(p)
    return LogisticMixture(network, levels, K).eval()


def every(shape: tuple[int, ...], levels: int) -> Tensor:
    return torch.tensor(list(product(range(levels), repeat=torch.Size(shape).numel()))).view(-1, *shape)


@pytest.mark.parametrize(("shape", "levels"), [((1, 2, 2), 4), ((3, 1, 2), 3), ((2, 2, 1), 3)])
def test_the_law_sums_to_one(shape: tuple[int, ...], levels: int) -> None:
    x = every(shape, levels)
    with torch.no_grad():
        likelihood = Autoregressive(law(shape, levels)).log_prob(
            Encoded(x, torch.zeros(len(x)), torch.ones(len(x))), None, Rng(0, len(x))
        )  # fmt: skip
    assert likelihood.kind == "exact" and likelihood.nats.double().exp().sum().item() == pytest.approx(1, abs=1e-5)


def reference(described: np.ndarray, pixel: tuple[int, ...], levels: int) -> float:
    """log P(pixel), component by component, from scipy's cumulative distribution."""
    c, d, total = len(pixel), 1 / (levels - 1), 0.0
    v = [2 * x / (levels - 1) - 1 for x in pixel]
    parts = described.reshape(K, -1)
    for share, row in zip(softmax(parts[:, 0]), parts, strict=True):
        means, moves = row[1 : 1 + c], np.tanh(row[1 + 2 * c :])
        scales = np.exp(-7 + np.logaddexp(0, row[1 + c : 1 + 2 * c] + 4.5))
        mass = share
        for i in range(c):
            mean = means[i] + sum(moves[i * (i - 1) // 2 + j] * v[j] for j in range(i))
            upper = 1.0 if pixel[i] == levels - 1 else logistic.cdf(v[i] + d, mean, scales[i])
            lower = 0.0 if pixel[i] == 0 else logistic.cdf(v[i] - d, mean, scales[i])
            mass *= upper - lower
        total += mass
    return math.log(total)


def check_parity() -> None:
    """Every grey level, ends included, and 300 colours of 16 levels (seed 0), a third of them white: log P to 1e-3 where P > 1e-9."""
    torch.manual_seed(0)
    for channels, levels, x in (
        (1, 256, every((1, 1, 1), 256)),
        (3, 16, torch.randint(16, (300, 3, 1, 1)).where(torch.rand(300, 3, 1, 1) < 0.7, 15)),
    ):
        net = Given(channels, levels)
        with torch.no_grad():
            found = LogisticMixture(net, levels, K).log_probs(x, None).flatten(1).sum(1)
        described = net.described.detach().double().numpy().ravel()
        wanted = torch.tensor([reference(described, tuple(row.flatten().tolist()), levels) for row in x], dtype=torch.float64)
        likely = wanted > math.log(1e-9)
        assert likely.sum() > 100
        torch.testing.assert_close(found[likely].double(), wanted[likely], atol=1e-3, rtol=0)


def test_it_equals_a_written_out_reference() -> None:
    check_parity()


def closed_ends(patch: pytest.MonkeyPatch) -> None:
    mass = laws.logistic_log_mass  # of the same bin in a finer, shifted grid that has no ends: every bin is closed
    patch.setattr(laws, "logistic_log_mass", lambda x, mean, scale, levels: mass(x / 4, mean / 4, scale - math.log(4), 4 * levels - 3))


def colours_apart(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(laws._Pixels, "_next", lambda self: (self.means[:, :, len(self.known)], self.scales[:, :, len(self.known)]))


def odds_that_learn_nothing(patch: pytest.MonkeyPatch) -> None:
    tell = laws._Pixels.tell

    def forgetful(self: laws._Pixels, x: Tensor) -> Tensor:
        odds, log_p = self.odds, tell(self, x)
        self.odds = odds
        return log_p

    patch.setattr(laws._Pixels, "tell", forgetful)


@pytest.mark.parametrize("mutate", [closed_ends, colours_apart, odds_that_learn_nothing])
def test_a_mutant_is_found_out(mutate: Mutate, monkeypatch: pytest.MonkeyPatch) -> None:
    mutate(monkeypatch)
    with pytest.raises(AssertionError, match="not close"):
        check_parity()


@pytest.mark.parametrize("shape", [(1, 3, 3), (3, 2, 3)])
def test_logits_memory_and_scores_are_one_law(shape: tuple[int, ...]) -> None:
    subject, x = law(shape, 7), torch.randint(7, (2, *shape))
    with torch.no_grad():
        logits, scores = subject(x, None), subject.log_probs(x, None)
        memory, naive, previous = subject.cache(2, None), Recompute(subject, 2, shape, None), None
        for _ in range(torch.Size(shape).numel()):
            torch.testing.assert_close(memory.step(previous), naive.step(previous), atol=1e-5, rtol=1e-5)
            previous = torch.randint(7, (2,))
    torch.testing.assert_close(
        -F.cross_entropy(logits.flatten(0, -2), x.flatten(), reduction="none").view(x.shape), scores, atol=1e-5, rtol=1e-5
    )


def test_levels_far_from_every_mean_still_have_a_gradient() -> None:
    net = Given(1, 256)
    net.described.data[0, 2::3] = -20.0  # log s at its floor
    log_p = LogisticMixture(net, 256, K).log_probs(every((1, 1, 1), 256), None)
    log_p.sum().backward()
    assert log_p.isfinite().all() and log_p.min() < -50
    assert net.described.grad is not None and net.described.grad.isfinite().all() and net.described.grad.any()


def test_a_network_of_other_numbers_is_refused() -> None:
    with pytest.raises(ConfigError, match="take 30"):
        LogisticMixture(PixelCNNPP((3, 4, 4), 16, 20, width=4), 16, 3)
