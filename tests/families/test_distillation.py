"""Distillation: targets equal the teacher's steps, and exact solutions for Gaussian data have no loss."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from exact_denoiser import ExactDenoiser
from morphogen.closed_form import ring
from morphogen.component import ConfigError
from morphogen.conditioning.specs import Classes
from morphogen.contract import Batch, Context, Encoded
from morphogen.families.diffusion import (
    DDIM,
    ConsistencyDistillation,
    CosineAlphas,
    Denoised,
    Diffusion,
    DiscretizedGaussian,
    MultistepConsistency,
    ProgressiveDistillation,
)
from morphogen.families.diffusion.denoiser import Denoiser
from morphogen.families.diffusion.samplers import ClippedDenoiser
from morphogen.model import Model, tensors
from morphogen.networks.mlp import MLP
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like
from morphogen.representations.pixels import Pixels
from morphogen.systems.consistency_model import consistency_model
from morphogen.systems.progressive_distillation import progressive_distillation
from morphogen.systems.v_diffusion import v_diffusion
from morphogen.training.loop import train

CHAIN, MEAN, STD = CosineAlphas(1024), 0.3, 0.5


class Gaussian(Denoiser, torch.nn.Module):
    """A teacher with the exact E[x_0 | x_t] for data ~ N(MEAN, STD^2)."""

    schedule, variance = CHAIN, "posterior"

    def predict(self, x_t: Tensor, t: Tensor, context: Context | None) -> Denoised:
        alpha, sigma = (expand_like(level.float(), x_t) for level in CHAIN.alpha_sigma(t))
        x_0 = MEAN + alpha * STD**2 * (x_t - alpha * MEAN) / ((alpha * STD).square() + sigma.square())
        return Denoised(x_0, (x_t - alpha * x_0) / sigma)


class StubStudent(Denoiser):
    """A student with a given prediction of x_0, which records its calls."""

    schedule, variance = CHAIN, "posterior"

    def __init__(self, x_0):
        self.x_0, self.calls = x_0, []

    def predict(self, x_t: Tensor, t: Tensor, context: Context | None) -> Denoised:
        self.calls.append((x_t, t))
        return Denoised(self.x_0(x_t, t), x_t)


def distillation_loss(kind, steps):
    return kind(SimpleNamespace(objective=Gaussian()), steps)


def test_a_progressive_step_ends_where_two_teacher_steps_end() -> None:
    x_0 = MEAN + STD * Rng(1, 64).normal(3)
    student = StubStudent(lambda x, t: torch.zeros_like(x))
    progressive = distillation_loss(ProgressiveDistillation, 8)
    loss = progressive.losses(student, x_0, None, Rng(0, 64)).total
    ((x_t, t),) = student.calls
    indices = {time: i for i, time in enumerate(CHAIN.timesteps(8))}
    assert set(t.tolist()) == set(indices)  # all 8 steps are trained
    grid = torch.tensor([*CHAIN.timesteps(16), 0])
    i = torch.tensor([indices[time] for time in t.tolist()])
    teacher = ClippedDenoiser(Gaussian(), None, None)
    x_s = teacher.ode_step(teacher.ode_step(x_t, t, grid[2 * i + 1]), grid[2 * i + 1], grid[2 * i + 2])
    # the x_0 with which a single step reaches x_s: x_s = alpha_s x + sigma_s (x_t - alpha_t x) / sigma_t
    (a_t, s_t), (a_s, s_s) = (
        [expand_like(level.float(), x_t) for level in CHAIN.alpha_sigma(time)]
        for time in (t, grid[2 * i + 2])
    )
    x = (x_s * s_t - s_s * x_t) / (a_s * s_t - s_s * a_t)
    snr = (a_t / s_t).square().flatten().clamp_min(1)
    assert torch.allclose(loss, snr * x.square().mean(1), rtol=1e-3)
    exact = StubStudent(lambda x_t, t: x)
    assert progressive.losses(exact, x_0, None, Rng(0, 64)).total.max() < 1e-6


def end_of_trajectory(x_t: Tensor, t: Tensor) -> Tensor:
    """The end at t = 0 of the probability flow of the data from x_t."""
    alpha, sigma = (expand_like(level.float(), x_t) for level in CHAIN.alpha_sigma(t))
    return MEAN + (x_t - alpha * MEAN) * STD / ((alpha * STD).square() + sigma.square()).sqrt()


def test_the_consistency_function_has_a_lower_loss_than_the_posterior_mean() -> None:
    """The exact consistency function against E[x_0 | x_t]; 512 steps, for a small discretization error."""
    x_0 = MEAN + STD * Rng(1, 256).normal(3)
    consistency = distillation_loss(ConsistencyDistillation, 512)
    exact = consistency.losses(StubStudent(end_of_trajectory), x_0, None, Rng(0, 256)).total.mean()
    mean = consistency.losses(
        StubStudent(lambda x_t, t: Gaussian().predict(x_t, t, None).x_0), x_0, None, Rng(0, 256)
    ).total.mean()
    assert exact < 0.1 * mean


def test_multistep_sampling_with_the_exact_function_preserves_the_distribution() -> None:
    """n = 6000, seed 0: |z| < 4 of mean and variance after one step and three.

    One step of E[x_0 | x_t] has too little variance.
    """
    for calls in (1, 3):
        objective = StubStudent(end_of_trajectory)
        x = MultistepConsistency(calls, clip=None)(objective, (3,), None, Rng(0, 2000)).double().flatten()
        assert len(objective.calls) == calls
        assert abs(x.mean() - MEAN) < 4 * STD / 6000**0.5
        assert abs(x.var() / STD**2 - 1) < 4 * (2 / 6000) ** 0.5
    denoiser = ExactDenoiser(CHAIN, ring(8, 0.05))
    x = MultistepConsistency(1, clip=None)(denoiser, (2,), None, Rng(0, 500))
    assert x.norm(dim=1).max() < 0.5


def test_the_student_starts_from_its_teacher_which_stays_frozen() -> None:
    torch.manual_seed(0)
    pixels = Pixels(17, (1, 8, 8))
    teacher = v_diffusion(pixels, Classes(10), "tiny")
    rows = Batch(Rng(1, 16).integers(17, 1, 8, 8).float() / 8 - 1, {"label": Rng(2, 16).integers(10)})
    train(teacher, Rows(rows), steps=2, seed=0)
    before = {name: tensor.clone() for name, tensor in tensors(teacher).items()}
    staged = consistency_model(pixels, Classes(10), "tiny", teacher=teacher)
    student = staged.last
    student.prepare(rows, Rng(0, 16))
    own, theirs = student.objective.network.state_dict(), teacher.objective.network.state_dict()
    assert all(torch.equal(own[name], theirs[name]) for name in theirs)
    assert torch.equal(
        student.sample(3, 4, DDIM(4), seed=1).tensor, teacher.sample(3, 4, DDIM(4), seed=1).tensor
    )
    train(staged, Rows(rows), steps=3, seed=0)
    assert all(torch.equal(before[name], tensor) for name, tensor in tensors(teacher).items())
    assert any(not torch.equal(own[name], before[f"objective.network.{name}"]) for name in theirs)


@pytest.mark.parametrize("system", [consistency_model, progressive_distillation])
def test_every_weight_receives_a_gradient_under_bf16_autocast(system) -> None:
    """The student is called with gradients and the teacher without, in one autocast context."""
    torch.manual_seed(0)
    pixels = Pixels(17, (1, 8, 8))
    student = system(pixels, Classes(10), "tiny", teacher=v_diffusion(pixels, Classes(10), "tiny")).last
    for parameter in student.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    rows = Batch(Rng(1, 16).integers(17, 1, 8, 8).float() / 8 - 1, {"label": Rng(2, 16).integers(10)})
    with torch.autocast("cpu", torch.bfloat16):
        loss = student(rows, Rng(0, 16), "model").total.sum()
    grads = torch.autograd.grad(loss, student.players()["model"], allow_unused=True)
    assert all(grad is not None and grad.any() for grad in grads)


class Rows:
    def __init__(self, batch: Batch):
        self.batch = batch

    def __len__(self) -> int:
        return len(self.batch.medium)

    def __getitem__(self, rows: Tensor) -> Batch:
        return self.batch[rows]


def test_mismatched_teachers_are_rejected() -> None:
    pixels = Pixels(17, (1, 8, 8))
    teacher = v_diffusion(pixels, Classes(10), "tiny")
    with pytest.raises(
        ConfigError,
        match=r"images have shape \[1, 8, 8\] and 10 classes, the data's have \[1, 16, 16\] and 10",
    ):
        progressive_distillation(Pixels(17, (1, 16, 16)), Classes(10), "tiny", teacher=teacher)
    with pytest.raises(ConfigError, match=r"and 10 classes, the data's have .* and 3: use a teacher"):
        consistency_model(pixels, Classes(3), "tiny", teacher=teacher)
    with pytest.raises(ConfigError, match="must be a diffusion model, not MLP"):
        ProgressiveDistillation(SimpleNamespace(objective=MLP(2, 2, 4, 1)), 4)
    with pytest.raises(ConfigError, match="steps must be at least 1, got 0"):
        distillation_loss(ConsistencyDistillation, 0)
    progressive = ProgressiveDistillation(teacher, 2)
    with pytest.raises(ConfigError, match="network differs from the student's"):
        progressive.init_from_teacher(MLP(2, 2, 4, 1))


def test_a_student_is_a_diffusion_model_with_a_bound() -> None:
    student = progressive_distillation(Pixels(17, (1, 8, 8)), Classes(10), "tiny").last
    assert isinstance(student.objective, Diffusion) and isinstance(
        student.objective.decoder, DiscretizedGaussian
    )
    x = Encoded(torch.zeros(2, 1, 8, 8), torch.zeros(2), torch.full((2,), 64.0))
    assert student.objective.log_prob(x, None, Rng(0, 2)).kind == "lower_bound"
    assert isinstance(student, Model)
