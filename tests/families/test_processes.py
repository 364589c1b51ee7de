"""Forward processes, targets, grids and solvers where everything is known: a mixture of Gaussians with its exact denoiser."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from knowing import Knowing
from morphogen.component import ConfigError, build, describe
from morphogen.contract import Context, Encoded, Unsupported
from morphogen.families.diffusion import (
    DDIM,
    DDPM,
    EDM,
    VE,
    VP,
    AnnealedLangevin,
    BoundWeight,
    CosineAlphas,
    Diffusion,
    DPMSolver,
    DPMSolverSDE,
    EDMWeight,
    Euler,
    EulerMaruyama,
    Even,
    EvenSNR,
    GaussianReadout,
    Heun,
    InverseBetas,
    Karras,
    LinearBetas,
    MinSNR,
    MultistepConsistency,
    Preconditioned,
    PredictorCorrector,
    RectifiedFlow,
    SubVP,
    ZeroTerminal,
    solvers,
)
from morphogen.families.diffusion.samplers import Denoiser
from morphogen.families.diffusion.targets import Denoised, combine, determinant, solve
from morphogen.numerics.randomness import Rng
from morphogen.worlds import GaussianMixture

WORLD = GaussianMixture(
    torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64),
    torch.tensor([[-1.0, 0.0], [1.0, 0.5], [0.5, -1.0]]),
    torch.stack([torch.diag(torch.tensor(d)) for d in ((0.09, 0.16), (0.25, 0.04), (0.04, 0.04))]),
)
CHAINS = (LinearBetas(), CosineAlphas(1000), LinearBetas(1e-3, 0.1, 200), InverseBetas(200), ZeroTerminal(LinearBetas()))
CONTINUOUS = (VP(), SubVP(), VE(0.01, 20.0), EDM(0.002, 20.0), RectifiedFlow())
TARGETS = ("x0", "eps", "v", "score", "velocity", Preconditioned(0.5))
SAMPLERS = (DDPM, DDIM, Euler, MultistepConsistency, Heun, DPMSolver, DPMSolverSDE, EulerMaruyama, PredictorCorrector, AnnealedLangevin)


@pytest.fixture
def fp64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def name(part: Any) -> str:
    return part if isinstance(part, str) else getattr(part, "__name__", type(part).__name__)


@pytest.mark.parametrize("process", [*CHAINS, *CONTINUOUS], ids=name)
def test_noise_rises_beside_the_data_from_nothing(process: Any) -> None:
    t = torch.linspace(0, 1, 201).double() * process.last
    alpha, sigma = process.levels(t.long() if isinstance(process.last, int) else t)
    assert alpha[0] == 1 and sigma[0] == 0 and (alpha >= 0).all() and alpha.dtype == torch.float64
    ratio = sigma / alpha
    assert (ratio[2:] > ratio[:-2]).all() and ratio[-1] > 15
    assert alpha[-1] ** 2 * float(WORLD.covariance.trace()) + sigma[-1] ** 2 == pytest.approx(process.prior**2, rel=0.02)
    asked = torch.tensor([0.3, 1.0, 7.0], dtype=torch.float64)
    assert torch.allclose(process.ratio(process.at(asked)), asked, rtol=0.05 if isinstance(process.last, int) else 1e-9)


@pytest.mark.parametrize("process", [*CHAINS, *CONTINUOUS], ids=name)
def test_one_step_back_undoes_the_forward_step(process: Any) -> None:
    """q(x_s) found through q(x_t) and q(x_s | x_t, x_0) is q(x_s): mean and variance, for any stride."""
    t, s = (torch.tensor([process.last * share for share in shares]).double() for shares in ((0.5, 0.9, 1.0), (0.1, 0.85, 0.4)))
    t, s = (t.long(), s.long()) if isinstance(process.last, int) else (t, s)
    q = process.posterior(s, t)
    assert torch.allclose(q.on_x_t * process.alpha(t) + q.on_x_0, process.alpha(s), atol=1e-5)
    assert torch.allclose((q.on_x_t * process.sigma(t)).square() + q.posterior, process.sigma(s).square(), rtol=1e-4)
    assert torch.allclose((process.alpha(t) / process.alpha(s) * process.sigma(s)).square() + q.beta, process.sigma(t).square(), rtol=1e-4)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("process", [*CHAINS, *CONTINUOUS], ids=name)
def test_every_target_gives_every_other(process: Any, dtype: torch.dtype, tolerance: float) -> None:
    """Through all pairs of targets and back, from a tenth of noise beside the data to a tenth of data beside the noise."""
    alpha, sigma = (level.to(dtype) for level in process.levels(process.at(torch.logspace(-1, 1, 16).double())))
    x_0, eps = Rng(0, 16).normal(5).to(dtype), Rng(1, 16).normal(5).to(dtype)
    x_t = alpha[:, None] * x_0 + sigma[:, None] * eps
    for one, other in itertools.product(TARGETS, TARGETS):
        found = solve(one, combine(one, x_0, eps, alpha, sigma), x_t, alpha, sigma)
        again = solve(other, combine(other, *found, alpha, sigma), x_t, alpha, sigma)
        scale = max(1.0, float(x_t.abs().max()))
        assert max((again[0] - x_0).abs().max(), (again[1] - eps).abs().max()) <= 10 * scale * tolerance


def test_preconditioning_keeps_input_and_target_at_variance_one_and_is_v_where_variance_is_kept() -> None:
    """Karras et al. 2022, appendix B.6: for data of variance d^2."""
    target = Preconditioned(0.5)
    for process in (EDM(), VP()):
        alpha, sigma = process.levels(torch.tensor([0.05, 0.3, 0.9]).double())
        a, b = target.coefficients(alpha, sigma)
        assert torch.allclose(a.square() * 0.25 + b.square(), torch.ones(3).double())
        assert torch.allclose(target.scale(alpha, sigma).square() * (alpha.square() * 0.25 + sigma.square()), torch.ones(3).double())
    alpha, sigma = VP().levels(torch.tensor([0.1, 0.8]).double())
    assert torch.allclose(combine(Preconditioned(1.0), alpha, sigma, alpha, sigma), -combine("v", alpha, sigma, alpha, sigma))


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_weights_are_of_x_0_whatever_the_target(target: Any) -> None:
    """A network that errs by the same x_0 at each row has the same weighted loss, whatever it says."""

    class Off(nn.Module):
        def forward(self, x_t: Tensor, told: Tensor, context: Context | None) -> Tensor:
            alpha, sigma = process.alpha(told.double()), process.sigma(told.double())
            x_0 = x.x + 0.1
            x_t = alpha[:, None] * x.x + sigma[:, None] * rng.fork("noise").normal(2)
            return combine(target, x_0, (x_t - alpha[:, None] * x_0) / sigma[:, None], alpha, sigma)

    process, rng = VP(), Rng(3, 50)
    x = Encoded(Rng(2, 50).normal(2), torch.zeros(50), torch.full((50,), 2.0))
    for weighting in (MinSNR(5.0), EDMWeight(0.5)):
        losses = Diffusion(Off(), process, GaussianReadout(), target, weighting=weighting).losses(x, None, rng, "model")
        assert torch.allclose(losses.total, 0.01 * weighting(process, process.draw(rng.fork("t"))), rtol=0.02)


def test_edm_weights_let_errors_of_f_count_alike() -> None:
    sigma = torch.tensor([0.01, 0.5, 9.0])
    counted = EDMWeight(0.5)(EDM(), sigma) * (sigma / determinant(Preconditioned(0.5), torch.ones(3), sigma)).square()
    assert torch.allclose(counted, torch.ones(3))


def test_the_weights_of_the_bound_make_the_loss_the_bound() -> None:
    """A network that errs by 0.1: T times the KL of a random step, summed over t, is what `log_prob` sums."""

    class Off(nn.Module):
        def forward(self, x_t: Tensor, told: Tensor, context: Context | None) -> Tensor:
            return torch.full_like(x_t, 0.1)

    chain = LinearBetas(1e-3, 0.2, 12)
    objective = Diffusion(Off(), chain, GaussianReadout(), "x0", variance="posterior", weighting=BoundWeight())
    x = Encoded(torch.zeros(12, 3), torch.zeros(12), torch.full((12,), 3.0))
    t = torch.arange(1, 13)
    weighted = BoundWeight()(chain, t) * 0.01 * 3 / chain.steps
    kl = objective.bound(x.x[:1], None, Rng(0, 1)).steps[:, 0]
    assert torch.allclose(weighted[1:], kl, rtol=1e-4)
    read = 0.5 * 0.01 * 3 / chain.sigma(t[:1]).square()
    assert torch.allclose(weighted[:1], read, rtol=1e-4)
    with pytest.raises(ConfigError, match="EDM draws its times unevenly"):
        BoundWeight()(EDM(), torch.tensor([0.5]))


def errors(sampler: Any, process: Any, first: float, last: float) -> list[float]:
    """How far x at `last` is off when the way down from `first` is cut into 16, 32, 64 and 128."""

    def down(sampler: Any, count: int) -> Tensor:
        if process.path == "flow":
            grid = [first + i / count * (last - first) for i in range(count + 1)]
        else:
            grid = process.at(first * (last / first) ** (torch.arange(count + 1).double() / count)).tolist()
        return sampler.descend(Denoiser(Knowing(process, WORLD), None, None), x, grid, Rng(0, 64))

    x = process.prior * Rng(1, 64).normal(2)
    truth = down(Heun((1.0,)), 1024)
    return [float((down(sampler, count) - truth).square().mean().sqrt()) for count in (16, 32, 64, 128)]


@pytest.mark.usefixtures("fp64")
@pytest.mark.parametrize("process", CONTINUOUS, ids=name)
@pytest.mark.parametrize(("sampler", "order"), [(Euler((1.0,)), 1), (DDIM((1.0,)), 1), (Heun((1.0,)), 2), (DPMSolver((1.0,)), 2)], ids=name)
def test_errors_fall_with_the_solvers_order(sampler: Any, order: int, process: Any) -> None:
    """The slope of log error over log steps within 0.2 of the order, from 32 to 128 steps."""
    first, last = (0.9, 0.1) if process.path == "flow" else (6.0, 0.1)
    found = errors(sampler, process, first, last)
    slope = math.log2(found[1] / found[3]) / 2
    assert abs(slope - order) <= 0.2, found


@pytest.mark.usefixtures("fp64")
def test_mutants_of_lower_order_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A DPM-Solver that forgets the x_0 before, a Heun that looks once."""
    monkeypatch.setattr(solvers, "_extrapolated", lambda process, at: at.x_0)
    monkeypatch.setattr(Heun, "extra", 0)
    for sampler in (DPMSolver((1.0,)), Heun((1.0,))):
        found = errors(sampler, VP(), 6.0, 0.1)
        assert math.log2(found[1] / found[3]) / 2 < 1.3


