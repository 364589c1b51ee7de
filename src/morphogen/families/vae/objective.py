r"""Variational autoencoder: p(x) = int p(x | z) N(z; 0, I) dz, bounded by a learned posterior q(z | x).

    log p(x) >= E_q[log p(x | z)] - KL(q(z | x) || N(0, I))                              the ELBO
    log p(x) >= E log (1/k) sum_i p(x, z_i) / q(z_i | x),  z_i ~ q                       tighter as k grows

Training maximizes the ELBO with the reparameterisation z = mu(x) + sigma(x) eps ("Auto-encoding variational
Bayes", Kingma & Welling 2013; Rezende, Mohamed & Wierstra 2014). Evaluation reports the importance-weighted
bound ("Importance weighted autoencoders", Burda, Grosse & Salakhutdinov 2016). With k = 1 it is the ELBO; if
q is the true posterior, every term equals p(x).

z is a deterministic function of mu, sigma and the noise eps, so that dz/dmu = 1 and dz/dlog sigma = sigma eps
= z - mu:

    >>> mean = torch.full((1, 1), 0.5, requires_grad=True)
    >>> log_sigma = torch.full((1, 1), -1.0, requires_grad=True)
    >>> z, log_q = _reparameterize(mean, log_sigma, Rng(seed=0, rows=1))
    >>> grad_mean, grad_log_sigma = torch.autograd.grad(z.sum(), [mean, log_sigma])
    >>> grad_mean.item(), torch.equal(grad_log_sigma, z - mean)
    (1.0, True)
    >>> n = 100_000
    >>> many, _ = _reparameterize(mean.expand(n, 1), log_sigma.expand(n, 1), Rng(seed=0, rows=n))
    >>> f"{many.mean():.2f} {many.std():.2f}", f"{math.exp(-1):.2f}"
    ('0.50 0.37', '0.37')
"""

__all__ = ["VAE", "VAESampler"]

import math
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Sampler
from morphogen.families.vae.likelihoods import ObservationModel
from morphogen.numerics.distributions import gaussian_kl, gaussian_log_prob
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import sum_except_batch
from morphogen.numerics.trees import Tree, length
from morphogen.objective_values import check_result


class VAE(Objective):
    r"""VAE loss: -log p(x | z) + beta KL(q(z | x) || N(0, I)),  z ~ q(z | x) = N(mu(x), sigma(x)^2).

    Kingma & Welling 2013. beta != 1 gives beta-VAE (Higgins et al. 2017), or, near 0, the first stage of
    latent diffusion (Rombach et al. 2022); `log_prob` does not use beta. A VAE is an `Autoencoder`, so
    `Latent` can use it as a first stage.

    Arguments:
        encoder: x, context -> mu and log sigma, concatenated on axis 1: [B, 2 D, ...]; x may have several
            parts by name.
        network: the decoder, z, context -> h [B, likelihood.outputs(C), ...].
        likelihood: the observation model p(x | h).
        latent_shape: shape of one z, (D,) or (D, h, w).
        beta: weight of the KL term, at least 0.
        bound_samples: k of the importance-weighted bound, which evaluates the decoder k times.
    """

    latent_vocabulary = None

    def __init__(
        self,
        encoder: nn.Module,
        network: nn.Module,
        likelihood: ObservationModel,
        latent_shape: tuple[int, ...],
        beta: float = 1.0,
        bound_samples: int = 1,
    ):
        super().__init__()
        self.encoder, self.network, self.likelihood = encoder, network, likelihood
        self.latent_shape, self.beta, self.bound_samples = tuple(latent_shape), beta, bound_samples

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        context, rng = self.receive_mask(x.mask, context, rng)
        mean, log_sigma = self.posterior(x.x, context)
        z = mean + log_sigma.exp() * rng.fork("posterior").normal(*self.latent_shape)
        reconstruction = -self.likelihood.log_prob(x.x, self.network(z, context))
        kl = sum_except_batch(gaussian_kl(mean, log_sigma))
        terms = {"reconstruction": reconstruction, "kl": self.beta * kl}
        return Losses(terms, metrics={"bound": (-reconstruction - kl).detach()})

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        """The importance-weighted bound; for k > 1 with `stderr` from the delta method."""
        context, rng = self.receive_mask(x.mask, context, rng)
        posterior, k = self.posterior(x.x, context), self.bound_samples
        log_w = torch.stack(
            [self._log_weight(x.x, posterior, context, rng.fork("posterior", i)) for i in range(k)]
        )
        nats = log_w.logsumexp(0) - math.log(k)
        stderr = (log_w - nats).exp().std(0) / math.sqrt(k) if k > 1 else None
        return Likelihood(nats, x.dims, "lower_bound", self.likelihood.measure, stderr)

    def predict(self, z: Float[Tensor, "b ..."], context: Context | None) -> Tree:
        """Parameters of p(x | z), a tree if x is one."""
        return self.network(z, context)

    def default_sampler(self) -> "VAESampler":
        return VAESampler()

    def posterior(
        self, x: Tree, context: Context | None
    ) -> tuple[Float[Tensor, " b *z"], Float[Tensor, " b *z"]]:
        """mu and log sigma of q(z | x), each [B, *latent_shape]."""
        channels, *sides = self.latent_shape
        result = self.encoder(x, context)
        mean, log_sigma = check_result(self.encoder, result, (length(x), 2 * channels, *sides)).chunk(2, 1)
        return mean, log_sigma

    def encode(self, x: Tree, rng: Rng) -> tuple[Float[Tensor, "b ..."], Float[Tensor, " b"]]:
        """Sample z ~ q(z | x); returns z and log q(z | x)."""
        return _reparameterize(*self.posterior(x, None), rng)

    def log_conditional(self, x: Tree, z: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        """log p(x | z)."""
        return self.likelihood.log_prob(x, self.network(z, None))

    def decode(self, z: Float[Tensor, "b ..."]) -> Tree:
        """The median of p(x | z)."""
        return self.likelihood.median(self.network(z, None))

    def _log_weight(
        self, x: Tree, posterior: tuple[Tensor, Tensor], context: Context | None, rng: Rng
    ) -> Tensor:
        """The log importance weight log p(x, z) - log q(z | x) of one z ~ q."""
        z, log_q = _reparameterize(*posterior, rng)
        return (
            self.likelihood.log_prob(x, self.network(z, context))
            + sum_except_batch(gaussian_log_prob(z))
            - log_q
        )


class VAESampler(Sampler):
    """Ancestral sampling: z ~ N(0, temperature^2 I), then x from p(x | z) (Kingma & Welling 2013).

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
        h = objective.predict(self.temperature * rng.fork("prior").normal(*objective.latent_shape), context)
        if self.draw == "median":
            return objective.likelihood.median(h)
        return objective.likelihood.sample(h, rng.fork("observation"))


def _reparameterize(mean: Tensor, log_sigma: Tensor, rng: Rng) -> tuple[Tensor, Tensor]:
    """Reparameterised sample z ~ N(mean, sigma^2) and its log-density [B], differentiable through z."""
    z = mean + log_sigma.exp() * rng.normal(*mean.shape[1:])
    return z, sum_except_batch(gaussian_log_prob(z, mean, log_sigma))
