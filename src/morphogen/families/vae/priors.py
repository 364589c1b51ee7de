r"""Priors p(z): the distribution of the latents, from which samples start.

    StandardNormal()                       N(0, I), with a closed-form divergence from a diagonal Gaussian
    VampPrior(encoder, shape, components)  1/K sum_k q(z | u_k), posteriors of learned pseudo-inputs
    LearnedPrior(objective)                any model with an exact density, such as a flow, trained with the
    VAE
    UniformCodes(codes)                    1/K for each of N discrete latents

The best prior for a given encoder is its aggregate posterior E_x q(z | x) (Hoffman & Johnson 2016), which a
fixed N(0, I) can only approach by losing information about x.
"""

__all__ = ["LearnedPrior", "Prior", "StandardNormal", "UniformCodes", "VampPrior"]

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Context, Encoded, Objective, Sampler
from morphogen.families.vae.posteriors import PosteriorDraw
from morphogen.numerics.distributions import gaussian_kl, gaussian_log_prob
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import sum_except_batch
from morphogen.numerics.trees import Tree, leaves, tree_map
from morphogen.objective_values import check_result


class Prior(Component, nn.Module, ABC):
    """p(z), or p(z | context) if it depends on the condition."""

    @abstractmethod
    def log_prob(self, z: Float[Tensor, "b ..."], context: Context | None) -> Float[Tensor, " b"]:
        """log p(z), differentiable."""

    @abstractmethod
    def sample(
        self, shape: tuple[int, ...], context: Context | None, rng: Rng, temperature: float = 1.0
    ) -> Float[Tensor, "b ..."]:
        """PosteriorDraw z [B, *shape]; a temperature below 1 gives likelier, less diverse z."""

    def kl(self, draw: PosteriorDraw, context: Context | None) -> Float[Tensor, "b g"]:
        """KL(q(z | x) || p(z)) of each group of latents in nats; by default, an estimate by one draw."""
        return (draw.log_q - self.log_prob(draw.z, context))[:, None]

    def prepare(self, x: Tree, z: Float[Tensor, "b ..."], context: Context | None) -> None:
        """Data-dependent initialization, called once on the first batch and its latents."""


class StandardNormal(Prior):
    """N(0, I) (Kingma & Welling 2013, appendix B)."""

    def log_prob(self, z: Float[Tensor, "b ..."], context: Context | None) -> Float[Tensor, " b"]:
        return sum_except_batch(gaussian_log_prob(z))

    def sample(
        self, shape: tuple[int, ...], context: Context | None, rng: Rng, temperature: float = 1.0
    ) -> Float[Tensor, "b ..."]:
        return temperature * rng.normal(*shape)

    def kl(self, draw: PosteriorDraw, context: Context | None) -> Float[Tensor, "b g"]:
        if draw.gaussian is None:
            return super().kl(draw, context)
        return gaussian_kl(*draw.gaussian).flatten(1)


