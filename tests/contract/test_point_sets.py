"""Sets of 2 to 9 points on circles: masks, sizes, and attention without positions.

The sizes of samples have the training histogram, and padding and the order of points have no effect. A
diffusion model with a `SetTransformer` learns them in 25 s on one core; then the points of its samples lie on
circles.
"""

import math
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor

from contract.point_sets import SIZES, Sets, chain_model, circles, flow_model
from morphogen.conditioning.guidance import Guided
from morphogen.contract import Batch, Context
from morphogen.families.diffusion import DDPM, Euler
from morphogen.model import Model
from morphogen.numerics.masking import mark_missing
from morphogen.numerics.randomness import Rng
from morphogen.representations import PointSets
from morphogen.training.loop import train

SAMPLES, STEPS = 1000, 1500


@pytest.fixture(scope="module")
def points() -> Tensor:
    return circles(4000, seed=1)


@pytest.fixture(scope="module")
def model(points: Tensor) -> Model:
    """A flow whose weights are all awake, as after a training."""
    awake = flow_model(points, width=16, layers=1)
    for i, parameter in enumerate(awake.parameters()):
        parameter.data.add_(0.1 * Rng(i, 1).normal(parameter.numel()).view_as(parameter))
    return awake.eval()


def counts(points: Tensor) -> Tensor:
    """Number of sets of 1 .. 9 points."""
    return (~points.isnan().any(2)).sum(1).bincount(minlength=10)[1:]


def p_value(drawn: Tensor, training: Tensor) -> float:
    """Chi-square test of drawn sizes against the training histogram; 0 for a size without probability."""
    if drawn[training == 0].any():
        return 0.0
    drawn, training = drawn[training > 0].double(), training[training > 0].double()
    return float(stats.chisquare(drawn, training / training.sum() * drawn.sum()).pvalue)


def circle_error(points: Tensor) -> float:
    """Median over sets of at least 5 points of the residual of the fitted circle, in units of its radius."""
    errors = []
    for row in points.double():
        p = row[~row.isnan().any(1)]
        if len(p) >= 5:
            design = torch.cat([2 * p, torch.ones(len(p), 1)], 1)
            x, y, rest = torch.linalg.lstsq(design, p.square().sum(1, keepdim=True)).solution.flatten()
            radius = (rest + x.square() + y.square()).sqrt()
            errors.append(float(((p - torch.stack([x, y])).norm(dim=1) / radius - 1).square().mean().sqrt()))
    return float(torch.tensor(errors).median())


def test_samples_have_the_training_sizes(model: Model, points: Tensor) -> None:
    drawn = model.sample(SAMPLES, sampler=Euler(4, clip=None), seed=0, batch=500)
    assert p_value(counts(drawn.tensor), counts(points)) > 0.01
    lengths = torch.tensor([len(row) for row in drawn.decode()])
    assert torch.equal(lengths.bincount(minlength=10)[1:], counts(drawn.tensor))


@pytest.mark.slow
def test_trained_samples_lie_on_circles(points: Tensor) -> None:
    trained = flow_model(points)
    train(trained, Sets(points), steps=STEPS)
    drawn = trained.sample(SAMPLES, seed=0, batch=500)
    assert p_value(counts(drawn.tensor), counts(points)) > 0.01
    noise = torch.where(points[:SAMPLES].isnan(), torch.nan, Rng(0, SAMPLES).normal(9, 2))
    assert circle_error(points[:SAMPLES]) < 1e-4
    assert circle_error(noise) > 0.25
    assert circle_error(drawn.tensor) < 0.6 * circle_error(noise)


