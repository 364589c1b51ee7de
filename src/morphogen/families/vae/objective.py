r"""Variational autoencoder: p(x) = int p(x | z) p(z) dz, bounded by a learned posterior q(z | x).

    log p(x) >= E_q[log p(x | z)] - KL(q(z | x) || p(z))                                 the ELBO
    log p(x) >= E log (1/k) sum_i p(x, z_i) / q(z_i | x),  z_i ~ q                       tighter as k grows

"Auto-encoding variational Bayes", Kingma & Welling 2013; Rezende, Mohamed & Wierstra 2014. The likelihood,
the posterior, the prior and the bound that is trained are parts. Evaluation reports the importance-weighted
bound ("Importance weighted autoencoders", Burda, Grosse & Salakhutdinov 2016). With k = 1 it is the ELBO; if
q is the true posterior, every term equals p(x).
"""

__all__ = ["VAE", "StartsAt"]

from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from morphogen.contract import Context, Encoded
from morphogen.families.vae.bounds import ELBO, Bound
from morphogen.families.vae.likelihoods import ObservationModel
from morphogen.families.vae.posteriors import DiagonalGaussian, Posterior, PosteriorDraw
from morphogen.families.vae.priors import Prior, StandardNormal
from morphogen.families.vae.variational import VariationalModel
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree, length
from morphogen.objective_values import check_result


@runtime_checkable
class StartsAt(Protocol):
    """A decoder that can start at an output, whatever z: that of a bias in its last layer."""

    def start_at(self, y: Any) -> None:
        """Set the bias, so that the output is near y, without the axis of rows, before training."""


class VAE(VariationalModel):
    r"""A latent-variable model and its approximate posterior, trained by a lower bound of log p(x).

    Kingma & Welling 2013. A VAE is an `Autoencoder`, so `Latent` can use it as a first stage.

    Arguments:
        encoder: x, context -> the parameters of q(z | x), [B, posterior.outputs(D), ...]; x may have several
            parts by name.
        network: the decoder, z, context -> h [B, likelihood.outputs(C), ...].
        likelihood: the observation model p(x | h).
        latent_shape: shape of one z, (D,) or (D, h, w).
        posterior: q(z | x); None: `DiagonalGaussian()`, whose parameters are mu and log sigma.
        prior: p(z); None: `StandardNormal()`.
        bound: what training maximizes; None: `ELBO()`.
        bound_samples: k of the importance-weighted bound that `log_prob` returns, at the cost of k decodings.
    """

    latent_vocabulary = None
    masked = ("encoder", "likelihood")

    def __init__(
        self,
        encoder: nn.Module,
        network: nn.Module,
        likelihood: ObservationModel,
        latent_shape: tuple[int, ...],
        posterior: Posterior | None = None,
        prior: Prior | None = None,
        bound: Bound | None = None,
        bound_samples: int = 1,
    ):
        super().__init__()
        self.encoder, self.network, self.likelihood = encoder, network, likelihood
        self.latent_shape, self.bound_samples = tuple(latent_shape), bound_samples
        self.posterior = posterior or DiagonalGaussian()
        self.prior = prior or StandardNormal()
        self.bound = bound or ELBO()

    def receive_mask(
        self, mask: Bool[Tensor, "b n"] | None, context: Context | None, rng: Rng
    ) -> tuple[Context | None, Rng]:
        """As in `Trainable`; the noise is that of z, which has no missing elements."""
        return super().receive_mask(mask, context, rng)[0], rng

    @torch.no_grad()
    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        """Check x; start the decoder at the marginals of x, and the prior.

        Errors: ConfigError for x without a likelihood.
        """
        super().prepare(x, context, rng)
        h = self.likelihood.marginal(x.x)
        if h is not None and isinstance(self.network, StartsAt):
            self.network.start_at(h)
        draw = self.draw(self.infer(x.x, context), context, self.noise(rng.fork("posterior")))
        self.prior.prepare(x.x, draw.z, context)

    def infer(self, x: Tree, context: Context | None) -> Float[Tensor, "b ..."]:
        """The parameters of q(z | x)."""
        channels, *sides = self.latent_shape
        shape = (length(x), self.posterior.outputs(channels), *sides)
        return check_result(self.encoder, self.encoder(x, context), shape)

    def draw(
        self, inferred: Float[Tensor, "b ..."], context: Context | None, eps: Float[Tensor, "b ..."]
    ) -> PosteriorDraw:
        return self.posterior.draw(inferred, eps)

    def log_posterior(self, z: Tree, inferred: Tree) -> Float[Tensor, " b"]:
        return self.posterior.log_prob(inferred, z)

    def log_prior(self, draw: PosteriorDraw, context: Context | None) -> Float[Tensor, " b"]:
        return self.prior.log_prob(draw.z, context)

    def kl(self, draw: PosteriorDraw, context: Context | None) -> Float[Tensor, "b g"]:
        return self.prior.kl(draw, context)

    def predict(self, z: Float[Tensor, "b ..."], context: Context | None) -> Tree:
        return self.network(z, context)

    def sample_latents(self, context: Context | None, rng: Rng, temperature: float) -> Float[Tensor, "b ..."]:
        return self.prior.sample(self.latent_shape, context, rng, temperature)
