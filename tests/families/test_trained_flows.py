"""Flows after 1,000 training steps on real pictures: inverse, log-determinant, integral of the density.

The pictures are MNIST's, of 28 x 28 pixels, from an installed package. The largest error of an inverse is
relative to the largest entry of the row, at least 1. About two minutes of one core, without other work on it.
"""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from morphogen.contract import Batch, Encoded
from morphogen.data import load_data
from morphogen.families.flow import Flatten, Flow, RationalQuadraticSpline, SingleScale
from morphogen.model import Model
from morphogen.numerics.randomness import Rng
from morphogen.plan import Adam, Plan
from morphogen.representations.pixels import Dequantised, Logit, Pixels
from morphogen.systems.glow import glow
from morphogen.systems.realnvp import realnvp
from morphogen.training import train

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("untyped")]
STEPS = 1000


def spline_flow(pixels: Pixels) -> Model:
    """Spline couplings of pixels as vectors."""
    d = pixels.shape[1] * pixels.shape[2]
    couplings = SingleScale(d, width=32, layers=1, couplings=4, transform=RationalQuadraticSpline(8, 4.0))
    plan = Plan(Adam(1e-3), batch=32, clip=5.0)
    return Model(Flow(Flatten(couplings)), Logit(Dequantised(pixels)), plan=plan)


SYSTEMS = {
    "realnvp": lambda pixels: realnvp(pixels, None, "tiny"),
    "glow": lambda pixels: glow(pixels, None, "tiny"),
    "splines": spline_flow,
}


def relative_error(back: Tensor, x: Tensor) -> float:
    size = x.flatten(1).abs().amax(1).clamp_min(1)
    return float(((back - x).flatten(1).abs().amax(1) / size).max())


def errors(flow: Any, x: Tensor) -> tuple[float, float, float]:
    """Of the inverse in fp32; in fp64; and of z rounded to fp32, inverted in fp64: what no fp32 z avoids."""
    exact = copy.deepcopy(flow).double()
    with torch.no_grad():
        of_fp32 = relative_error(flow.inverse(flow(x, None)[0], None), x)
        z = exact(x.double(), None)[0]
        back, rounded = (exact.inverse(v, None) for v in (z, z.float().double()))
    return of_fp32, relative_error(back, x.double()), relative_error(rounded, x.double())


def trained(make: Any, pixels: Pixels, pictures: Tensor) -> Model:
    torch.manual_seed(0)
    model: Model = make(pixels)
    before = model.log_prob(pictures[:100]).nats.median()
    train(model, Batch(pictures), steps=STEPS, seed=0)
    assert model.log_prob(pictures[:100]).nats.median() > before + 1
    return model.eval()


@pytest.mark.parametrize("name", SYSTEMS)
def test_inverse_and_log_determinant(name: str) -> None:
    """1e-5 in fp32, 1e-10 in fp64, also on noise of size 100; log-determinant to 1e-8.

    Where a z of such noise, rounded to fp32, is already that far off, four times that error.
    """
    data = load_data("mnist-5k")
    shown = slice(7, 21) if name == "splines" else slice(None)  # the margins hardly vary
    train_set, test_set = (
        part[:, :, shown, shown] for part in (data.train.first().medium, data.test.first(8).medium)
    )
    model = trained(SYSTEMS[name], Pixels(256, tuple(test_set.shape[1:])), train_set)
    flow: Any = model.objective.bijection
    x = model.encode_batch(Batch(test_set), Rng(0, 8))[0].x
    noise = 100 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    of_pictures, of_noise = errors(flow, x), errors(flow, noise)
    flow = flow.double()
    row = x[:1].double()
    jacobian = torch.autograd.functional.jacobian(
        lambda v: flow(v.reshape(row.shape), None)[0].flatten(), row.flatten()
    )
    with torch.no_grad():
        difference = abs(torch.linalg.slogdet(jacobian).logabsdet - flow(row, None)[1][0])
    assert of_pictures[0] <= 1e-5 and of_noise[0] <= max(1e-5, 4 * of_noise[2])
    assert max(of_pictures[1], of_noise[1]) <= 1e-10
    assert difference <= 1e-8


def test_the_density_of_two_neighbouring_pixels_integrates_to_one() -> None:
    """A spline flow of pairs of pixels of the pictures, in logits: the sum over a grid is 1 +- 2e-3."""
    pictures = load_data("mnist-5k").train.first().medium
    pairs = pictures[:, :, 8:20, 8:20].unflatten(3, (6, 2)).flatten(1, 3)[:, :, None, None]
    pairs = pairs.flatten(0, 1)[Rng(0, 1).uniform(20_000)[0].mul(len(pictures) * 72).long()]
    model = trained(spline_flow, Pixels(256, (1, 1, 2)), pairs)
    axis = torch.linspace(-5, 5, 1601, dtype=torch.float64)
    flow: Any = model.objective.double()
    total = torch.zeros(())
    for rows in axis.split(161):
        x = torch.cartesian_prod(rows, axis)[:, None, None]
        with torch.no_grad():
            encoded = Encoded(x, x.new_zeros(len(x)), x.new_full((len(x),), 2))
            total = total + flow.log_prob(encoded, None, Rng(0, len(x))).nats.exp().sum()
    assert abs(total * (axis[1] - axis[0]) ** 2 - 1) <= 2e-3
