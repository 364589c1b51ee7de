"""Likelihood along the probability flow, image editing and thresholds, for mixtures with a known density."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from morphogen.closed_form import GaussianMixture
from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded
from morphogen.families.diffusion import (
    DDIM,
    DDPM,
    EDM,
    VE,
    VP,
    Diffusion,
    DPMSolver,
    DynamicThreshold,
    Euler,
    GaussianDecoder,
    Heun,
    LinearBetas,
    ProbabilityFlow,
    RectifiedFlow,
    SubVP,
    UniformLogSNR,
    UniformTimesteps,
    ddim_invert,
    ddim_translate,
    inpaint,
    sdedit,
)
from morphogen.families.diffusion.samplers import ClippedDenoiser
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like

TRUTH = GaussianMixture(
    torch.tensor([0.6, 0.4], dtype=torch.float64),
    torch.tensor([[-0.8, 0.0], [0.9, 0.5]]),
    torch.tensor([[[0.2, 0.1], [0.1, 0.3]], [[0.1, 0.0], [0.0, 0.1]]]),
)
PROCESSES = [VP(), SubVP(), VE(0.01, 20.0), EDM(0.002, 20.0), RectifiedFlow(), LinearBetas()]


def name(part: Any) -> str:
    return type(part).__name__


class ExactX0(nn.Module):
    """E[x_0 | x_t] of a mixture, differentiable: that of each component, weighted by the responsibilities."""

    def __init__(self, process: Any, truth: GaussianMixture = TRUTH):
        super().__init__()
        self.process, self.truth = process, truth

    def forward(self, x: Tensor, time_input: Tensor, context: Context | None) -> Tensor:
        t = (
            (4 * time_input.double()).exp()
            if isinstance(self.process, EDM)
            else time_input.double() * self.process.t_max
        )
        t = t.round().long() if isinstance(self.process.t_max, int) else t
        alpha, sigma = (float(level[0]) for level in self.process.alpha_sigma(t))
        diffused = self.truth.diffused(alpha, sigma)
        deviation = x.double()[:, None] - diffused.means
        whitened = torch.einsum("kde,bke->bkd", torch.linalg.inv(diffused.covariances), deviation)
        log_det = diffused.cholesky.diagonal(dim1=1, dim2=2).log().sum(1)
        log_p = diffused.weights.log() - log_det - 0.5 * (deviation * whitened).sum(2)
        gain = alpha * torch.einsum("kde,bke->bkd", self.truth.covariances, whitened)
        return torch.einsum("bk,bkd->bd", log_p.softmax(1), self.truth.means + gain).to(x.dtype)


def exact(process: Any, **options: Any) -> Diffusion:
    return Diffusion(ExactX0(process), process, GaussianDecoder(), "x0", **options)


def encoded(x: Tensor) -> Encoded:
    return Encoded(x, torch.zeros(len(x)), torch.full((len(x),), float(x[0].numel())))


@pytest.mark.parametrize("process", PROCESSES, ids=name)
def test_log_p_by_the_exact_trace_is_that_of_the_mixture(process: Any) -> None:
    """Within 0.01 nats on average over 40 samples."""
    x = TRUTH.sample(Rng(0, 40))
    steps = 400 if isinstance(process, SubVP) else 150  # ln r of SubVP covers twice the range
    spacing = UniformTimesteps(1e-4) if process.coordinates == "flow" else UniformLogSNR(1e-4)
    flow = ProbabilityFlow(steps, probes=None, spacing=spacing)
    likelihood = exact(process, likelihood=flow).log_prob(encoded(x), None, Rng(1, 40))
    assert likelihood.kind == "estimate" and likelihood.measure == "density" and likelihood.stderr is None
    assert float((likelihood.nats - TRUTH.log_prob(x)).abs().mean()) < 0.01


def test_probes_estimate_the_trace_with_a_correct_stderr() -> None:
    """n = 300 rows, 8 probes, seed 2: mean error |z| < 4, and stderr within 20 % of the empirical error."""
    x = TRUTH.sample(Rng(0, 300))
    estimate, reference = (
        exact(
            VP(), likelihood=ProbabilityFlow(steps=60, probes=probes, spacing=UniformLogSNR(1e-4))
        ).log_prob(encoded(x), None, Rng(2, 300))
        for probes in (8, None)
    )
    error = estimate.nats - reference.nats
    assert abs(float(error.mean())) < 4 * float(error.std()) / math.sqrt(300)
    assert estimate.stderr is not None
    stderr = float(estimate.stderr.square().mean().sqrt())
    assert float(error.square().mean().sqrt()) == pytest.approx(stderr, rel=0.2)


def test_log_p_does_not_depend_on_the_batch() -> None:
    x, flow = TRUTH.sample(Rng(0, 6)), ProbabilityFlow(steps=10, probes=2)
    objective = exact(VP(), likelihood=flow)
    batch = objective.log_prob(encoded(x), None, Rng(2, 6)).nats
    rows = objective.log_prob(encoded(x[2:4]), None, Rng(2, 6)[2:4]).nats
    assert torch.allclose(rows, batch[2:4], atol=1e-5)


@pytest.mark.parametrize("process", [LinearBetas(), VP(), RectifiedFlow()], ids=name)
def test_inpainting_samples_the_conditional_distribution(process: Any) -> None:
    """n = 1500, seed 3: the known coordinate is exact; the mean of the other has |z| < 4, with a bias."""
    image, known = torch.full((1500, 2), 0.3), torch.tensor([True, False])
    sampler = DDPM(100, clip=None, spacing=UniformLogSNR())
    x = inpaint(exact(process), image, known, None, Rng(3, 1500), sampler, rounds=8)
    assert torch.equal(x[:, 0], image[:, 0])
    weights, means, variances = conditional(0.3)
    mean = float((weights * means).sum())
    variance = float((weights * (variances + means**2)).sum()) - mean**2
    bias = 0.03  # of a finite number of rounds
    assert abs(float(x[:, 1].mean()) - mean) < 4 * math.sqrt(variance / 1500) + bias


def conditional(x: float) -> tuple[Tensor, Tensor, Tensor]:
    """Weights, means and variances of the mixture components of x[1] given x[0] = x."""
    c = TRUTH.covariances
    deviation = x - TRUTH.means[:, 0]
    log_p = TRUTH.weights.log() - 0.5 * c[:, 0, 0].log() - 0.5 * deviation**2 / c[:, 0, 0]
    means = TRUTH.means[:, 1] + c[:, 0, 1] / c[:, 0, 0] * deviation
    return log_p.softmax(0), means, c[:, 1, 1] - c[:, 0, 1] ** 2 / c[:, 0, 0]


@pytest.mark.parametrize(
    ("known", "options", "message"),
    [
        (torch.ones(3).bool(), {}, r"a mask of shape \[3\] does not fit images of shape \[2, 2\]"),
        (torch.ones(4, 2, 2).bool(), {}, "does not fit"),
        (torch.ones(2).bool(), {"sampler": Heun(9)}, "requires a sampler of one call per step, .*got Heun"),
        (torch.ones(2).bool(), {"rounds": 0}, "at least one round, got .* and 0 rounds"),
    ],
)
def test_inpainting_rejects_invalid_arguments(known: Tensor, options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        inpaint(exact(VP()), torch.zeros(2, 2), known, None, Rng(0, 2), **{"sampler": DDPM(5)} | options)
    assert "\n" not in str(error.value)


def test_sdedit_moves_further_from_the_image_with_more_strength() -> None:
    image, sampler = TRUTH.sample(Rng(5, 400)), DDPM(50, clip=None)
    distances = []
    for strength in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        x = sdedit(exact(VP()), image, strength, None, Rng(6, 400), sampler)
        distances.append(float((x - image).norm(dim=1).mean()))
    assert distances[0] == 0 and distances == sorted(distances) and distances[-1] > 0.8
    with pytest.raises(ConfigError, match=r"strength 1\.2 is out of range"):
        sdedit(exact(VP()), image, 1.2, None, Rng(6, 400))


def test_sdedit_with_strength_1_samples_the_distribution() -> None:
    """n = 1500, seed 6, from data that are not samples of the mixture: the mean has |z| < 4."""
    x = sdedit(
        exact(VP()), torch.full((1500, 2), 0.9), 1.0, None, Rng(6, 1500), DDPM(200, clip=None)
    ).double()
    z = (x.mean(0) - TRUTH.mean) / (x.std(0) / math.sqrt(1500))
    assert z.abs().max() < 4


@pytest.mark.parametrize("process", [VP(), LinearBetas(), EDM(0.002, 20.0), RectifiedFlow()], ids=name)
def test_inversion_recovers_the_image(process: Any) -> None:
    """The error decreases with the steps; the noise has the std of the prior within 20 %; 200 samples."""
    image, errors = TRUTH.sample(Rng(7, 200)), []
    for steps in (25, 100):
        sampler = Euler(steps, clip=None, spacing=UniformLogSNR())
        noise = ddim_invert(exact(process), image, None, sampler)
        denoise = ClippedDenoiser(exact(process), None, None)
        recovered = sampler.integrate(denoise, noise, sampler.grid(process), Rng(0, 200))
        errors.append(float((recovered - image).norm(dim=1).mean()))
    assert errors[1] < 0.6 * errors[0] and errors[1] < 0.1
    assert float(noise.std()) == pytest.approx(process.prior_std, rel=0.2)


class ConditionalX0(nn.Module):
    """E[x_0 | x_t] of one mixture component per row, selected by the context."""

    def __init__(self, process: Any):
        super().__init__()
        parts = zip(TRUTH.means, TRUTH.covariances, strict=True)
        self.components = nn.ModuleList(
            ExactX0(process, GaussianMixture(torch.ones(1).double(), m[None], c[None])) for m, c in parts
        )

    def forward(self, x: Tensor, time_input: Tensor, context: Context | None) -> Tensor:
        assert context is not None and context.vector is not None
        x_0 = torch.stack([component(x, time_input, None) for component in self.components], 1)
        return x_0[torch.arange(len(x)), context.vector[:, 0].long()]


@pytest.mark.parametrize("process", [VP(), RectifiedFlow()], ids=name)
def test_translation_between_gaussian_classes_is_the_known_affine_map(process: Any) -> None:
    """m' + C'^1/2 C^-1/2 (x - m), within 0.05 on average over 200; the identity within a class."""
    objective = Diffusion(ConditionalX0(process), process, GaussianDecoder(), "x0")
    classes = [Context(vector=torch.full((200, 1), float(k))) for k in (0, 1)]
    (m, c), (m_, c_) = ((TRUTH.means[k].double(), TRUTH.covariances[k].double()) for k in (0, 1))
    z = torch.randn(200, 2, generator=torch.Generator().manual_seed(8)).double()
    image = (m + z @ torch.linalg.cholesky(c).T).float()
    values, vectors = torch.linalg.eigh(c)
    noise = (image.double() - m) @ (vectors / values.sqrt() @ vectors.T)
    values, vectors = torch.linalg.eigh(c_)
    expected = m_ + noise @ (vectors * values.sqrt() @ vectors.T)
    sampler = Euler(200, clip=None, spacing=UniformLogSNR() if process.coordinates != "flow" else None)
    other, same = (
        ddim_translate(objective, image, classes[0], context, Rng(0, 200), sampler).double()
        for context in (classes[1], classes[0])
    )
    assert float((other - expected).norm(dim=1).mean()) < 0.05
    assert float((same - image).norm(dim=1).mean()) < 0.05
    assert float((image.double() - expected).norm(dim=1).mean()) > 1


def test_dynamic_threshold_keeps_x_0_in_range() -> None:
    x = torch.tensor([[0.5, -0.2, 0.1, 0.9], [3.0, -6.0, 1.5, 0.0]])
    clipped = DynamicThreshold(quantile=1.0)(x)
    assert torch.equal(clipped[0], x[0]) and torch.allclose(clipped[1], x[1] / 6)
    assert DynamicThreshold(quantile=0.5)(x).abs().max() == 1.0

    class OutOfRange(nn.Module):
        def forward(self, x: Tensor, time_input: Tensor, context: Context | None) -> Tensor:
            return 40 * torch.sin(expand_like(time_input, x) + x)

    objective = Diffusion(OutOfRange(), VP(), GaussianDecoder(), "x0")
    thresholded = DPMSolver(9, clip=DynamicThreshold())(objective, (5,), None, Rng(0, 3))
    unclipped = DDIM(9, clip=None)(objective, (5,), None, Rng(0, 3))
    assert thresholded.abs().max() <= 1.0
    assert unclipped.abs().max() > 3
