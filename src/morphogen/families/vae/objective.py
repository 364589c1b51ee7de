r"""The variational autoencoder: p(x) = int p(x | z) N(z; 0, I) dz, bounded through a learned posterior q(z | x).

    log p(x) >= E_q[log p(x | z)] - KL(q(z | x) || N(0, I))                              the ELBO
    log p(x) >= E log (1/k) sum_i p(x, z_i) / q(z_i | x),  z_i ~ q                       tighter with every k

The first line is descended, z = mu(x) + sigma(x) eps carrying the gradient through the draw ("Auto-encoding variational
Bayes", Kingma & Welling 2013; Rezende, Mohamed & Wierstra 2014). The second is measured ("Importance weighted autoencoders",
Burda, Grosse & Salakhutdinov 2016): with k = 1 it is the ELBO, and where q is the true posterior its every term is log p(x).

The draw is a function of mu and sigma, the chance is in eps alone, so that dz/dmu = 1 and dz/dlog sigma = sigma eps = z - mu:

    >>> mean, log_sigma = torch.full((1, 1), 0.5, requires_grad=True), torch.full((1, 1), -1.0, requires_grad=True)
    >>> z, log_q = _draw(mean, log_sigma, Rng(seed=0, rows=1))
    >>> to_mean, to_log_sigma = torch.autograd.grad(z.sum(), [mean, log_sigma])
    >>> to_mean.item(), torch.equal(to_log_sigma, z - mean)
    (1.0, True)
    >>> many, _ = _draw(mean.expand(100_000, 1), log_sigma.expand(100_000, 1), Rng(seed=0, rows=100_000))
    >>> f"{many.mean():.2f} {many.std():.2f}", f"{math.exp(-1):.2f}"
    ('0.50 0.37', '0.37')
"""

__all__ = ["VAE", "Prior"]

import math
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Sampler
from morphogen.families.vae.likelihoods import Observation
from morphogen.numerics.distributions import gaussian_kl, gaussian_log_prob
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import sum_rows


class VAE(Objective):
    r"""-ELBO(x) = -log p(x | z) + beta KL(q(z | x) || N(0, I)),  z ~ q(z | x) = N(mu(x), sigma(x)^2).

    Kingma & Welling 2013; beta other than 1 is beta-VAE (Higgins et al. 2017), or, near 0, the first stage of latent
    diffusion (Rombach et al. 2022). The measured bound has no beta. It is an `Autoencoder`, so `Latent` can stand on it.

    Arguments:
        encoder: x, context -> (mu, log sigma), joined on axis 1: [B, 2 D, ...].
        network: the decoder, z, context -> h [B, likelihood.outputs(C), ...].
        likelihood: p(x | h).
        latent_shape: of one z, (D,) or (D, h, w).
        beta: weight of the KL term, at least 0.
        bound_samples: k of the measured bound; its price is k decodings.
    """

    discrete_latent = False

    def __init__(
        self, encoder: nn.Module, network: nn.Module, likelihood: Observation, latent_shape: tuple[int, ...],
        beta: float = 1.0, bound_samples: int = 1,
    ):  # fmt: skip
        super().__init__()
        self.encoder, self.network, self.likelihood = encoder, network, likelihood
        self.latent_shape, self.beta, self.bound_samples = tuple(latent_shape), beta, bound_samples

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        mean, log_sigma = self.posterior(x.x, context)
        z = mean + log_sigma.exp() * rng.fork("posterior").normal(*self.latent_shape)
        reconstruction = -self.likelihood.log_prob(x.x, self.network(z, context))
        kl = sum_rows(gaussian_kl(mean, log_sigma))
        terms = {"reconstruction": reconstruction, "kl": self.beta * kl}
        return Losses(terms, metrics={"bound": (-reconstruction - kl).detach()})

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        """The importance weighted bound; `stderr` by the delta method where k > 1."""
        posterior, k = self.posterior(x.x, context), self.bound_samples
        log_w = torch.stack([self._log_weight(x.x, posterior, context, rng.fork("posterior", i)) for i in range(k)])
        nats = log_w.logsumexp(0) - math.log(k)
        stderr = (log_w - nats).exp().std(0) / math.sqrt(k) if k > 1 else None
        return Likelihood(nats, x.dims, "lower_bound", self.likelihood.measure, stderr)

    def sampler(self) -> "Prior":
        return Prior()

    def posterior(self, x: Float[Tensor, "b ..."], context: Context | None) -> tuple[Float[Tensor, " b *z"], Float[Tensor, " b *z"]]:
        """mu and log sigma of q(z | x), each of `latent_shape`."""
        mean, log_sigma = self.encoder(x, context).chunk(2, 1)
        return mean, log_sigma

    def encode(self, x: Float[Tensor, "b ..."], rng: Rng) -> tuple[Float[Tensor, "b ..."], Float[Tensor, " b"]]:
        """z ~ q(z | x) and log q(z | x)."""
        return _draw(*self.posterior(x, None), rng)

    def log_conditional(self, x: Float[Tensor, "b ..."], z: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        """log p(x | z)."""
        return self.likelihood.log_prob(x, self.network(z, None))

    def decode(self, z: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """The centre of p(x | z)."""
        return self.likelihood.centre(self.network(z, None))

    def _log_weight(self, x: Tensor, posterior: tuple[Tensor, Tensor], context: Context | None, rng: Rng) -> Tensor:
        """log p(x, z) - log q(z | x) at one z ~ q."""
        z, log_q = _draw(*posterior, rng)
        return self.likelihood.log_prob(x, self.network(z, context)) + sum_rows(gaussian_log_prob(z)) - log_q


class Prior(Sampler):
    """z ~ N(0, temperature^2 I), then p(x | z) (Kingma & Welling 2013).

    The default shows each p(x | z) by its centre, as the paper's figures do: the entries of x are independent given z, so
    that their noise is grain, not form. `draw="sample"` is the law that `log_prob` measures.

    Arguments:
        draw: the centre of p(x | z), or a sample of it.
        temperature: 1 is the prior; below 1, likelier and less varied.
    """

    def __init__(self, draw: Literal["centre", "sample"] = "centre", temperature: float = 1.0):
        self.draw, self.temperature = draw, temperature

    def __call__(self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng) -> Float[Tensor, "b ..."]:
        h = objective.network(self.temperature * rng.fork("prior").normal(*objective.latent_shape), context)
        likelihood = objective.likelihood
        return likelihood.centre(h) if self.draw == "centre" else likelihood.sample(h, rng.fork("observation"))


def _draw(mean: Tensor, log_sigma: Tensor, rng: Rng) -> tuple[Tensor, Tensor]:
    """z ~ N(mean, sigma^2) and its log-density [B]; the gradient flows through z."""
    z = mean + log_sigma.exp() * rng.normal(*mean.shape[1:])
    return z, sum_rows(gaussian_log_prob(z, mean, log_sigma))
