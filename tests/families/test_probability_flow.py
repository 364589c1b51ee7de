"""log p along the flow, where log p is known; and pictures made from pictures, where the answer is."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

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
    Even,
    EvenSNR,
    GaussianReadout,
    Heun,
    LinearBetas,
    ProbabilityFlow,
    RectifiedFlow,
    SubVP,
    inpaint,
    invert,
    redraw,
    translate,
)
from morphogen.families.diffusion.samplers import Denoiser
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like
from morphogen.worlds import GaussianMixture

WORLD = GaussianMixture(
    torch.tensor([0.6, 0.4], dtype=torch.float64),
    torch.tensor([[-0.8, 0.0], [0.9, 0.5]]),
    torch.tensor([[[0.2, 0.1], [0.1, 0.3]], [[0.1, 0.0], [0.0, 0.1]]]),
)
PROCESSES = [VP(), SubVP(), VE(0.01, 20.0), EDM(0.002, 20.0), RectifiedFlow(), LinearBetas()]


def name(part: Any) -> str:
    return type(part).__name__


class Score(nn.Module):
    """x_0 of the world, differentiable: E[x_0 | x_t] of each component, weighted by the components' odds."""

    def __init__(self, process: Any, world: GaussianMixture = WORLD):
        super().__init__()
        self.process, self.world = process, world

    def forward(self, x: Tensor, told: Tensor, context: Context | None) -> Tensor:
        t = (4 * told.double()).exp() if isinstance(self.process, EDM) else told.double() * self.process.last
        t = t.round().long() if isinstance(self.process.last, int) else t
        alpha, sigma = (float(level[0]) for level in self.process.levels(t))
        here = self.world.diffused(alpha, sigma)
        z = x.double()
        apart = z[:, None] - here.means
        pull = torch.einsum("kde,bke->bkd", torch.linalg.inv(here.covariances), apart)
        odds = (here.weights.log() - here.cholesky.diagonal(dim1=1, dim2=2).log().sum(1) - 0.5 * (apart * pull).sum(2)).softmax(1)
        gain = alpha * torch.einsum("kde,bke->bkd", self.world.covariances, pull)
        return torch.einsum("bk,bkd->bd", odds, self.world.means + gain).to(x.dtype)


def exact(process: Any, **options: Any) -> Diffusion:
    return Diffusion(Score(process), process, GaussianReadout(), "x0", **options)


def encoded(x: Tensor) -> Encoded:
    return Encoded(x, torch.zeros(len(x)), torch.full((len(x),), float(x[0].numel())))


@pytest.mark.parametrize("process", PROCESSES, ids=name)
def test_log_p_by_the_exact_trace_is_the_worlds(process: Any) -> None:
    """Within 0.01 nats on average over 40 draws; the chain's first step is a tenth of a bin from the data."""
    x = WORLD.sample(Rng(0, 40))
    steps = 400 if isinstance(process, SubVP) else 150  # its noise next to the data is so little that ln r has twice as far to go
    flow = ProbabilityFlow(steps, probes=None, spacing=Even(1e-4) if process.path == "flow" else EvenSNR(1e-4))
    found = exact(process, measured_by=flow).log_prob(encoded(x), None, Rng(1, 40))
    assert found.kind == "estimate" and found.measure == "density" and found.stderr is None
    assert float((found.nats - WORLD.log_prob(x)).abs().mean()) < 0.01


def test_probes_estimate_it_and_know_their_error() -> None:
    """n = 300 rows, 8 probes, seed 2: z < 4 of the mean difference, and the error told is that seen within a fifth."""
    x = WORLD.sample(Rng(0, 300))
    one, other = (
        exact(VP(), measured_by=ProbabilityFlow(steps=60, probes=probes, spacing=EvenSNR(1e-4))).log_prob(encoded(x), None, Rng(2, 300))
        for probes in (8, None)
    )
    off = one.nats - other.nats
    assert one.stderr is not None and abs(float(off.mean())) < 4 * float(off.std()) / math.sqrt(300)
    assert float(off.square().mean().sqrt()) == pytest.approx(float(one.stderr.square().mean().sqrt()), rel=0.2)


