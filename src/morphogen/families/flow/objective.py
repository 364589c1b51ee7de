r"""The flow: data are noise seen through a smooth invertible map f, and the change of variables gives their density.

    log p(x | c) = log N(f(x; c); 0, I) + log|det df/dx|        (Rezende & Mohamed 2015; Dinh et al. 2017, eq. 2)

Training is maximum likelihood with nothing approximated; sampling is one pass of the inverse, x = f^-1(z), z ~ N(0, I).
It is a density: of pictures on a grid it is meaningless until they are dequantised (`Dequantised`), and a bound on their
mass after.
"""

__all__ = ["Flow", "Inverse"]

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Sampler
from morphogen.families.flow.bijection import Bijection
from morphogen.numerics.distributions import gaussian_log_prob
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import sum_rows


class Flow(Objective):
    """Maximum likelihood of an invertible map (Dinh, Krueger & Bengio 2015; Dinh, Sohl-Dickstein & Bengio 2017).

        loss = -log N(f(x); 0, I) - log|det df/dx|

    There is no `network` whose output is affine in the condition, so a flow cannot be guided; `Inverse(temperature)` is
    what it has instead.

    Arguments:
        bijection: f, from x [B, ...] to noise of the same shape.
    """

    def __init__(self, bijection: Bijection):
        super().__init__()
        self.bijection = bijection

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        z, log_det = self.bijection(x.x, context)
        log_prob = sum_rows(gaussian_log_prob(z)) + log_det
        return Losses({"nll": -log_prob}, metrics={"log_det": log_det.detach()})

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        z, log_det = self.bijection(x.x, context)
        return Likelihood(sum_rows(gaussian_log_prob(z)) + log_det, x.dims, kind="exact", measure="density")

    def sampler(self) -> "Inverse":
        return Inverse()

    @torch.no_grad()
    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        self.bijection.prepare(x.x, context)


class Inverse(Sampler):
    """x = f^-1(T z), z ~ N(0, I): one pass, exact at T = 1.

    Arguments:
        temperature: T in [0, ...); below 1 likelier, less varied samples (Kingma & Dhariwal 2018, section 6).
    """

    def __init__(self, temperature: float = 1.0):
        self.temperature = temperature

    def __call__(self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng) -> Float[Tensor, "b ..."]:
        return objective.bijection.inverse(self.temperature * rng.normal(*shape), context)
