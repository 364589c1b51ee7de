r"""Latent-variable models trained by a bound: what their bounds, likelihoods and samplers need to know.

    log w = log p(x | z) + log p(z) - log q(z | x),   z ~ q(z | x)

The mean of log w is the ELBO, the logarithm of the mean of w the importance-weighted bound (Kingma & Welling
2013; Burda, Grosse & Salakhutdinov 2016). A member of the family says how z is drawn and gives these terms.
"""

__all__ = ["Draw", "LatentVariableModel"]

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Unsupported
from morphogen.families.vae.bounds import Bound
from morphogen.families.vae.likelihoods import ObservationModel
from morphogen.numerics.masking import mark_missing
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree, index, leaves, tree_map


class Draw(Protocol):
    """One z ~ q(z | x) of each row, with what its densities are computed from."""

    @property
    def z(self) -> Tree:
        """The latents; by name, if there are several."""

    @property
    def log_q(self) -> Float[Tensor, " b"]:
        """log q(z | x)."""


class LatentVariableModel(Objective):
    """p(x) = int p(x | z) p(z) dz with an approximate posterior: the base of `VAE` and `HierarchicalVAE`.

    Attributes:
        likelihood: the observation model p(x | h).
        latent_shape: shape of one z; of each of them by name, if there are several.
        bound: what training maximizes.
        bound_samples: k of the importance-weighted bound of `log_prob`.
    """

    likelihood: ObservationModel
    latent_shape: Any
    bound: Bound
    bound_samples: int

    @abstractmethod
    def infer(self, x: Tree, context: Context | None) -> Tree:
        """What q(z | x) depends on: the encoder's output."""

    @abstractmethod
    def draw(self, inferred: Tree, context: Context | None, eps: Tree) -> Any:
        """A `Draw`, as a function of eps ~ N(0, I) of the shape of z."""

    def log_posterior(self, z: Tree, inferred: Tree) -> Float[Tensor, " b"]:
        """log q(z | x) of any z. Errors: Unsupported for a posterior that only has that of its own draws."""
        raise Unsupported(f"{type(self).__name__} has the density of its own draws only")

    @abstractmethod
    def log_likelihood(self, x: Tree, draw: Any, context: Context | None) -> Float[Tensor, " b"]:
        """log p(x | z)."""

    @abstractmethod
    def log_prior(self, draw: Any, context: Context | None) -> Float[Tensor, " b"]:
        """log p(z)."""

    @abstractmethod
    def kl(self, draw: Any, context: Context | None) -> Float[Tensor, "b g"]:
        """KL(q(z | x) || p(z)) of each group of latents, in nats."""

    @abstractmethod
    def predict(self, z: Tree, context: Context | None) -> Tree:
        """Parameters h of p(x | z)."""

    @abstractmethod
    def sample_latents(self, context: Context | None, rng: Rng, temperature: float) -> Tree:
        """Draw z from the prior."""

    def noise(self, rng: Rng, *sizes: int) -> Tree:
        """eps ~ N(0, I), [B, *sizes, *latent_shape]."""
        if isinstance(self.latent_shape, Mapping):
            return {name: rng.fork(name).normal(*sizes, *shape) for name, shape in self.latent_shape.items()}
        return rng.normal(*sizes, *self.latent_shape)

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        context, rng = self.receive_mask(x.mask, context, rng)
        return self.bound.losses(self, mark_missing(x.x, x.mask), context, rng)

    def update_from_statistics(self, statistics: dict[str, Tensor], step: int) -> None:
        self.bound.finish(step)

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
        log_w = torch.stack([self._log_weight(row, inferred, context, noise) for noise in eps])
        nats = log_w.logsumexp(0) - math.log(k)
        stderr = (log_w - nats).exp().std(0) / math.sqrt(k) if k > 1 else None
        return Likelihood(nats, x.dims, "lower_bound", self.likelihood.measure, stderr, k)

    def log_importance_weights(self, x: Tree, context: Context | None, eps: Tree) -> Float[Tensor, "b k"]:
        """log p(x, z) - log q(z | x) of the z that eps [B, k, ...] gives."""
        rows, k = next(leaves(eps)).shape[:2]
        each = torch.arange(rows, device=next(leaves(eps)).device).repeat_interleave(k)
        inferred = index(self.infer(x, context), each)
        context, flat = None if context is None else context[each], tree_map(lambda e: e.flatten(0, 1), eps)
        return self._log_weight(index(x, each), inferred, context, flat).reshape(rows, k)

    def encode(self, x: Tree, rng: Rng, context: Context | None = None) -> tuple[Tree, Float[Tensor, " b"]]:
        """Sample z ~ q(z | x); returns z and log q(z | x)."""
        draw = self.draw(self.infer(x, context), context, self.noise(rng))
        return draw.z, draw.log_q

    def log_conditional(self, x: Tree, z: Tree) -> Float[Tensor, " b"]:
        """log p(x | z)."""
        return self.likelihood.log_prob(x, self.predict(z, None))

    def decode(self, z: Tree, context: Context | None = None) -> Tree:
        """The median of p(x | z)."""
        return self.likelihood.median(self.predict(z, context))

    def _log_weight(self, x: Tree, inferred: Tree, context: Context | None, eps: Tree) -> Tensor:
        draw = self.draw(inferred, context, eps)
        return self.log_likelihood(x, draw, context) + self.log_prior(draw, context) - draw.log_q
