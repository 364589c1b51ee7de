r"""Latent-variable models: what their likelihoods, their samplers and later stages need to know.

    log w = log p(x | z) + log p(z) - log q(z | x),   z ~ q(z | x)

The mean of log w is the ELBO, the logarithm of the mean of w the importance-weighted bound (Kingma & Welling
2013; Burda, Grosse & Salakhutdinov 2016). A member of the family says how z is drawn and gives these terms,
be z real numbers or codes; what it is trained by is left open.
"""

__all__ = ["Draw", "LatentVariableModel", "Reconstruction"]

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Sampler, Unsupported
from morphogen.families.vae.likelihoods import ObservationModel
from morphogen.numerics.masking import mark_missing
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree


class Draw(Protocol):
    """One z ~ q(z | x) of each row, with what its densities are computed from."""

    @property
    def z(self) -> Tree:
        """The latents; by name, if there are several."""

    @property
    def log_q(self) -> Float[Tensor, " b"]:
        """log q(z | x)."""


class Reconstruction(NamedTuple):
    """The losses of a batch, and the decoder's output h of which they have log p(x | h)."""

    losses: Losses
    h: Tree | None  # None if they evaluate several z of each row


class LatentVariableModel(Objective):
    """p(x) = int p(x | z) p(z) dz with an approximate posterior: an `Autoencoder`, usable by `Latent`.

    Attributes:
        likelihood: the observation model p(x | h).
        latent_shape: shape of one z; of each of them by name, if there are several.
        latent_vocabulary: number of values of a discrete z, None for real numbers; by name like the shape.
        bound_samples: k of the importance-weighted bound of `log_prob`.
    """

    likelihood: ObservationModel
    latent_shape: Any
    latent_vocabulary: Any
    bound_samples: int = 1

    @abstractmethod
    def infer(self, x: Tree, context: Context | None) -> Tree:
        """What q(z | x) depends on: the encoder's output."""

    @abstractmethod
    def draw(self, inferred: Tree, context: Context | None, eps: Tree) -> Any:
        """A `Draw`, as a function of the noise eps."""

    @abstractmethod
    def log_prior(self, draw: Any, context: Context | None) -> Float[Tensor, " b"]:
        """log p(z)."""

    @abstractmethod
    def predict(self, z: Tree, context: Context | None) -> Tree:
        """Parameters h of p(x | z)."""

    @abstractmethod
    def sample_latents(self, context: Context | None, rng: Rng, temperature: float) -> Tree:
        """Draw z from the prior."""

    @abstractmethod
    def reconstruct(self, x: Encoded, context: Context | None, rng: Rng) -> Reconstruction:
        """What training minimizes, and the reconstruction that it evaluates."""

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        return self.reconstruct(x, context, rng).losses

    def noise(self, rng: Rng, *sizes: int) -> Tree:
        """eps ~ N(0, I), [B, *sizes, *latent_shape]."""
        if isinstance(self.latent_shape, Mapping):
            return {name: rng.fork(name).normal(*sizes, *shape) for name, shape in self.latent_shape.items()}
        return rng.normal(*sizes, *self.latent_shape)

    def parameters_of(self, draw: Any, context: Context | None) -> Tree:
        """Parameters h of p(x | z), of a draw of z."""
        return self.predict(draw.z, context)

    def default_sampler(self) -> Sampler:
        return self.likelihood.default_sampler()

    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        """Check x. Errors: ConfigError for x without a likelihood."""
        self.likelihood.check(x.x)

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        """The importance-weighted bound; for k > 1 with `stderr` from the delta method."""
        self.likelihood.check(x.x)
        if context is not None and context.given is not None:
            raise Unsupported(
                f"{type(self).__name__} has no bound given cells, though it samples them: evaluate whole rows"
            )
        context, rng = self.receive_mask(x.mask, context, rng)
        row, k = mark_missing(x.x, x.mask), self.bound_samples
        inferred, eps = self.infer(row, context), (self.noise(rng.fork("posterior", i)) for i in range(k))
        log_w = torch.stack([self.log_weight(row, inferred, context, noise) for noise in eps])
        nats = log_w.logsumexp(0) - math.log(k)
        stderr = (log_w - nats).exp().std(0) / math.sqrt(k) if k > 1 else None
        return Likelihood(nats, x.dims, "lower_bound", self.likelihood.measure, stderr, k)

    def log_weight(self, x: Tree, inferred: Tree, context: Context | None, eps: Tree) -> Float[Tensor, " b"]:
        """log w of the z that eps gives."""
        draw = self.draw(inferred, context, eps)
        log_likelihood = self.likelihood.log_prob(x, self.parameters_of(draw, context))
        return log_likelihood + self.log_prior(draw, context) - draw.log_q

    def encode(self, x: Tree, rng: Rng, context: Context | None = None) -> tuple[Tree, Float[Tensor, " b"]]:
        """Sample z ~ q(z | x); returns z and log q(z | x)."""
        draw = self.draw(self.infer(x, context), context, self.noise(rng))
        return draw.z, draw.log_q

    def log_conditional(self, x: Tree, z: Tree, context: Context | None = None) -> Float[Tensor, " b"]:
        """log p(x | z)."""
        return self.likelihood.log_prob(x, self.predict(z, context))

    def decode(self, z: Tree, context: Context | None = None) -> Tree:
        """The median of p(x | z)."""
        return self.likelihood.median(self.predict(z, context))
