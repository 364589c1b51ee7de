r"""Autoencoders with discrete latents: N ids, each of one of K codes.

    log p(x) >= log p(x | ids) + log p(ids) - log q(ids | x),   ids ~ q,   p(ids) = K^-N

They differ in the posterior and in how it is trained, since an id has no derivative: `VQVAE` takes the
nearest code and copies its gradient, `DiscreteVAE` relaxes a categorical distribution. A second model learns
the prior of the ids: `Latent(first)` is its representation, of integers.

Reference: Neural discrete representation learning, van den Oord, Vinyals & Kavukcuoglu, 2017.
"""

__all__ = ["CodeAutoencoder", "certain"]

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.contract import Context
from morphogen.families.vae.latent_variable_model import LatentVariableModel
from morphogen.families.vae.likelihoods import ObservationModel
from morphogen.families.vae.posteriors import PosteriorDraw
from morphogen.families.vae.priors import UniformCodes
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree, leaves


class CodeAutoencoder(LatentVariableModel):
    """A latent-variable model whose latents are ids of codes, with a uniform prior.

    A prior that is learned by a second model raises the bound of `log_prob`.

    Arguments:
        encoder: of x, with the output that the subclass needs.
        network: the decoder, `embed(ids)`, context -> h [B, likelihood.outputs(C), ...].
        likelihood: the observation model p(x | h).
        codes: K; by name, if there are several latents.
        latent_shape: shape of the ids of one x; by name, if there are several latents.
    """

    def __init__(
        self,
        encoder: nn.Module,
        network: nn.Module,
        likelihood: ObservationModel,
        codes: int | Mapping[str, int],
        latent_shape: tuple[int, ...] | Mapping[str, tuple[int, ...]],
    ):
        super().__init__()
        self.encoder, self.network, self.likelihood = encoder, network, likelihood
        self.latent_shape, self.latent_vocabulary = latent_shape, codes
        self.prior = UniformCodes(codes)

    @abstractmethod
    def embed(self, ids: Any, context: Context | None = None) -> Float[Tensor, "b d ..."]:
        """The decoder's input."""

    def noise(self, rng: Rng, *sizes: int) -> Tree:
        """Nothing, [B, *sizes, 0]: a nearest code is certain."""
        return rng.uniform(*sizes, 0)

    def log_prior(self, draw: PosteriorDraw, context: Context | None) -> Float[Tensor, " b"]:
        return self.prior.log_prob(draw.z, context)

    def predict(self, z: Tree, context: Context | None) -> Float[Tensor, "b ..."]:
        """Parameters of p(x | z), z the ids."""
        return self.network(self.embed(z, context), context)

    def sample_latents(self, context: Context | None, rng: Rng, temperature: float) -> Tree:
        """Draw ids from the uniform prior."""
        return self.prior.sample(self.latent_shape, context, rng, temperature)


def certain(ids: Tree) -> PosteriorDraw:
    """The draw of a posterior that is one code at each place: log q = 0."""
    first = next(leaves(ids))
    return PosteriorDraw(ids, torch.zeros(len(first), device=first.device))
