r"""Variational autoencoder: p(x) = int p(x | z) p(z) dz, bounded by a learned posterior q(z | x).

    log p(x) >= E_q[log p(x | z)] - KL(q(z | x) || p(z))                                 the ELBO
    log p(x) >= E log (1/k) sum_i p(x, z_i) / q(z_i | x),  z_i ~ q                       tighter as k grows

"Auto-encoding variational Bayes", Kingma & Welling 2013; Rezende, Mohamed & Wierstra 2014. The likelihood,
the posterior, the prior and the bound that is trained are parts. Evaluation reports the importance-weighted
bound ("Importance weighted autoencoders", Burda, Grosse & Salakhutdinov 2016). With k = 1 it is the ELBO; if
q is the true posterior, every term equals p(x).
"""

__all__ = ["VAE", "VAESampler"]

import math
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Sampler
from morphogen.families.vae.bounds import ELBO, Bound
from morphogen.families.vae.likelihoods import ObservationModel
from morphogen.families.vae.posteriors import DiagonalGaussian, Draw, Posterior
from morphogen.families.vae.priors import Prior, StandardNormal
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree, index, length
from morphogen.objective_values import check_result


class VAE(Objective):
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
        bound_samples: k of the importance-weighted bound that `log_prob` returns, which evaluates the decoder
        k
            times.
    """

    latent_vocabulary = None

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

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        context, rng = self.receive_mask(x.mask, context, rng)
        return self.bound.losses(self, x.x, context, rng)

    @torch.no_grad()
    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        """Check x, and initialize the prior. Errors: ConfigError for x without a likelihood."""
        self.likelihood.check(x.x)
        draw = self.draw(x.x, context, rng.fork("posterior").normal(*self.latent_shape))
        self.prior.prepare(x.x, draw.z, context)

    def update_from_statistics(self, statistics: dict[str, Tensor], step: int) -> None:
        self.bound.finish(step)

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        """The importance-weighted bound; for k > 1 with `stderr` from the delta method."""
        self.likelihood.check(x.x)
        context, rng = self.receive_mask(x.mask, context, rng)
        parameters, k = self._encoded(x.x, context), self.bound_samples
        eps = (rng.fork("posterior", i).normal(*self.latent_shape) for i in range(k))
        log_w = torch.stack([self._log_weight(x.x, parameters, context, noise) for noise in eps])
        nats = log_w.logsumexp(0) - math.log(k)
        stderr = (log_w - nats).exp().std(0) / math.sqrt(k) if k > 1 else None
        return Likelihood(nats, x.dims, "lower_bound", self.likelihood.measure, stderr, k)

    def log_weights(
        self, x: Tree, context: Context | None, eps: Float[Tensor, "b k ..."]
    ) -> Float[Tensor, "b k"]:
        """log p(x, z_i) - log q(z_i | x) of the z_i that the posterior makes of eps."""
        rows, k = eps.shape[:2]
        each = torch.arange(rows, device=eps.device).repeat_interleave(k)
        parameters, context = self._encoded(x, context)[each], None if context is None else context[each]
        return self._log_weight(index(x, each), parameters, context, eps.flatten(0, 1)).reshape(rows, k)

    def predict(self, z: Float[Tensor, "b ..."], context: Context | None) -> Tree:
        """Parameters of p(x | z), a tree if x is one."""
        return self.network(z, context)

    def default_sampler(self) -> "VAESampler":
        return VAESampler()

    def draw(self, x: Tree, context: Context | None, eps: Float[Tensor, "b ..."]) -> Draw:
        """z ~ q(z | x), as a function of eps ~ N(0, I), [B, *latent_shape]."""
        return self.posterior.draw(self._encoded(x, context), eps)

    def encode(self, x: Tree, rng: Rng) -> tuple[Float[Tensor, "b ..."], Float[Tensor, " b"]]:
        """Sample z ~ q(z | x); returns z and log q(z | x)."""
        draw = self.draw(x, None, rng.normal(*self.latent_shape))
        return draw.z, draw.log_q

    def log_conditional(
        self, x: Tree, z: Float[Tensor, "b ..."], context: Context | None = None
    ) -> Float[Tensor, " b"]:
        """log p(x | z)."""
        return self.likelihood.log_prob(x, self.network(z, context))

    def decode(self, z: Float[Tensor, "b ..."]) -> Tree:
        """The median of p(x | z)."""
        return self.likelihood.median(self.network(z, None))

    def _encoded(self, x: Tree, context: Context | None) -> Float[Tensor, "b ..."]:
        """The encoder's output."""
        channels, *sides = self.latent_shape
        shape = (length(x), self.posterior.outputs(channels), *sides)
        return check_result(self.encoder, self.encoder(x, context), shape)

    def _log_weight(self, x: Tree, parameters: Tensor, context: Context | None, eps: Tensor) -> Tensor:
        """The log importance weight log p(x, z) - log q(z | x) of one z."""
        draw = self.posterior.draw(parameters, eps)
        log_joint = self.log_conditional(x, draw.z, context) + self.prior.log_prob(draw.z, context)
        return log_joint - draw.log_q


class VAESampler(Sampler):
    """Ancestral sampling: z from the prior, then x from p(x | z) (Kingma & Welling 2013).

    The default returns the median of p(x | z), as the paper's figures do, because sampling entries that are
    independent given z only adds pixel noise. `draw="sample"` samples the distribution that `log_prob`
    evaluates.

    Arguments:
        draw: "median" for the median of p(x | z), "sample" for a sample.
        temperature: 1 is the prior; smaller values give likelier, less diverse samples.
    """

    requires = "latent_shape"

    def __init__(self, draw: Literal["median", "sample"] = "median", temperature: float = 1.0):
        self.draw, self.temperature = draw, temperature

    def __call__(self, objective: Any, shape: Any, context: Context | None, rng: Rng) -> Tree:
        self.check(objective)
        shape, stream = objective.latent_shape, rng.fork("prior")
        h = objective.predict(objective.prior.sample(shape, context, stream, self.temperature), context)
        if self.draw == "median":
            return objective.likelihood.median(h)
        return objective.likelihood.sample(h, rng.fork("observation"))