def test_the_flow_may_be_measured_at_any_batch() -> None:
    x, flow = WORLD.sample(Rng(0, 6)), ProbabilityFlow(steps=10, probes=2)
    whole = exact(VP(), measured_by=flow).log_prob(encoded(x), None, Rng(2, 6)).nats
    assert torch.allclose(exact(VP(), measured_by=flow).log_prob(encoded(x[2:4]), None, Rng(2, 6)[2:4]).nats, whole[2:4], atol=1e-5)


@pytest.mark.parametrize("process", [LinearBetas(), VP(), RectifiedFlow()], ids=name)
def test_inpainting_keeps_what_is_given_and_draws_the_rest_from_its_law(process: Any) -> None:
    """n = 1500, seed 3: of x_1 given x_0 = 0.3 the mean has |z| < 4 against the world's; what is given is equal to the bit."""
    picture, given = torch.full((1500, 2), 0.3), torch.tensor([True, False])
    x = inpaint(exact(process), picture, given, None, Rng(3, 1500), DDPM(100, clip=None, spacing=EvenSNR()), rounds=8)
    assert torch.equal(x[:, 0], picture[:, 0])
    odds, means, variances = conditional(0.3)
    mean = float((odds * means).sum())
    variance = float((odds * (variances + means**2)).sum()) - mean**2
    assert abs(float(x[:, 1].mean()) - mean) < 4 * math.sqrt(variance / 1500) + 0.03  # rounds without end would need no allowance


def conditional(x: float) -> tuple[Tensor, Tensor, Tensor]:
    """The components' odds, means and variances of x_1 given x_0 = x."""
    c = WORLD.covariances
    off = x - WORLD.means[:, 0]
    odds = (WORLD.weights.log() - 0.5 * c[:, 0, 0].log() - 0.5 * off**2 / c[:, 0, 0]).softmax(0)
    return odds, WORLD.means[:, 1] + c[:, 0, 1] / c[:, 0, 0] * off, c[:, 1, 1] - c[:, 0, 1] ** 2 / c[:, 0, 0]