def test_uniform_sizes_fail_the_test_of_sizes(points: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes from the histogram pass for 3 seeds of 1000 draws; uniform sizes 2 .. 9 have p < 1e-6."""
    representation = PointSets.of(points)
    for seed in range(3):
        mask = representation.draw_mask(Rng(seed, SAMPLES))
        assert p_value(mask.sum(1).bincount(minlength=10)[1:], counts(points)) > 0.01
    uniform = 2 + Rng(0, SAMPLES).integers(8)
    assert p_value(uniform.bincount(minlength=10)[1:], counts(points)) < 1e-6
    assert SIZES[0] == 0


@pytest.mark.parametrize("kind", ["flow", "chain"])
def test_padding_has_no_effect(kind: str, model: Model, points: Tensor) -> None:
    model = model if kind == "flow" else chain_model(points, width=16, layers=1)
    sizes = (~points.isnan().any(2)).sum(1)
    for i in range(12):
        padded, short = points[i : i + 1], points[i : i + 1, : sizes[i]]
        rng = Rng(3, torch.tensor([i]))
        losses = [model(Batch(medium), rng, "model").total for medium in (padded, short)]
        torch.testing.assert_close(*losses, atol=1e-5, rtol=1e-5)
        nats = [model.log_prob(medium, seed=4).nats for medium in (padded, short)]
        torch.testing.assert_close(*nats, atol=1e-5, rtol=1e-5)
        drawn = [sample_like(model, medium, rng) for medium in (padded, short)]
        torch.testing.assert_close(drawn[0][:, : sizes[i]], drawn[1], atol=1e-5, rtol=1e-5)
        assert drawn[0][:, sizes[i] :].isnan().all()


@torch.no_grad()
def sample_like(
    model: Model, medium: Tensor, rng: Rng, context: Context | None = None, sampler: Any = None
) -> Tensor:
    """Samples of the sizes of the given sets."""
    objective, mask = model.objective.eval(), ~medium.isnan().any(2)
    context, rng = objective.receive_mask(mask, context, rng)
    sampler = sampler or objective.default_sampler()
    return mark_missing(sampler(objective, tuple(medium.shape[1:]), context, rng), mask)


def test_guidance_receives_the_mask(points: Tensor) -> None:
    model = chain_model(points, width=16, layers=1, vector=4)
    for i, parameter in enumerate(model.parameters()):
        parameter.data.add_(0.1 * Rng(i, 1).normal(parameter.numel()).view_as(parameter))
    context = Context(vector=torch.ones(1, 4), null=Context(vector=torch.zeros(1, 4)))
    sampler, rng, padded = Guided(DDPM(), 3.0), Rng(0, 1), points[:1]
    size = int((~padded.isnan().any(2)).sum())
    guided, short = (sample_like(model, m, rng, context, sampler) for m in (padded, padded[:, :size]))
    torch.testing.assert_close(guided[:, :size], short, atol=1e-5, rtol=1e-5)
    assert not torch.equal(guided[:, :size], sample_like(model, padded, rng, context)[:, :size])


def test_the_prediction_is_permutation_equivariant(model: Model) -> None:
    x, t, order = Rng(0, 6).normal(9, 2), torch.linspace(0.1, 1, 6), torch.randperm(9)
    mask = torch.arange(9) < torch.arange(3, 9)[:, None]
    with torch.no_grad():
        straight = model.objective.predict(x, t, Context(x_mask=mask)).x_0[:, order]
        permuted = model.objective.predict(x[:, order], t, Context(x_mask=mask[:, order])).x_0
    torch.testing.assert_close(permuted[mask[:, order]], straight[mask[:, order]], atol=1e-5, rtol=1e-5)


def test_the_likelihood_of_a_size_is_that_of_the_training_sets(points: Tensor) -> None:
    model = chain_model(points, width=16, layers=1)
    x = model.representation.encode(points, Rng(0, len(points)))
    sizes = x.mask.sum(1) if x.mask is not None else None
    of_size = (x.log_weight + x.dims * math.log(model.representation.scale)).exp()
    assert sizes is not None
    torch.testing.assert_close(of_size, counts(points)[sizes - 1] / len(points), atol=1e-6, rtol=1e-5)
    alone = torch.full((1, 9, 2), torch.nan)
    alone[0, 0] = 0.0
    assert model.log_prob(alone).nats == -torch.inf  # no training set has one point
