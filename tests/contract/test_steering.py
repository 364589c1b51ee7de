"""One place to steer: classifier guidance and classifier-free guidance compose, in a closed form.

    x_1 ~ N(m, v)         m = -0.4 without the condition, 0.1 with it
    x_2 ~ sum_k pi_k N(mu_k, v),  k = 0, 1, 2;  a classifier knows whether k = 2

Both are exact at every noise level: extrapolation with scale s moves the mean of x_1 to -0.4 + 0.5 s, and
Bayes' rule leaves the components of the class, with their weights renormalized. The tilted distribution is
therefore a mixture with known weights, means and variances.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from morphogen.closed_form import GaussianMixture
from morphogen.component import ConfigError
from morphogen.conditioning import guidance
from morphogen.conditioning.guidance import Guided
from morphogen.contract import Context
from morphogen.families.diffusion import (
    DDPM,
    ClassifierGuided,
    Diffusion,
    DPMSolver,
    Euler,
    GaussianDecoder,
    LinearBetas,
    UniformLogSNR,
    sdedit,
)
from morphogen.families.diffusion.targets import Denoised
from morphogen.numerics.randomness import Rng

CHAIN = LinearBetas(2.5e-4, 0.05, 400)
WEIGHTS, MEANS, VARIANCE = (0.5, 0.2, 0.3), (-1.2, 0.0, 1.3), 0.02
NULL, CONDITIONAL, SCALE = -0.4, 0.1, 3.0
N, SEED = 3000, 5
TRUTH = GaussianMixture(
    torch.tensor(WEIGHTS, dtype=torch.float64),
    torch.tensor([[0.0, mean] for mean in MEANS], dtype=torch.float64),
    VARIANCE * torch.eye(2, dtype=torch.float64).expand(3, 2, 2),
)


class ExactNetwork(nn.Module):
    """E[eps | x_t], and the exact variance fraction within a component; that of the null prediction is wrong.

    The condition is the context's vector [B, 1]: 1 is the condition, 0 its absence.
    """

    def forward(self, x_t: Tensor, time_input: Tensor, context: Context) -> Tensor:
        t = (time_input * CHAIN.steps).round().long()
        alpha, sigma = (float(level[0]) for level in CHAIN.alpha_sigma(t))
        assert context.vector is not None
        mean = NULL + (CONDITIONAL - NULL) * context.vector
        shifted = x_t - alpha * torch.cat([mean, torch.zeros_like(mean)], 1)
        eps = -sigma * TRUTH.diffused(alpha, sigma).score(shifted).to(x_t.dtype)
        fraction = context.vector * _exact_fraction(t)[:, None] - 1.0 * (1 - context.vector)
        return torch.cat([eps, 2 * fraction.expand_as(eps) - 1], 1)


class ExactClassifier(nn.Module):
    """log p(k = 2 | x_t) and log p(k < 2 | x_t), as logits of classes 1 and 0."""

    def forward(self, x_t: Tensor, time_input: Tensor) -> Tensor:
        t = (time_input * CHAIN.steps).round().long()
        alpha, sigma = (float(level[0]) for level in CHAIN.alpha_sigma(t))
        variance = alpha**2 * VARIANCE + sigma**2
        squares = (x_t[:, 1:].double() - alpha * torch.tensor(MEANS)).square()
        log_joint = torch.tensor(WEIGHTS).log() - squares / (2 * variance)
        return torch.stack([log_joint[:, :2].logsumexp(1), log_joint[:, 2]], 1).float()


def _exact_fraction(t: Tensor) -> Tensor:
    """Fraction of the variance of p(x_(t-1) | x_t) for data of variance VARIANCE; any number at t = 1."""
    s = (t - 1).clamp_min(1)
    q, (alpha, sigma) = CHAIN.posterior(s, s + 1), CHAIN.alpha_sigma(s + 1)
    variance_x_0 = VARIANCE * sigma.square() / (alpha.square() * VARIANCE + sigma.square())
    variance = q.posterior + q.on_x_0.square() * variance_x_0.float()
    return (variance / q.posterior).log() / (q.beta / q.posterior).log()


def objective(variance: Any) -> Diffusion:
    network = ExactNetwork() if variance == "learned" else HalfOfChannels(ExactNetwork())
    return Diffusion(network, CHAIN, GaussianDecoder(), variance=variance)


class HalfOfChannels(nn.Module):
    """A network without its variance fractions."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, *arguments: Any) -> Tensor:
        return self.network(*arguments).chunk(2, 1)[0]


def context_of(labels: Tensor) -> Context:
    ones = torch.ones(len(labels), 1)
    return Context(vector=ones, condition={"label": labels}, null=Context(vector=torch.zeros_like(ones)))


LABELS = (torch.arange(N) % 3 == 0).long()  # a third of the rows asks for class 1


def nested(sampler: Any, order: str) -> Any:
    if order == "classifier inside":
        return Guided(ClassifierGuided(sampler, ExactClassifier()), SCALE)
    return ClassifierGuided(Guided(sampler, SCALE), ExactClassifier())


ORDERS = ("classifier inside", "classifier outside")
SAMPLERS = {
    "DDPM, learned variance": (DDPM(clip=None), "learned"),
    "DDPM": (DDPM(clip=None), "posterior"),
    "DPMSolver": (DPMSolver(60, clip=None, spacing=UniformLogSNR()), "beta"),
}


