r"""Hierarchical variational autoencoder: groups of latents from coarse to fine, inferred from the top down.

    p(x, z) = p(x | z_1 .. z_L) prod_l p(z_l | z_<l),     q(z | x) = prod_l q(z_l | z_<l, x)
    log p(x) >= E_q log p(x | z) - sum_l E_q KL(q(z_l | z_<l, x) || p(z_l | z_<l))

Every factor is a diagonal Gaussian. The posterior is parameterised relative to the prior, mu_q = mu_p + dmu
and log sigma_q = log sigma_p + dlog sigma, so that an unused group costs nothing (Vahdat & Kautz 2020).
"""

__all__ = ["HierarchicalVAE"]

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.contract import Context
from morphogen.families.vae.bounds import ELBO, Bound
from morphogen.families.vae.likelihoods import ObservationModel
from morphogen.families.vae.variational import VariationalModel
from morphogen.numerics.distributions import gaussian_kl, gaussian_log_prob
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import sum_except_batch
from morphogen.numerics.trees import Tree

Gaussian = tuple[Tensor, Tensor]  # mean and log sigma
Latents = dict[str, Float[Tensor, "b ..."]]


@dataclass(frozen=True)
class TopDownDraw:
    """One z ~ q(z | x) of each row, group by group, with h after the last group."""

    z: Latents
    q: dict[str, Gaussian]
    p: dict[str, Gaussian]
    h: Float[Tensor, "b c h w"]

    @property
    def log_q(self) -> Float[Tensor, " b"]:
        """log q(z | x)."""
        return _log_prob(self.z, self.q)


class HierarchicalVAE(VariationalModel):
    r"""A VAE with several groups of latents (Sonderby et al. 2016; Kingma et al. 2016; Child 2021).

    It is an `Autoencoder` with several latents, by name.

    Arguments:
        network: a bottom-up and a top-down pass, such as `Ladder`; its `latent_shape` has the groups.
        likelihood: the observation model p(x | h).
        bound: what training maximizes; None: `ELBO()`. `free_nats` are those of each group.
        bound_samples: k of the importance-weighted bound of `log_prob`.
    """

    def __init__(
        self,
        network: nn.Module,
        likelihood: ObservationModel,
        bound: Bound | None = None,
        bound_samples: int = 1,
    ):
        super().__init__()
        self.network: Any = network
        self.likelihood, self.bound, self.bound_samples = likelihood, bound or ELBO(), bound_samples
        self.latent_shape = self.network.latent_shape
        self.latent_vocabulary = dict.fromkeys(self.latent_shape)

    def infer(self, x: Tree, context: Context | None) -> Tree:
        return self.network.features(x, context)

    def draw(self, inferred: Tree, context: Context | None, eps: Tree) -> TopDownDraw:
        q: dict[str, Gaussian] = {}

        def infer(name: str, h: Tensor, p: Gaussian) -> Tensor:
            change = self.network.posterior(name, h, inferred, context).chunk(2, 1)
            q[name] = mean, log_sigma = p[0] + change[0], p[1] + change[1]
            return mean + log_sigma.exp() * eps[name]

        z, p, h = self._descend(len(next(iter(eps.values()))), context, infer)
        return TopDownDraw(z, q, p, h)

    def parameters_of(self, draw: TopDownDraw, context: Context | None) -> Tree:
        return self.network.output(draw.h)

    def log_prior(self, draw: TopDownDraw, context: Context | None) -> Float[Tensor, " b"]:
        return _log_prob(draw.z, draw.p)

    def kl(self, draw: TopDownDraw, context: Context | None) -> Float[Tensor, "b g"]:
        divergences = [sum_except_batch(gaussian_kl(*draw.q[name], *draw.p[name])) for name in draw.q]
        return torch.stack(divergences, 1)

    def predict(self, z: Tree, context: Context | None) -> Tree:
        *_, h = self._descend(len(next(iter(z.values()))), context, lambda name, h, p: z[name])
        return self.network.output(h)

    def sample_latents(self, context: Context | None, rng: Rng, temperature: float) -> Latents:
        eps = self.noise(rng)

        def draw(name: str, h: Tensor, p: Gaussian) -> Tensor:
            return p[0] + temperature * p[1].exp() * eps[name]

        return self._descend(len(rng), context, draw)[0]

    def _descend(
        self, rows: int, context: Context | None, choose: Callable[[str, Tensor, Gaussian], Tensor]
    ) -> tuple[Latents, dict[str, Gaussian], Tensor]:
        """The top-down pass, in which `choose` gives every z_l; z, the priors and the last h."""
        z, priors, h = {}, {}, self.network.begin(rows, context)
        for name in self.latent_shape:
            priors[name] = p = tuple(self.network.prior(name, h, context).chunk(2, 1))
            z[name] = choose(name, h, p)
            h = self.network.merge(name, h, z[name], context)
        return z, priors, h


def _log_prob(z: Latents, parameters: dict[str, Gaussian]) -> Float[Tensor, " b"]:
    """The sum over groups of log N(z_l; mean_l, sigma_l^2)."""
    groups = [sum_except_batch(gaussian_log_prob(z[name], *parameters[name])) for name in z]
    return torch.stack(groups).sum(0)