@pytest.mark.parametrize("process", [LinearBetas(), ZeroTerminal(LinearBetas()), *CONTINUOUS], ids=name)
@pytest.mark.parametrize("sampler", [DDPM, DDIM, DPMSolverSDE, EulerMaruyama, PredictorCorrector], ids=name)
def test_stochastic_samplers_keep_the_marginals(sampler: Any, process: Any) -> None:
    """n = 2000, seed 4, 500 intervals: mean, second moments and the share of each component have |z| < 4."""
    options = {"eta": 1.0} if sampler is DDIM else {}
    steps = 500 + 499 * sampler.extra
    spacing = None if isinstance(process, EDM | RectifiedFlow) else EvenSNR(1e-3)
    x = sampler(steps=steps, clip=None, spacing=spacing, **options)(Knowing(process, WORLD), (2,), None, Rng(4, 2000)).double()
    exact = WORLD.sample(Rng(5, 200_000)).double()
    for feature in (lambda v: v, lambda v: v.square(), lambda v: v.prod(1, keepdim=True), WORLD.responsibilities):
        found, true = feature(x), feature(exact)
        z = (found.mean(0) - true.mean(0)) / (true.std(0) / math.sqrt(2000))
        assert z.abs().max() < 4, (z, name(sampler), name(process))