def draw(name: str, order: str, rows: int = N) -> Tensor:
    sampler, variance = SAMPLERS[name]
    return nested(sampler, order)(objective(variance), (2,), context_of(LABELS[:rows]), Rng(SEED, rows))


def check_tilted(x: Tensor) -> None:
    """n = 3000, |z| < 4: frequencies of the components per class, means and variances within components."""
    labels, x = LABELS[: len(x)], x.double()
    k = (x[:, 1:] - torch.tensor(MEANS).double()).abs().argmin(1)
    assert torch.equal(k == 2, labels == 1), "components of another class"
    rows = int((labels == 0).sum())
    p = WEIGHTS[0] / (WEIGHTS[0] + WEIGHTS[1])
    z = (float((k == 0).sum()) - rows * p) / math.sqrt(rows * p * (1 - p))
    assert abs(z) < 4, f"frequency of component 0: z = {z:.1f}"
    tilted = torch.tensor([NULL + SCALE * (CONDITIONAL - NULL), 0.0]).double()
    deviation = x - tilted - torch.stack([torch.zeros(len(x)), torch.tensor(MEANS)[k]], 1)
    z_mean = deviation.mean(0) / math.sqrt(VARIANCE / len(x))
    z_variance = (deviation.var(0) / VARIANCE - 1) / math.sqrt(2 / len(x))
    assert z_mean.abs().max() < 4, f"means: z = {z_mean.tolist()}"
    assert z_variance.abs().max() < 4, f"variances: z = {z_variance.tolist()}"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if "learned" in name or name == "DDPM" else [])
        for name in SAMPLERS
    ],
)
def test_both_orders_sample_the_tilted_mixture(name: str) -> None:
    """n = 3000, seed 5: the orders are equal to 1e-5, and |z| < 4 against the closed form."""
    inside, outside = (draw(name, order) for order in ORDERS)
    assert (inside - outside).abs().max() <= 1e-5
    check_tilted(inside)


def drop_the_classifier(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ClassifierGuided, "guide", lambda self, objective, context: objective)


def drop_the_scale(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(guidance, "extrapolate", lambda outputs, scale: guidance_extrapolate(outputs, 1.0))


def extrapolate_the_variance(patch: pytest.MonkeyPatch) -> None:
    def every_field(outputs: Denoised, scale: float) -> Denoised:
        return Denoised(*(guidance_extrapolate(field, scale) for field in outputs))

    patch.setattr(guidance, "extrapolate", every_field)


def swap_the_labels(patch: pytest.MonkeyPatch) -> None:
    both = guidance._both

    def swapped(context: Context) -> Context:
        return replace(both(context), condition={"label": 1 - both(context).condition["label"]})

    patch.setattr(guidance, "_both", swapped)


guidance_extrapolate = guidance.extrapolate
MUTANTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    mutate.__name__: mutate
    for mutate in (
        drop_the_classifier,
        drop_the_scale,
        extrapolate_the_variance,
        swap_the_labels,
    )
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutant_is_killed(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTANTS[mutant](monkeypatch)
    with pytest.raises(AssertionError, match=r"z = |another class"):
        check_tilted(draw("DDPM, learned variance", "classifier outside"))  # evaluated on the doubled batch


def test_only_the_mean_is_extrapolated() -> None:
    """x_0 and eps are null + s (conditional - null), the variance fraction is the conditional one."""
    x, t, context = Rng(1, 6).normal(2), torch.full((6,), 50), context_of(LABELS[:6])
    model = objective("learned")
    guided = Guided(Euler(), SCALE).guide(model, context).predict(x, t, context)
    null, conditional = model.predict(x, t, context.null), model.predict(x, t, context)
    for i in range(2):
        assert torch.allclose(guided[i], null[i] + SCALE * (conditional[i] - null[i]), atol=1e-5)
    assert torch.allclose(guided.variance_fraction, conditional.variance_fraction)
    assert (null.variance_fraction - conditional.variance_fraction).abs().min() > 0.5


def test_nested_classifier_free_guidance_multiplies_the_scales() -> None:
    context, rng = context_of(LABELS[:6]), Rng(2, 6)
    twice = Guided(Guided(Euler(8, clip=None), 2.0), 1.5)(objective("beta"), (2,), context, rng)
    once = Guided(Euler(8, clip=None), 3.0)(objective("beta"), (2,), context, rng)
    assert torch.allclose(twice, once, atol=1e-4)


def test_editing_is_guided_in_both_orders() -> None:
    """SDEdit of strength 1 ignores the image: n = 3000, |z| < 4 against the closed form."""
    sampler = DPMSolver(60, clip=None, spacing=UniformLogSNR())
    arguments = (objective("beta"), torch.zeros(N, 2), 1.0, context_of(LABELS), Rng(SEED, N))
    inside, outside = (sdedit(*arguments, nested(sampler, order)) for order in ORDERS)
    assert (inside - outside).abs().max() <= 1e-5
    check_tilted(inside)


def test_classifier_guidance_requires_a_class_in_either_order() -> None:
    context = Context(vector=torch.ones(2, 1), null=Context(vector=torch.zeros(2, 1)))
    for order in ORDERS:
        with pytest.raises(ConfigError, match="pass a condition or a label"):
            nested(Euler(4), order)(objective("beta"), (2,), context, Rng(0, 2))
