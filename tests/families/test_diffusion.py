"""Diffusion of Gaussian data, where the optimal network, log p and the distribution of samples are known."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from morphogen.component import Component, from_config, to_config
from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.guidance import Guided
from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.contract import Batch, Context, Encoded
from morphogen.families.diffusion import (
    DDIM,
    DDPM,
    CosineAlphas,
    Diffusion,
    DiscretizedGaussian,
    GaussianDecoder,
    LinearBetas,
)
from morphogen.families.diffusion.likelihood import strata, variance_of_sum
from morphogen.families.diffusion.targets import combine, solve
from morphogen.model import Model
from morphogen.numerics.distributions import gaussian_log_prob
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like
from morphogen.plan import Adam, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems.ddpm import ddpm


class OptimalEps(nn.Module):
    """E[eps | x_t] for data ~ N(mean, std^2 I)."""

    def __init__(self, schedule: Any, mean: float, std: float):
        super().__init__()
        self.schedule, self.mean, self.std, self.calls = schedule, mean, std, 0

    def forward(self, x_t: Tensor, time: Tensor, context: Context | None) -> Tensor:
        self.calls += 1
        t = (time * self.schedule.steps).round().long()
        alpha, sigma = expand_like(self.schedule.alpha(t), x_t), expand_like(self.schedule.sigma(t), x_t)
        return sigma * (x_t - alpha * self.mean) / ((alpha * self.std).square() + sigma.square())


class Quadrature(Rng):
    """Gauss-Hermite nodes as noise, so that the weighted mean over rows is the exact expectation."""

    def __init__(self, nodes: int = 24):
        super().__init__(0, nodes)
        points, weight = np.polynomial.hermite_e.hermegauss(nodes)
        self.nodes = torch.tensor(points).float()[:, None]
        self.weight = torch.tensor(weight / weight.sum())

    def fork(self, *name: str | int) -> "Quadrature":
        return self

    def normal(self, *shape: int) -> Tensor:
        return self.nodes


def known_gaussian(mean: float = 0.7, std: float = 1.0, schedule: Any = None, **options: Any) -> Diffusion:
    schedule = LinearBetas(1e-3, 0.1, 200) if schedule is None else schedule
    return Diffusion(OptimalEps(schedule, mean, std), schedule, GaussianDecoder(), **options)


def encoded(x: Tensor) -> Encoded:
    return Encoded(x, torch.zeros(len(x)), torch.full((len(x),), float(x[0].numel())))


def expected_bound(objective: Diffusion, x: float) -> float:
    rng = Quadrature()
    return float((rng.weight * objective.log_prob(encoded(torch.full((24, 1), x)), None, rng).nats).sum())


@pytest.mark.parametrize("x", [-1.0, 0.7, 2.0])
def test_bound_with_variance_beta_is_tight_for_standard_gaussian_data(x: float) -> None:
    """The T = 1000 terms of Ho et al. sum to log p."""
    exact = float(gaussian_log_prob(torch.tensor(x), 0.7))
    assert expected_bound(known_gaussian(schedule=LinearBetas()), x) == pytest.approx(exact, abs=1e-2)


@pytest.mark.parametrize("variance", ["beta", "posterior"])
@pytest.mark.parametrize("std", [0.3, 1.5])
def test_bound_never_exceeds_log_p(variance: Any, std: float) -> None:
    """On average over the data: for a single x the chain's density may exceed the data's."""
    over_x = Quadrature(8)
    bounds = [
        expected_bound(known_gaussian(0.7, std, variance=variance), 0.7 + std * float(x))
        for x in over_x.nodes
    ]
    negative_entropy = -0.5 * math.log(2 * math.pi * math.e * std**2)
    mean = float((over_x.weight * torch.tensor(bounds)).sum())
    assert negative_entropy - 1.0 < mean < negative_entropy + 1e-4


def check_a_chain_that_ends_in_signal_pays_for_it() -> None:
    """T = 20, data N(2, 1): every step is exact, so that the mean bound is -H - KL(q(x_T) || N(0, I))."""
    chain, over_x = LinearBetas(1e-3, 0.02, 20), Quadrature(8)
    bounds = [expected_bound(known_gaussian(2.0, schedule=chain), 2.0 + float(x)) for x in over_x.nodes]
    mean = float((over_x.weight * torch.tensor(bounds)).sum())
    q = Normal(2.0 * float(chain.alpha(torch.tensor([20]))), 1.0)
    kl = float(kl_divergence(q, Normal(0.0, 1.0)))
    assert kl > 1 and mean == pytest.approx(-0.5 * math.log(2 * math.pi * math.e) - kl, abs=1e-3)


def test_a_chain_that_ends_in_signal_pays_for_it() -> None:
    check_a_chain_that_ends_in_signal_pays_for_it()


def test_stratified_bound_and_its_stderr_agree_with_the_full_sum() -> None:
    """n = 1500 rows of one x, seed 3: z < 4, and stderr is 0.9 to 2 times the empirical std."""
    schedule = LinearBetas(1e-3, 0.2, 100)
    objective = known_gaussian(schedule=schedule, bound_steps=34)
    bound = objective.log_prob(encoded(torch.full((1500, 1), 1.2)), None, Rng(3, 1500))
    expected = expected_bound(known_gaussian(schedule=schedule), 1.2)
    assert objective.network.calls == 34 and bound.stderr is not None
    std, stderr = bound.nats.std(), bound.stderr.square().mean().sqrt()
    assert abs(float(bound.nats.mean()) - expected) / (float(std) / math.sqrt(1500)) < 4
    assert 0.9 * std < stderr < 2 * std


def test_the_bound_takes_every_step_if_bound_steps_allows() -> None:
    objective = known_gaussian(schedule=LinearBetas(1e-3, 0.2, 40), bound_steps=1001)
    objective.log_prob(encoded(torch.zeros(2, 3)), None, Rng(0, 2))
    assert objective.network.calls == 41  # T, and the second sample of x_1


def test_strata_cover_every_step_once() -> None:
    for first, last, count in [(2, 1000, 999), (2, 1000, 7), (2, 10, 4), (2, 5, 100)]:
        covered = [t for start, size in strata(first, last, count) for t in range(start, start + size)]
        assert covered == list(range(first, last + 1))


def test_variance_of_sum_counts_every_term_and_is_biased_upwards() -> None:
    """20 terms with std 1, 1/2, 1/3 ..., 20000 rows, seed 0: the sum of the variances within 4 %.

    If the means of the terms increase, the estimate is larger.
    """
    std = 1 / torch.arange(1, 21)[:, None]
    terms = std * Rng(0, 20000).normal(20).T
    assert float(variance_of_sum(terms).mean()) == pytest.approx(float(std.square().sum()), rel=0.04)
    assert float(variance_of_sum(terms[:19]).mean()) > 0.96 * float(std[:19].square().sum())
    assert variance_of_sum(terms + 0.3 * torch.arange(20)[:, None]).mean() > variance_of_sum(terms).mean()


@pytest.mark.parametrize(
    "sampler",
    [
        DDPM(clip=None),
        DDPM(steps=50, clip=None),
        DDIM(steps=150, clip=None),
        DDIM(steps=150, eta=0.7, clip=None),
    ],
)
def test_samples_have_the_mean_and_variance_of_the_data(sampler: Any) -> None:
    """n = 3000 in 2-D, seed 1: |z| < 4 for mean and variance; T = 200."""
    objective, n = known_gaussian(schedule=LinearBetas(5e-4, 0.1, 200)), 6000
    x = sampler(objective, (2,), None, Rng(1, 3000)).double().flatten()
    assert abs(x.mean() - 0.7) * math.sqrt(n) < 4
    assert abs(x.var() - 1) * math.sqrt(n / 2) < 4


@pytest.mark.parametrize("std", [0.5, 2.0])
def test_ancestral_sampling_is_right_for_other_variances(std: float) -> None:
    """n = 1500 in 2-D, seed 2, T = 1000: within 4 standard errors plus 1 % of bias from the step variance."""
    objective = known_gaussian(std=std, schedule=CosineAlphas(1000))
    x = DDPM(clip=None)(objective, (2,), None, Rng(2, 1500)).double().flatten()
    assert abs(x.mean() - 0.7) < 4 * std / math.sqrt(3000)
    assert abs(x.var() / std**2 - 1) < 4 * math.sqrt(2 / 3000) + 0.01


@pytest.mark.parametrize(
    ("sampler", "calls"),
    [(DDPM(), 40), (DDPM(steps=7), 7), (DDIM(steps=40), 40), (DDIM(steps=9), 9), (DDIM((40, 3)), 2)],
)
def test_steps_is_the_number_of_network_calls(sampler: Any, calls: int) -> None:
    objective = known_gaussian(schedule=LinearBetas(1e-3, 0.2, 40))
    sampler(objective, (2,), None, Rng(0, 3))
    assert objective.network.calls == calls


@pytest.mark.parametrize("steps", [0, 41, (3, 3), (41, 2), (5, 0), ()])
def test_invalid_steps_are_rejected(steps: Any) -> None:
    with pytest.raises(ValueError, match="steps must be"):
        DDIM(steps).grid(LinearBetas(1e-3, 0.2, 40))


def test_ddim_draws_no_noise_after_the_initial_sample() -> None:
    class NoNoise(Rng):
        def normal(self, *shape: int) -> torch.Tensor:
            raise AssertionError("noise was drawn")

    class StartOnly(Rng):
        def fork(self, *name: str | int) -> Rng:
            return super().fork(*name) if name == ("start",) else NoNoise(self.seed, self.rows)

    DDIM(steps=5)(known_gaussian(), (2,), None, StartOnly(0, 3))
    with pytest.raises(AssertionError, match="noise was drawn"):
        DDIM(steps=5, eta=0.5)(known_gaussian(), (2,), None, StartOnly(0, 3))


def test_ddim_with_eta_1_is_ddpm_with_the_posterior_variance() -> None:
    objective = known_gaussian(schedule=LinearBetas(1e-3, 0.2, 40), variance="posterior")
    a, b = (s(objective, (3,), None, Rng(0, 5)) for s in (DDPM(steps=20), DDIM(steps=20, eta=1.0)))
    assert torch.allclose(a, b, atol=1e-4)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("target", ["x0", "eps", "v"])
def test_targets_convert_without_loss(target: Any, dtype: torch.dtype, tolerance: float) -> None:
    angle = torch.linspace(0.2, 1.3, 64, dtype=dtype)  # away from the ends, where x_0 or eps is undetermined
    alpha, sigma = angle.cos(), angle.sin()
    x_0, eps = Rng(0, 64).normal(5).to(dtype), Rng(1, 64).normal(5).to(dtype)
    x_t = alpha[:, None] * x_0 + sigma[:, None] * eps
    solved = solve(target, combine(target, x_0, eps, alpha, sigma), x_t, alpha, sigma)
    assert torch.allclose(solved[0], x_0, atol=tolerance)
    assert torch.allclose(solved[1], eps, atol=tolerance)


@pytest.mark.parametrize("schedule", [LinearBetas(), CosineAlphas(1000), LinearBetas(5e-4, 0.1, 200)])
def test_schedules_go_from_data_to_noise_and_preserve_variance(schedule: Any) -> None:
    t = torch.arange(schedule.steps + 1)
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    assert alpha[0] == 1 and sigma[0] == 0 and alpha[-1] < 0.01 and (sigma.diff() >= 0).all()
    assert torch.allclose(alpha.square() + sigma.square(), torch.ones_like(alpha), atol=1e-6)


def test_posterior_inverts_the_forward_step() -> None:
    """Marginalizing q(x_s | x_t, x_0) over q(x_t) gives q(x_s): mean and variance, for any stride."""
    schedule, s, t = LinearBetas(), torch.tensor([1, 5, 200, 999]), torch.tensor([2, 300, 201, 1000])
    q = schedule.posterior(s, t)
    assert torch.allclose(q.on_x_t * schedule.alpha(t) + q.on_x_0, schedule.alpha(s), atol=1e-6)
    assert torch.allclose(
        (q.on_x_t * schedule.sigma(t)).square() + q.posterior, schedule.sigma(s).square(), rtol=1e-4
    )


@pytest.mark.parametrize("target", ["x0", "eps", "v"])
def test_the_optimal_network_has_the_lowest_loss(target: Any) -> None:
    """Compared with the same network with an offset of -0.2 or 0.2: 2000 rows, the same noise."""

    class Offset(nn.Module):
        def __init__(self, optimal: OptimalEps, offset: float):
            super().__init__()
            self.optimal, self.offset = optimal, offset

        def forward(self, x_t: Tensor, time: Tensor, context: Context | None) -> Tensor:
            t = (time * self.optimal.schedule.steps).round().long()
            alpha, sigma, eps = (
                self.optimal.schedule.alpha(t),
                self.optimal.schedule.sigma(t),
                self.optimal(x_t, time, context),
            )
            x_0 = (x_t - sigma[:, None] * eps) / alpha[:, None]
            return combine(target, x_0, eps, alpha, sigma) + self.offset

    schedule, x = CosineAlphas(50), encoded(0.7 + Rng(5, 2000).normal(2))
    objectives = [
        Diffusion(Offset(OptimalEps(schedule, 0.7, 1.0), offset), schedule, GaussianDecoder(), target)
        for offset in (-0.2, 0.0, 0.2)
    ]
    low, optimal, high = (
        float(objective.losses(x, None, Rng(6, 2000), "model").total.mean()) for objective in objectives
    )
    assert optimal < low and optimal < high


def digits(size: Any = "tiny") -> Model:
    """The tiny ddpm with perturbed weights, because the initial output layers are zero."""
    torch.manual_seed(0)
    model = ddpm(Pixels(17, (1, 8, 8)), Classes(10), size)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.05 * torch.randn_like(p))
    return model


def test_guidance_of_scale_1_is_off_and_of_scale_3_is_not() -> None:
    """In one step without clipping, it moves samples on from the unconditional to the conditional ones."""
    model, labels = digits(), torch.arange(4)
    plain, one, three = (
        model.sample(4, labels, s).tensor for s in (DDIM(5), Guided(DDIM(5), 1.0), Guided(DDIM(5), 3.0))
    )
    assert (plain - one).abs().max() <= 0.126  # one level of 17, if rounding to the grid differs
    assert (plain != one).float().mean() < 0.02 and (plain != three).float().mean() > 0.02
    context, once, rng = model.context({"label": labels}, 4), DDIM(1, clip=None), Rng(0, 4)
    null, conditional, guided = (
        sampler(model.objective, (1, 8, 8), given, rng)
        for sampler, given in ((once, context.null), (once, context), (Guided(once, 3.0), context))
    )
    assert torch.allclose(guided, null + 3 * (conditional - null), rtol=1e-3, atol=1e-3)


def test_limited_interval_guidance_is_on_inside_and_off_outside() -> None:
    model, labels = digits(), torch.arange(4)
    t_max = model.objective.schedule.t_max  # type: ignore[union-attr, operator]
    samplers = (
        DDIM(5),
        Guided(DDIM(5), 3.0),
        Guided(DDIM(5), 3.0, (0, t_max)),
        Guided(DDIM(5), 3.0, (1, 2)),
        Guided(DDIM(5), 3.0, (0.3 * t_max, 0.7 * t_max)),
    )
    plain, three, always, never, between = (model.sample(4, labels, s).tensor for s in samplers)
    assert torch.equal(always, three)
    assert (plain - never).abs().max() <= 0.126 and (plain != never).float().mean() < 0.02
    assert (between != three).float().mean() > 0.02 and (between != plain).float().mean() > 0.02


@pytest.mark.parametrize("sampler", [DDPM(), DDIM(10), DDIM(10, eta=1.0)])
def test_a_sample_does_not_depend_on_its_batch(sampler: Any) -> None:
    model = digits()
    context = model.conditioner(torch.arange(6) % 10)  # type: ignore[misc]
    rng = Rng(0, 6)
    with torch.no_grad():
        all_rows = sampler(model.objective, (1, 8, 8), context, rng)
        one_row = sampler(model.objective, (1, 8, 8), context[3:4], rng[3:4])
    assert torch.allclose(all_rows[3:4], one_row, atol=1e-5)


def test_pixel_bounds_are_masses_that_sum_to_at_most_one() -> None:
    """All 3 values of one pixel: sum of exp(bound) <= 1, with the largest at the predicted value."""

    class PredictsZero(nn.Module):
        def __init__(self, schedule: Any):
            super().__init__()
            self.schedule = schedule

        def forward(self, x_t: Tensor, time: Tensor, context: Context | None) -> Tensor:
            t = (time * self.schedule.steps).round().long()
            return x_t / expand_like(self.schedule.sigma(t), x_t)  # x_0 = 0

    schedule = LinearBetas(5e-3, 0.4, 50)
    model = Model(
        Diffusion(PredictsZero(schedule), schedule, DiscretizedGaussian(3)),
        Pixels(3, (1, 1, 1)),
        plan=Plan(Adam()),
    )
    bound = model.log_prob(torch.tensor([-1.0, 0.0, 1.0]).reshape(3, 1, 1, 1))
    assert bound.kind == "lower_bound" and bound.measure == "mass"
    mass = bound.nats.exp()
    assert mass.sum() <= 1 and mass[1] > 0.3 and mass[1] == mass.max()


def test_the_bound_is_differentiable() -> None:
    model = digits()
    batch = Batch(torch.zeros(3, 1, 8, 8), {"label": torch.arange(3)})
    model.objective.bound_steps = 6  # type: ignore[assignment]
    model.log_prob_batch(batch, Rng(0, 3)).nats.sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for n, p in model.objective.named_parameters())


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32)])
def test_ddpm_accepts_any_image_shape(shape: tuple[int, int, int]) -> None:
    model = ddpm(Pixels(256, shape), Classes(10), "tiny")
    loss = model(Batch(torch.zeros(2, *shape), {"label": torch.arange(2)}), Rng(0, 2), "model")
    assert loss.total.shape == (2,) and to_config(from_config(to_config(model))) == to_config(model)


@pytest.mark.parametrize(
    "part",
    [
        DDPM(steps=7, clip=None),
        DDIM((9, 3), eta=0.5),
        LinearBetas(1e-3, 0.1, 30),
        CosineAlphas(20),
        DiscretizedGaussian(17),
    ],
)
def test_config_round_trip(part: Component) -> None:
    assert to_config(from_config(to_config(part))) == to_config(part)


def test_label_embeddings_receive_a_gradient() -> None:
    """The gradient reaches the conditioner through the network's conditioning vector."""
    model = digits()
    model(
        Batch(torch.zeros(40, 1, 8, 8), {"label": torch.arange(40) % 10}), Rng(0, 40), "model"
    ).total.sum().backward()
    dropout = model.conditioner
    assert isinstance(dropout, ConditionDropout) and isinstance(dropout.conditioner, Label)
    null = dropout.null["vector"].grad
    assert null is not None and null.abs().sum() > 0
    assert (dropout.conditioner.embedding.weight.grad.abs().sum(1) > 0).all()  # type: ignore[union-attr]