def test_langevin_under_falling_noise_finds_the_law() -> None:
    """n = 2000, seed 4, 200 levels of 5 steps: means and shares of the components within 5 standard errors and 0.02."""
    x = AnnealedLangevin(996, 5, clip=None)(Knowing(VE(0.01, 20.0), WORLD), (2,), None, Rng(4, 2000)).double()
    exact = WORLD.sample(Rng(5, 200_000)).double()
    for feature in (lambda v: v, WORLD.responsibilities):
        found, true = feature(x), feature(exact)
        assert ((found.mean(0) - true.mean(0)).abs() < 5 * true.std(0) / math.sqrt(2000) + 0.02).all()


class Wave(nn.Module):
    """Some smooth answer."""

    def forward(self, x: Tensor, told: Tensor, context: Context | None) -> Tensor:
        return torch.sin(3 * x + told[:, None])


@pytest.mark.parametrize("process", [*CHAINS, *CONTINUOUS], ids=name)
@pytest.mark.parametrize("sampler", SAMPLERS, ids=name)
def test_no_combination_fails(sampler: Any, process: Any) -> None:
    """Each target that says something at the noise's end, few steps and many, every spacing: finite, and as many calls as steps."""
    blind = process.alpha(torch.tensor([process.last])) == 0
    for target in TARGETS:
        if blind and target in ("eps", "score"):
            continue
        objective = Diffusion(Wave(), process, GaussianReadout(), target)
        calls: list[int] = []
        objective.network.register_forward_hook(lambda *_: calls.append(1))  # noqa: B023
        for steps, spacing in itertools.product((1, 2, 3, 4, 9, 24), (None, Karras(), EvenSNR())):
            calls.clear()
            x = sampler(steps=steps, spacing=spacing)(objective, (3,), None, Rng(0, 2))
            assert torch.isfinite(x).all(), (target, steps, spacing)
            assert len(calls) == steps, (target, steps, spacing)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=name)
