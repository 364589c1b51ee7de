"""Logistic mixtures: normalization, equality with scipy, and agreement of logits, cache and log_probs."""

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
from morphogen.families.autoregressive import Autoregressive, LogisticMixture, Recompute, logistic_mixture
from morphogen.families.autoregressive.logistic_mixture import parameters_per_pixel
from morphogen.networks.pixelcnn_pp import PixelCNNPP
from morphogen.numerics.randomness import Rng

K = 3
Mutate = Callable[[pytest.MonkeyPatch], None]


class Constant(nn.Module):
    """A network with the same outputs for every pixel."""

    def __init__(self, channels: int, levels: int, spread: float = 1.0):
        super().__init__()
        torch.manual_seed(0)
        self.shape, self.outputs, self.levels = (channels, 1, 1), parameters_per_pixel(channels, K), levels
        self.values = nn.Parameter(spread * torch.randn(1, self.outputs, 1, 1))

    def forward(self, x: Tensor, context: Context | None) -> Tensor:
        return self.values.expand(len(x), -1, *x.shape[2:])


def random_model(shape: tuple[int, ...], levels: int) -> LogisticMixture:
    torch.manual_seed(0)
    network = PixelCNNPP(
        shape, levels, parameters_per_pixel(shape[0], K), width=6, resnets=1, scales=2, dropout=0.0
    )
    for p in network.parameters():
        p.data += 0.2 * torch.randn_like(p)
    return LogisticMixture(network, levels, K).eval()


def all_x(shape: tuple[int, ...], levels: int) -> Tensor:
    return torch.tensor(list(product(range(levels), repeat=torch.Size(shape).numel()))).view(-1, *shape)


@pytest.mark.parametrize(("shape", "levels"), [((1, 2, 2), 4), ((3, 1, 2), 3), ((2, 2, 1), 3)])
def test_probabilities_sum_to_one(shape: tuple[int, ...], levels: int) -> None:
    x = all_x(shape, levels)
    encoded = Encoded(x, torch.zeros(len(x)), torch.ones(len(x)))
    with torch.no_grad():
        likelihood = Autoregressive(random_model(shape, levels)).log_prob(encoded, None, Rng(0, len(x)))
    assert likelihood.kind == "exact"
    assert likelihood.nats.double().exp().sum().item() == pytest.approx(1, abs=1e-5)


def reference(values: np.ndarray, pixel: tuple[int, ...], levels: int) -> float:
    """log P(pixel), component by component, from scipy's cumulative distribution."""
    c, d, total = len(pixel), 1 / (levels - 1), 0.0
    v = [2 * x / (levels - 1) - 1 for x in pixel]
    parts = values.reshape(K, -1)
    for weight, row in zip(softmax(parts[:, 0]), parts, strict=True):
        means, coefficients = row[1 : 1 + c], np.tanh(row[1 + 2 * c :])
        scales = np.exp(-7 + np.logaddexp(0, row[1 + c : 1 + 2 * c] + 4.5))
        mass = weight
        for i in range(c):
            mean = means[i] + sum(coefficients[i * (i - 1) // 2 + j] * v[j] for j in range(i))
            upper = 1.0 if pixel[i] == levels - 1 else logistic.cdf(v[i] + d, mean, scales[i])
            lower = 0.0 if pixel[i] == 0 else logistic.cdf(v[i] - d, mean, scales[i])
            mass *= upper - lower
        total += mass
    return math.log(total)


def check_parity() -> None:
    """256 grey levels, and 300 colours of 16 levels (seed 0, 30 % white): log P to 1e-3 where P > 1e-9."""
    torch.manual_seed(0)
    for channels, levels, x in (
        (1, 256, all_x((1, 1, 1), 256)),
        (3, 16, torch.randint(16, (300, 3, 1, 1)).where(torch.rand(300, 3, 1, 1) < 0.7, 15)),
    ):
        net = Constant(channels, levels)
        with torch.no_grad():
            log_p = LogisticMixture(net, levels, K).log_probs(x, None).flatten(1).sum(1)
        values = net.values.detach().double().numpy().ravel()
        expected = torch.tensor(
            [reference(values, tuple(row.flatten().tolist()), levels) for row in x], dtype=torch.float64
        )
        likely = expected > math.log(1e-9)
        assert likely.sum() > 100
        torch.testing.assert_close(log_p[likely].double(), expected[likely], atol=1e-3, rtol=0)


def test_log_probs_equal_the_reference() -> None:
    check_parity()


def close_the_outer_bins(patch: pytest.MonkeyPatch) -> None:
    # the same bins as inner bins of a finer grid: none of them is open
    mass = logistic_mixture.logistic_log_mass
    patch.setattr(
        logistic_mixture,
        "logistic_log_mass",
        lambda x, mean, scale, levels: mass(x / 4, mean / 4, scale - math.log(4), 4 * levels - 3),
    )


def drop_channel_dependence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        logistic_mixture._Pixels,
        "_next_channel",
        lambda self: (self.means[:, :, len(self.observed)], self.log_scales[:, :, len(self.observed)]),
    )


def keep_the_prior_weights(patch: pytest.MonkeyPatch) -> None:
    observe = logistic_mixture._Pixels.observe

    def broken(self: logistic_mixture._Pixels, x: Tensor) -> Tensor:
        log_weights, log_p = self.log_weights, observe(self, x)
        self.log_weights = log_weights
        return log_p

    patch.setattr(logistic_mixture._Pixels, "observe", broken)


@pytest.mark.parametrize("mutate", [close_the_outer_bins, drop_channel_dependence, keep_the_prior_weights])
def test_mutant_is_killed(mutate: Mutate, monkeypatch: pytest.MonkeyPatch) -> None:
    mutate(monkeypatch)
    with pytest.raises(AssertionError, match="not close"):
        check_parity()


@pytest.mark.parametrize("shape", [(1, 3, 3), (3, 2, 3)])
def test_logits_cache_and_log_probs_agree(shape: tuple[int, ...]) -> None:
    model, x = random_model(shape, 7), torch.randint(7, (2, *shape))
    with torch.no_grad():
        logits, log_p = model(x, None), model.log_probs(x, None)
        cache, uncached, previous = model.make_cache(2, None), Recompute(model, 2, shape, None), None
        for _ in range(torch.Size(shape).numel()):
            torch.testing.assert_close(cache.step(previous), uncached.step(previous), atol=1e-5, rtol=1e-5)
            previous = torch.randint(7, (2,))
    from_logits = -F.cross_entropy(logits.flatten(0, -2), x.flatten(), reduction="none").view(x.shape)
    torch.testing.assert_close(from_logits, log_p, atol=1e-5, rtol=1e-5)


def test_levels_far_from_every_mean_still_have_a_gradient() -> None:
    net = Constant(1, 256)
    net.values.data[0, 2::3] = -20.0  # log s at its minimum
    log_p = LogisticMixture(net, 256, K).log_probs(all_x((1, 1, 1), 256), None)
    log_p.sum().backward()
    assert log_p.isfinite().all() and log_p.min() < -50
    assert net.values.grad is not None and net.values.grad.isfinite().all() and net.values.grad.any()


def test_a_network_with_the_wrong_number_of_outputs_is_refused() -> None:
    with pytest.raises(ConfigError, match="require 30 outputs"):
        LogisticMixture(PixelCNNPP((3, 4, 4), 16, 20, width=4), 16, 3)
