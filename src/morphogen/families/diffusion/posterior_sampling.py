r"""Inverse problems: sample x given y = A x + sigma_y n with an unconditional diffusion model.

    grad log p(x_t | y) = grad log p(x_t) + grad log p(y | x_t)
    grad log p(y | x_t) ~ J^T A^T u,     J = d E[x_0 | x_t] / d x_t,     r = y - A E[x_0 | x_t]

    DPS      u = zeta sqrt(m) / sigma_t  r / |r|                       Chung et al. 2023
    MMPS     u = (sigma_y^2 I + A V A^T)^-1 r,  V = sigma_t^2 / alpha_t J^T     Rozet et al. 2024
    RePaint  for known pixels: the loop of `editing.inpaint`           Lugmayr et al. 2022

V is the covariance of x_0 given x_t, by Tweedie's formula of the second order. So the guided prediction of
MMPS, E[x_0 | x_t] + V A^T u, is the mean of x_0 given x_t and y if x_0 given x_t is a Gaussian, and exact for
Gaussian data. For other data it becomes exact at small noise; Langevin steps (`PredictorCorrector`) correct
what the levels above it missed. DPS takes V = 0, so that its samples fit y too closely or too loosely,
depending on zeta.

DPS and MMPS wrap the prediction, so every diffusion sampler and every other guidance goes with them.
"""

__all__ = ["DPS", "MMPS", "Observation", "ObservationGuidance", "RePaint"]

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.conditioning.guidance import Guidance
from morphogen.contract import Context, Sampler, Unsupported
from morphogen.families.diffusion.editing import inpaint
from morphogen.families.diffusion.operators import LinearOperator
from morphogen.families.diffusion.processes import ForwardProcess
from morphogen.families.diffusion.targets import Denoised
from morphogen.numerics.linear_systems import conjugate_gradients
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like