class VampPrior(Prior):
    r"""Variational mixture of posteriors: p(z) = 1/K sum_k q(z | u_k).

    "VAE with a VampPrior", Tomczak & Welling, 2018. The pseudo-inputs u_k are trained with the rest, from
    rows of the first batch.

    Arguments:
        encoder: the encoder of the VAE itself, which returns mu and log sigma.
        shape: of one x.
        components: number K of pseudo-inputs (500 in the paper).
    """

    def __init__(self, encoder: nn.Module, shape: tuple[int, ...], components: int = 500):
        super().__init__()
        if components < 1:
            raise ConfigError(f"VampPrior: components={components}: give at least 1")
        self.encoder, self.shape, self.components = encoder, tuple(shape), components
        self.pseudo_inputs = nn.Parameter(torch.zeros(components, *shape))

    def log_prob(self, z: Float[Tensor, "b ..."], context: Context | None) -> Float[Tensor, " b"]:
        mean, log_sigma = self._gaussians(z.shape[1:])
        log_q = gaussian_log_prob(z[:, None], mean[None], log_sigma[None]).flatten(2).sum(2)
        return log_q.logsumexp(1) - math.log(self.components)

    def sample(
        self, shape: tuple[int, ...], context: Context | None, rng: Rng, temperature: float = 1.0
    ) -> Float[Tensor, "b ..."]:
        chosen = rng.fork("component").integers(self.components)
        mean, log_sigma = (parameters[chosen] for parameters in self._gaussians(shape))
        return mean + log_sigma.exp() * (temperature * rng.fork("noise").normal(*shape))

    @torch.no_grad()
    def prepare(self, x: Tree, z: Float[Tensor, "b ..."], context: Context | None) -> None:
        self.pseudo_inputs.copy_(x[torch.arange(self.components, device=x.device) % len(x)])

    def _gaussians(self, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
        """mu and log sigma of the pseudo-inputs, [K, *shape]."""
        channels, *sides = shape
        result = self.encoder(self.pseudo_inputs, None)
        expected = (self.components, 2 * channels, *sides)
        mean, log_sigma = check_result(self.encoder, result, expected).chunk(2, 1)
        return mean, log_sigma


class LearnedPrior(Prior):
    r"""The density of another family as p(z), trained by the same bound (Chen et al. 2017).

    Conditioned on the context, if the objective's network is.

    Arguments:
        objective: a model of z with an exact density, such as `Flow(SingleScale(...))`.
        sampler: how it draws z; None: its default sampler.
    """

    def __init__(self, objective: Objective, sampler: Sampler | None = None):
        super().__init__()
        self.objective, self.sampler = objective, sampler

    def log_prob(self, z: Float[Tensor, "b ..."], context: Context | None) -> Float[Tensor, " b"]:
        likelihood = self.objective.log_prob(_encoded(z), context, _no_noise(z))
        if (likelihood.kind, likelihood.measure) != ("exact", "density"):
            name = type(self.objective).__name__
            raise ConfigError(f"LearnedPrior: {name} has no exact density of z: give a flow or a mixture")
        return likelihood.nats

    def sample(
        self, shape: tuple[int, ...], context: Context | None, rng: Rng, temperature: float = 1.0
    ) -> Float[Tensor, "b ..."]:
        if temperature != 1:
            raise ConfigError("a learned prior has its own sampler: LearnedPrior(flow, FlowSampler(0.7))")
        return (self.sampler or self.objective.default_sampler())(self.objective, shape, context, rng)

    @torch.no_grad()
    def prepare(self, x: Tree, z: Float[Tensor, "b ..."], context: Context | None) -> None:
        self.objective.prepare(_encoded(z), context, _no_noise(z))


class UniformCodes(Prior):
    """p(z) = K^-N for N codes, each one of K (van den Oord, Vinyals & Kavukcuoglu 2017, section 3.1).

    Arguments:
        codes: number K of codes; by name, if there are several latents.
    """

    def __init__(self, codes: int | Mapping[str, int]):
        super().__init__()
        self.codes = codes

    def log_prob(self, z: Tree, context: Context | None) -> Float[Tensor, " b"]:
        def uniform(ids: Int[Tensor, "b ..."], codes: int) -> Float[Tensor, " b"]:
            return torch.full((len(ids),), -ids[0].numel() * math.log(codes), device=ids.device)

        return torch.stack(list(leaves(tree_map(uniform, z, self.codes)))).sum(0)

    def sample(self, shape: Any, context: Context | None, rng: Rng, temperature: float = 1.0) -> Tree:
        if temperature != 1:
            raise ConfigError(
                f"temperature={temperature:g}: codes without a learned prior are uniform: give 1"
            )
        if isinstance(self.codes, Mapping):
            return {name: rng.fork(name).integers(codes, *shape[name]) for name, codes in self.codes.items()}
        return rng.integers(self.codes, *shape)


def _encoded(z: Tensor) -> Encoded:
    dims = z.new_full((len(z),), float(z[0].numel()))
    return Encoded(z, torch.zeros_like(dims), dims)


def _no_noise(z: Tensor) -> Rng:
    """The stream of an exact density, which draws nothing from it."""
    return Rng(0, torch.arange(len(z), device=z.device))