def test_a_sample_does_not_depend_on_its_batch(sampler: Any) -> None:
    objective, rng = Diffusion(Wave(), VP(), GaussianReadout()), Rng(0, 6)
    assert torch.equal(sampler(steps=9)(objective, (3,), None, rng)[3:4], sampler(steps=9)(objective, (3,), None, rng[3:4]))


def test_a_process_without_steps_must_be_told_how_many_and_has_no_bound_of_a_chain() -> None:
    objective = Diffusion(Wave(), VP(), GaussianReadout())
    with pytest.raises(ConfigError, match="DDPM: steps must be at least 1"):
        objective.sampler()(objective, (3,), None, Rng(0, 2))
    with pytest.raises(Unsupported, match="VP has no steps"):
        objective.log_prob(Encoded(torch.zeros(2, 3), torch.zeros(2), torch.full((2,), 3.0)), None, Rng(0, 2))
    drawn = Diffusion(Wave(), VP(), GaussianReadout(), drawn_by=DPMSolver(steps=5))
    assert drawn.sampler()(drawn, (3,), None, Rng(0, 2)).shape == (2, 3)


@pytest.mark.parametrize("sampler", [DDPM, Heun], ids=name)
@pytest.mark.parametrize("steps", [0, 2001, (3, 3), (1001, 2), (5, 0), (2.5, 1), ()])
def test_grids_that_are_none_are_refused(sampler: Any, steps: Any) -> None:
    with pytest.raises(ConfigError, match="steps must be"):
        sampler(steps).grid(LinearBetas())


@pytest.mark.parametrize("spacing", [Karras(), EvenSNR(), Even()], ids=name)
@pytest.mark.parametrize("process", [*CHAINS, *CONTINUOUS], ids=name)
def test_spacings_descend_from_the_noise_to_next_to_the_data(spacing: Any, process: Any) -> None:
    for count in (1, 2, 7, 50, 200):
        grid = DDPM(count, spacing=spacing).grid(process)
        assert len(grid) == count + 1 and grid[0] == process.last and all(t > s for t, s in itertools.pairwise(grid))
    assert grid[-2] <= max(1, 2e-3 * process.last)


@pytest.mark.parametrize(
    "part", [*CHAINS, *CONTINUOUS, Preconditioned(0.3), MinSNR(), EDMWeight(), Karras(5.0), EvenSNR(), Heun(9), PredictorCorrector(9, 0.1)],
    ids=name,
)  # fmt: skip
def test_parts_are_their_config(part: Any) -> None:
    assert describe(build(describe(part))) == describe(part)


class Erring(Knowing):
    """A network that errs a little, as those do that were trained; what it claims is clipped as ever."""

    def denoise(self, x: Tensor, t: Tensor, context: Context | None) -> Denoised:
        x_0 = super().denoise(x, t, context).x_0 + 0.1 * (20 * x).sin()
        alpha, sigma = (float(level[0]) for level in self.schedule.levels(t))
        return Denoised(x_0, (x - alpha * x_0) / sigma)


def test_heun_forgives_an_erring_network_where_hardly_anything_of_the_data_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """n = 300, seed 0, 10 calls: along the flow's coordinates errors of 0.1 stay such; in the mutant of the noise they grow."""

    def strayed() -> float:
        ends = [Heun(10, clip=2.0)(of(CosineAlphas(), WORLD), (2,), None, Rng(0, 300)) for of in (Erring, Knowing)]
        return float((ends[0] - ends[1]).square().mean().sqrt())

    assert strayed() < 0.3
    monkeypatch.setattr(CosineAlphas, "path", "noise")
    assert strayed() > 0.6