Linear = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Observation:
    """What is measured: y = A x + noise n.

    Arguments:
        operator: A.
        y: one for all samples [1, ...], or one for each [B, ...].
        noise: standard deviation of the noise, in the units of x; at least 0.

    Of a selection, such as a mask, y counts where A is not 0 only.

    Errors: ConfigError for y of another shape, and for an invalid noise.
    """

    operator: LinearOperator
    y: Float[Tensor, "b ..."]
    noise: float = 0.0

    def __post_init__(self) -> None:
        expected = self.operator.measured_shape
        if tuple(self.y.shape[1:]) != expected or not len(self.y):
            raise ConfigError(
                f"{self.operator!r} measures {list(expected)}, got y of {list(self.y.shape)}: "
                f"give [N, {', '.join(map(str, expected))}]"
            )
        if not 0 <= self.noise < math.inf:
            raise ConfigError(f"noise {self.noise:g}: give a standard deviation of at least 0; 0 is exact")
        if self.operator.known is not None:
            object.__setattr__(self, "y", self.operator(self.y))

    def __repr__(self) -> str:
        return f"Observation({self.operator!r}, noise={self.noise:g})"

    def residual(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b ..."]:
        """y - A x; where x has a multiple of the rows of y, as under guidance, y is repeated."""
        times, left = divmod(len(x), len(self.y))
        if left:
            raise ConfigError(f"{len(x)} samples of {len(self.y)} observations: give one y, or one for each")
        measured = self.operator(x)
        return self.y.to(x).repeat(times, *[1] * (measured.ndim - 1)) - measured


class ObservationGuidance(Guidance):
    """Base class of guidance by an observation: adds J^T A^T u to the score; see the module.

    Arguments:
        sampler: a diffusion sampler, with or without other guidance.
        observation: what is known of x.
    """

    observation: Observation

    @abstractmethod
    def weigh(
        self, residual: Float[Tensor, "b m"], covariance: Linear, sigma: Float[Tensor, "b 1"]
    ) -> Float[Tensor, "b m"]:
        """u, the score of y under the predicted distribution of A x.

        Arguments:
            residual: r = y - A E[x_0 | x_t].
            covariance: v -> A V A^T v.
            sigma: noise level of x_t.
        """

    def guide(self, objective: Any, context: Context | None) -> Any:
        """The objective with the guided prediction.

        Errors: Unsupported for a model that is not a diffusion; ConfigError for one of another shape.
        """
        if not hasattr(objective, "schedule"):
            raise Unsupported(
                f"{type(objective).__name__} has no denoiser to restore with: train a diffusion, as ddpm"
            )
        return objective.steered(lambda predict: partial(self._predict, objective.schedule, predict))

    def _predict(
        self, process: ForwardProcess, predict: Any, x_t: Tensor, t: Tensor, context: Context | None
    ) -> Denoised:
        """The prediction given x_t and y: x_0 + V A^T u, and eps so that alpha x_0 + sigma eps = x_t."""
        operator = self.observation.operator
        if tuple(x_t.shape[1:]) != operator.shape:
            raise ConfigError(f"{operator!r} takes {list(operator.shape)}; samples are {list(x_t.shape[1:])}")
        alpha, sigma = expand_like(process.alpha(t), x_t), expand_like(process.sigma(t), x_t)
        if not (alpha > 0).all():
            return predict(x_t, t, context)  # pure noise, of which J is 0
        with torch.enable_grad():
            x_t = x_t.detach().requires_grad_()
            prediction = predict(x_t, t, context)
        x_0 = prediction.x_0
        if not x_0.requires_grad:
            raise Unsupported(f"{type(self).__name__} needs a prediction that can be differentiated")

        def moment(v: Tensor) -> Tensor:
            """V A^T v."""
            upward = operator.adjoint(v.unflatten(1, operator.measured_shape))
            return sigma.square() / alpha * torch.autograd.grad(x_0, x_t, upward, retain_graph=True)[0]

        residual = rearrange(self.observation.residual(x_0.detach()), "b ... -> b (...)")
        u = self.weigh(residual, lambda v: operator(moment(v)).flatten(1), sigma.flatten(1))
        shift = moment(u)
        fraction = prediction.variance_fraction
        fraction = None if fraction is None else fraction.detach()
        return Denoised(x_0.detach() + shift, prediction.eps.detach() - alpha / sigma * shift, fraction)


class DPS(ObservationGuidance):
    r"""Diffusion posterior sampling: follow the gradient of the distance to y.

        eps + zeta sqrt(m) grad |y - A E[x_0 | x_t]|                      m measurements

    Chung, Kim, McCann, Klasky & Ye, 2023, section 3.2. Their algorithm 1 subtracts zeta' grad |...| from x
    after a step of DDPM; here the gradient is added to eps, so that each sampler takes it with its own step.
    In a step of DDPM of variance beta both agree for zeta' = zeta sqrt(m) beta / (sigma_t sqrt(1 - beta)).
    The samples do not follow the posterior: the noise of y does not occur in the formula.

    Arguments:
        sampler, observation: see `ObservationGuidance`.
        scale: zeta, above 0; with 1 to 3, digits differed from y by about its noise.
    """

    def __init__(self, sampler: Sampler, observation: Observation, scale: float = 2.0):
        self.sampler, self.observation, self.scale = sampler, observation, scale
        if not 0 < scale < math.inf:
            raise ConfigError(f"DPS: the scale is {scale:g}: give a number above 0")

    def weigh(
        self, residual: Float[Tensor, "b m"], covariance: Linear, sigma: Float[Tensor, "b 1"]
    ) -> Float[Tensor, "b m"]:
        length = residual.norm(dim=1, keepdim=True).clamp_min(torch.finfo(residual.dtype).tiny)
        return self.scale * math.sqrt(residual.shape[1]) / sigma * residual / length


class MMPS(ObservationGuidance):
    r"""Moment matching posterior sampling: p(x_0 | x_t) as the Gaussian of its mean and covariance.

        u = (sigma_y^2 I + A V A^T)^-1 (y - A E[x_0 | x_t])

    Learning diffusion priors from observations by expectation maximization, Rozet, Andry, Lanusse & Louppe,
    2024, section 4.2. V is not formed: conjugate gradients needs the products V v only, each a product with
    the network's Jacobian, as expensive as a step of training.

    Arguments:
        sampler, observation: see `ObservationGuidance`.
        iterations: steps of conjugate gradients; as many as there are measurements are exact.
    """

    def __init__(self, sampler: Sampler, observation: Observation, iterations: int = 3):
        self.sampler, self.observation, self.iterations = sampler, observation, iterations
        if iterations < 1:
            raise ConfigError(f"MMPS: {iterations} iterations: give at least 1")

    def weigh(
        self, residual: Float[Tensor, "b m"], covariance: Linear, sigma: Float[Tensor, "b 1"]
    ) -> Float[Tensor, "b m"]:
        variance = self.observation.noise**2
        return conjugate_gradients(lambda v: variance * v + covariance(v), residual, self.iterations)


class RePaint(Sampler):
    """Inpainting as a sampler: known pixels are kept, the others are drawn; see `editing.inpaint`.

    RePaint, Lugmayr et al., 2022, algorithm 1.

    Arguments:
        sampler: a diffusion sampler of one call per step, guided or not.
        observation: exact pixels: a `Masking`, without noise.
        rounds: how often each step is taken.

    Errors: ConfigError for another operator, or with noise.
    """

    requires = "schedule"

    def __init__(self, sampler: Sampler, observation: Observation, rounds: int = 5):
        self.sampler, self.observation, self.rounds = sampler, observation, rounds
        if observation.operator.known is None or observation.noise:
            raise ConfigError(
                f"RePaint restores from exact pixels only, not from {observation!r}: use MMPS, or a mask "
                "without noise"
            )

    def __call__(
        self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng
    ) -> Float[Tensor, "b ..."]:
        self.check(objective)
        operator, zero = self.observation.operator, torch.zeros(len(rng), *shape, device=rng.rows.device)
        given = operator.adjoint(self.observation.residual(zero))
        assert operator.known is not None
        known = operator.known.to(given.device)
        return inpaint(objective, given, known, context, rng, self.sampler, self.rounds)
