"""Students: what they are taught is where their teacher goes, and what is exact on a Gaussian world costs nothing."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from knowing import Knowing
from morphogen.component import ConfigError
from morphogen.conditioning.taught import Taught
from morphogen.contract import Batch, Context, Encoded
from morphogen.families.diffusion import (
    DDIM,
    Consistency,
    CosineAlphas,
    Denoised,
    Diffusion,
    DiscretizedGaussian,
    GaussianReadout,
    Halved,
    MultistepConsistency,
)
from morphogen.families.diffusion.samplers import Denoiser
from morphogen.model import Model, tensors
from morphogen.networks.mlp import MLP
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like
from morphogen.representations.pixels import Pixels
from morphogen.systems.consistency_model import consistency_model
from morphogen.systems.progressive_distillation import progressive_distillation
from morphogen.systems.v_diffusion import v_diffusion
from morphogen.training.loop import train
from morphogen.worlds import ring

CHAIN, MEAN, SPREAD = CosineAlphas(1024), 0.3, 0.5


class Gaussian(torch.nn.Module):
    """A teacher that knows N(mean, spread^2): E[x_0 | x_t]."""

    decoder = GaussianReadout()
    schedule = CHAIN

    def denoise(self, x_t: Tensor, t: Tensor, context: Context | None) -> Denoised:
        alpha, sigma = (expand_like(level.float(), x_t) for level in CHAIN.levels(t))
        x_0 = MEAN + alpha * SPREAD**2 * (x_t - alpha * MEAN) / ((alpha * SPREAD).square() + sigma.square())
        return Denoised(x_0, (x_t - alpha * x_0) / sigma)


class Answers:
    """A student that answers as it is told to, and remembers what it was asked."""

    schedule = CHAIN

    def __init__(self, answer):
        self.answer, self.asked = answer, []

    def denoise(self, x_t: Tensor, t: Tensor, context: Context | None) -> Denoised:
        self.asked.append((x_t, t))
        return Denoised(self.answer(x_t, t), x_t)


def lesson(kind, steps):
    return kind(SimpleNamespace(objective=Gaussian()), steps)


def test_the_halved_step_ends_where_two_of_the_teachers_end() -> None:
    x_0 = MEAN + SPREAD * Rng(1, 64).normal(3)
    student = Answers(lambda x, t: torch.zeros_like(x))
    halved = lesson(Halved, 8)
    found = halved.losses(student, x_0, None, Rng(0, 64)).total
    ((x_t, t),) = student.asked
    places = {time: i for i, time in enumerate(CHAIN.times(8))}
    assert set(t.tolist()) == set(places)  # of its 8 steps each is taught
    grid = torch.tensor([*CHAIN.times(16), 0])
    i = torch.tensor([places[time] for time in t.tolist()])
    teacher = Denoiser(Gaussian(), None, None)
    x_s = teacher.straight(teacher.straight(x_t, t, grid[2 * i + 1]), grid[2 * i + 1], grid[2 * i + 2])
    # what a single step must claim, from where two lead: x_s = alpha_s x + sigma_s (x_t - alpha_t x) / sigma_t
    (a_t, s_t), (a_s, s_s) = ([expand_like(level.float(), x_t) for level in CHAIN.levels(at)] for at in (t, grid[2 * i + 2]))
    x = (x_s * s_t - s_s * x_t) / (a_s * s_t - s_s * a_t)
    snr = (a_t / s_t).square().flatten().clamp_min(1)
    assert torch.allclose(found, snr * x.square().mean(1), rtol=1e-3)
    known = Answers(lambda x_t, t: x)
    assert halved.losses(known, x_0, None, Rng(0, 64)).total.max() < 1e-6


def end_of_the_curve(x_t: Tensor, t: Tensor) -> Tensor:
    """Where the probability flow of the world leads from x_t."""
    alpha, sigma = (expand_like(level.float(), x_t) for level in CHAIN.levels(t))
    return MEAN + (x_t - alpha * MEAN) * SPREAD / ((alpha * SPREAD).square() + sigma.square()).sqrt()


def test_the_end_of_the_curve_costs_nothing_and_the_mean_does() -> None:
    """512 intervals, so that a straight step errs by little: the consistency function itself beside E[x_0 | x_t]."""
    x_0 = MEAN + SPREAD * Rng(1, 256).normal(3)
    consistency = lesson(Consistency, 512)
    exact = consistency.losses(Answers(end_of_the_curve), x_0, None, Rng(0, 256)).total.mean()
    mean = consistency.losses(Answers(lambda x_t, t: Gaussian().denoise(x_t, t, None).x_0), x_0, None, Rng(0, 256)).total.mean()
    assert exact < 0.1 * mean


def test_several_calls_of_the_exact_function_keep_the_law() -> None:
    """n = 6000, seed 0: |z| < 4 of mean and variance, after one call and after three; one call of the mean has too little spread."""
    for calls in (1, 3):
        objective = Answers(end_of_the_curve)
        x = MultistepConsistency(calls, clip=None)(objective, (3,), None, Rng(0, 2000)).double().flatten()
        assert len(objective.asked) == calls
        assert abs(x.mean() - MEAN) < 4 * SPREAD / 6000**0.5
        assert abs(x.var() / SPREAD**2 - 1) < 4 * (2 / 6000) ** 0.5
    assert MultistepConsistency(1, clip=None)(Knowing(CHAIN, ring(8, 0.05)), (2,), None, Rng(0, 500)).norm(dim=1).max() < 0.5


def test_a_student_begins_as_its_teacher_and_leaves_it_alone() -> None:
    torch.manual_seed(0)
    pixels = Pixels(17, (1, 8, 8))
    teacher = v_diffusion(pixels, 10, "tiny")
    rows = Batch(Rng(1, 16).integers(17, 1, 8, 8).float() / 8 - 1, Rng(2, 16).integers(10))
    train(teacher, Rows(rows), steps=2, seed=0)
    before = {name: tensor.clone() for name, tensor in tensors(teacher).items()}
    staged = consistency_model(pixels, 10, "tiny", teacher=teacher)
    student = staged.last
    student.prepare(rows, Rng(0, 16))
    own, theirs = student.objective.network.state_dict(), teacher.objective.network.state_dict()
    assert all(torch.equal(own[name], theirs[name]) for name in theirs)
    assert torch.equal(student.sample(3, 4, DDIM(4), seed=1).tensor, teacher.sample(3, 4, DDIM(4), seed=1).tensor)
    train(staged, Rows(rows), steps=3, seed=0)
    assert all(torch.equal(before[name], tensor) for name, tensor in tensors(teacher).items())
    assert any(not torch.equal(own[name], before[f"objective.network.{name}"]) for name in theirs)


@pytest.mark.parametrize("page", [consistency_model, progressive_distillation])
def test_every_weight_hears_of_the_lesson_in_bf16_too(page) -> None:
    """The student is called with a gradient beside calls without one, in one autocast."""
    torch.manual_seed(0)
    pixels = Pixels(17, (1, 8, 8))
    student = page(pixels, 10, "tiny", teacher=v_diffusion(pixels, 10, "tiny")).last
    for parameter in student.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    rows = Batch(Rng(1, 16).integers(17, 1, 8, 8).float() / 8 - 1, Rng(2, 16).integers(10))
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


def test_teachers_that_do_not_fit_are_refused() -> None:
    pixels = Pixels(17, (1, 8, 8))
    teacher = v_diffusion(pixels, 10, "tiny")
    with pytest.raises(ConfigError, match=r"the teacher knows pictures of \[1, 8, 8\] in 10 classes, the data are \[1, 16, 16\]"):
        progressive_distillation(Pixels(17, (1, 16, 16)), 10, "tiny", teacher=teacher)
    with pytest.raises(ConfigError, match=r"in 10 classes, the data are .* in 3; take a run"):
        consistency_model(pixels, 3, "tiny", teacher=teacher)
    with pytest.raises(ConfigError, match="takes no noise away"):
        Halved(SimpleNamespace(objective=MLP(2, 2, 4, 1)), 4)
    with pytest.raises(ConfigError, match="teach at least 1"):
        lesson(Consistency, 0)
    with pytest.raises(ConfigError, match="no conditioner"):
        Taught(v_diffusion(pixels, 0, "tiny"))
    halved = Halved(teacher, 2)
    with pytest.raises(ConfigError, match="another network"):
        halved.begin(MLP(2, 2, 4, 1))


def test_a_student_is_a_diffusion_with_a_bound() -> None:
    student = progressive_distillation(Pixels(17, (1, 8, 8)), 10, "tiny").last
    assert isinstance(student.objective, Diffusion) and isinstance(student.objective.decoder, DiscretizedGaussian)
    x = Encoded(torch.zeros(2, 1, 8, 8), torch.zeros(2), torch.full((2,), 64.0))
    assert student.objective.log_prob(x, None, Rng(0, 2)).kind == "lower_bound"
    assert isinstance(student, Model)
