r"""Normalizing flows: the density of x by an invertible map f to Gaussian noise and the change of variables.

    log p(x | c) = log N(f(x; c); 0, I) + log|det df/dx|     (Rezende & Mohamed 2015; Dinh et al. 2017, eq. 2)

Training is exact maximum likelihood; sampling evaluates the inverse once, x = f^-1(z), z ~ N(0, I). The
result is a density, which is meaningless for images on a grid of values. With dequantisation (`Dequantised`)
it gives a lower bound on their mass.
"""

__all__ = ["Flow", "FlowSampler"]

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Sampler
from morphogen.families.flow.bijection import Bijection, Estimate
from morphogen.numerics.distributions import gaussian_log_prob
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import sum_except_batch
from morphogen.objective_values import check_result


class Flow(Objective):
    """Maximum likelihood of a bijection (Dinh, Krueger & Bengio 2015; Dinh, Sohl-Dickstein & Bengio 2017).

        loss = -log N(f(x); 0, I) - log|det df/dx|

    A flow has no `network` with an output that guidance could extrapolate; `FlowSampler(temperature)` is the
    alternative.

    Arguments:
        bijection: f, which maps x [B, ...] to noise of the same shape.
    """

    def __init__(self, bijection: Bijection):
        super().__init__()
        self.bijection = bijection

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        context, rng = self.receive_mask(x.mask, context, rng)
        z, log_det, _ = self._noise(x.x, context, rng)
        log_prob = sum_except_batch(gaussian_log_prob(z)) + log_det
        return Losses({"nll": -log_prob}, metrics={"log_det": log_det.detach()})

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        context, rng = self.receive_mask(x.mask, context, rng)
        z, log_det, variance = self._noise(x.x, context, rng)
        nats = sum_except_batch(gaussian_log_prob(z)) + log_det
        stderr = None if variance is None else variance.sqrt()
        return Likelihood(nats, x.dims, self.bijection.kind, "density", stderr)

    def _noise(self, x: Tensor, context: Context | None, rng: Rng) -> Estimate:
        """z = f(x) and log|det df/dx|."""
        z, log_det, variance = self.bijection.estimate(x, context, rng.fork("log_det"))
        check_result(self.bijection, z, x.shape)
        return Estimate(z, check_result(self.bijection, log_det, x.shape[:1]), variance)

    def default_sampler(self) -> "FlowSampler":
        return FlowSampler()

    @torch.no_grad()
    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        self.bijection.prepare(x.x, context)


class FlowSampler(Sampler):
    """Sample x = f^-1(T z), z ~ N(0, I), with one evaluation of the inverse; exact at T = 1.

    Arguments:
        temperature: T >= 0; values below 1 give likelier, less diverse samples (Kingma & Dhariwal 2018,
            section 6).
    """

    requires = "bijection"
    reparameterized = True

    def __init__(self, temperature: float = 1.0):
        self.temperature = temperature

    def __call__(
        self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng
    ) -> Float[Tensor, "b ..."]:
        self.check(objective)
        return objective.bijection.inverse(self.temperature * rng.normal(*shape), context)