@pytest.mark.parametrize(
    ("given", "options", "why"),
    [
        (torch.ones(3).bool(), {}, r"a mask of \[3\] does not fit pictures of \[2, 2\]"),
        (torch.ones(4, 2, 2).bool(), {}, "does not fit"),
        (torch.ones(2).bool(), {"sampler": Heun(9)}, "take a sampler of one call"),
        (torch.ones(2).bool(), {"rounds": 0}, "at least one round"),
    ],
)
def test_inpainting_refuses_in_a_line(given: Tensor, options: Any, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as error:
        inpaint(exact(VP()), torch.zeros(2, 2), given, None, Rng(0, 2), **{"sampler": DDPM(5)} | options)
    assert "\n" not in str(error.value)


def test_redrawing_goes_further_from_the_picture_the_stronger_it_is() -> None:
    picture = WORLD.sample(Rng(5, 400))
    far = [
        float((redraw(exact(VP()), picture, strength, None, Rng(6, 400), DDPM(50, clip=None)) - picture).norm(dim=1).mean())
        for strength in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    ]
    assert far[0] == 0 and far == sorted(far) and far[-1] > 0.8
    with pytest.raises(ConfigError, match="is no share"):
        redraw(exact(VP()), picture, 1.2, None, Rng(6, 400))


def test_redrawing_the_whole_way_draws_from_the_law() -> None:
    """n = 1500, seed 6, from a picture that is no sample: |z| < 4 of the mean."""
    x = redraw(exact(VP()), torch.full((1500, 2), 0.9), 1.0, None, Rng(6, 1500), DDPM(200, clip=None)).double()
    z = (x.mean(0) - WORLD.mean) / (x.std(0) / math.sqrt(1500))
    assert z.abs().max() < 4


@pytest.mark.parametrize("process", [VP(), LinearBetas(), EDM(0.002, 20.0), RectifiedFlow()], ids=name)
def test_a_picture_is_taken_to_its_noise_and_comes_back(process: Any) -> None:
    """Nearer with more steps, and the noise is noise: its norm is that of the prior, within a fifth over 200 pictures."""
    picture, off = WORLD.sample(Rng(7, 200)), []
    for steps in (25, 100):
        sampler = Euler(steps, clip=None, spacing=EvenSNR())
        noise = invert(exact(process), picture, None, sampler)
        back = sampler.descend(Denoiser(exact(process), None, None), noise, sampler.grid(process), Rng(0, 200))
        off.append(float((back - picture).norm(dim=1).mean()))
    assert off[1] < 0.6 * off[0] and off[1] < 0.1
    assert float(noise.std()) == pytest.approx(process.prior, rel=0.2)


class Told(nn.Module):
    """The score of the one component that a row is told of."""

    def __init__(self, process: Any):
        super().__init__()
        parts = zip(WORLD.means, WORLD.covariances, strict=True)
        self.scores = nn.ModuleList(Score(process, GaussianMixture(torch.ones(1).double(), m[None], c[None])) for m, c in parts)

    def forward(self, x: Tensor, told: Tensor, context: Context | None) -> Tensor:
        assert context is not None and context.vector is not None
        return torch.stack([score(x, told, None) for score in self.scores], 1)[torch.arange(len(x)), context.vector[:, 0].long()]


@pytest.mark.parametrize("process", [VP(), RectifiedFlow()], ids=name)
def test_a_picture_of_one_class_becomes_that_of_another_of_the_same_noise(process: Any) -> None:
    """Of Gaussians the flow is known: m + C^1/2 C'^-1/2 (x - m'); within 0.05 on average over 200, and itself as its own class."""
    objective = Diffusion(Told(process), process, GaussianReadout(), "x0")
    classes = [Context(vector=torch.full((200, 1), float(k))) for k in (0, 1)]
    (m, c), (m_, c_) = ((WORLD.means[k].double(), WORLD.covariances[k].double()) for k in (0, 1))
    picture = (m + torch.randn(200, 2, generator=torch.Generator().manual_seed(8)).double() @ torch.linalg.cholesky(c).T).float()
    values, vectors = torch.linalg.eigh(c)
    noise = (picture.double() - m) @ (vectors / values.sqrt() @ vectors.T)
    roots, axes = torch.linalg.eigh(c_)
    there = m_ + noise @ (axes * roots.sqrt() @ axes.T)
    sampler = Euler(200, clip=None, spacing=EvenSNR() if process.path != "flow" else None)
    made, same = (translate(objective, picture, classes[0], to, Rng(0, 200), sampler).double() for to in (classes[1], classes[0]))
    assert float((made - there).norm(dim=1).mean()) < 0.05 and float((same - picture).norm(dim=1).mean()) < 0.05
    assert float((picture.double() - there).norm(dim=1).mean()) > 1


def test_a_threshold_that_moves_keeps_pictures_in_their_range() -> None:
    x = torch.tensor([[0.5, -0.2, 0.1, 0.9], [3.0, -6.0, 1.5, 0.0]])
    found = DynamicThreshold(share=1.0)(x)
    assert torch.equal(found[0], x[0]) and torch.allclose(found[1], x[1] / 6)
    assert DynamicThreshold(share=0.5)(x).abs().max() == 1.0

    class Far(nn.Module):
        def forward(self, x: Tensor, told: Tensor, context: Context | None) -> Tensor:
            return 40 * torch.sin(expand_like(told, x) + x)

    drawn = DPMSolver(9, clip=DynamicThreshold())(Diffusion(Far(), VP(), GaussianReadout(), "x0"), (5,), None, Rng(0, 3))
    assert drawn.abs().max() <= 1.0
    assert DDIM(9, clip=None)(Diffusion(Far(), VP(), GaussianReadout(), "x0"), (5,), None, Rng(0, 3)).abs().max() > 3
