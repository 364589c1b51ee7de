r"""Lower bounds of log p(x) that a VAE maximizes.

    ELBO(beta, warmup, free_nats)    E_q log p(x | z) - beta KL(q(z | x) || p(z))
    ImportanceWeighted(samples)      E log (1/k) sum_i p(x, z_i) / q(z_i | x),   z_i ~ q(z | x)

The second is tighter, increases with k, and is the first for k = 1 (Burda, Grosse & Salakhutdinov 2016). Both
are unbiased objectives; only their gradients with respect to the encoder differ in noise. Evaluation uses the
importance-weighted bound, whatever bound was trained.
"""

__all__ = ["ELBO", "Bound", "ImportanceWeighted"]

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Context, Losses
from morphogen.families.vae.annealing import Annealing
from morphogen.families.vae.latent_variable_model import Reconstruction
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree


class Bound(Component, nn.Module, ABC):
    """What training maximizes; the loss is its negative."""

    @abstractmethod
    def reconstruct(self, vae: Any, x: Tree, context: Context | None, rng: Rng) -> Reconstruction:
        """The losses of each row and the parameters of p(x | z), given a `VariationalModel`."""

    def finish(self, step: int) -> None:
        """Called after each finite step."""


class ELBO(Bound):
    r"""E_q[-log p(x | z)] + beta_t sum_g max(KL_g, free_nats),   beta_t = beta min(1, t / warmup).

    Kingma & Welling 2013. beta > 1 is the beta-VAE (Higgins et al. 2017), and near 0 the first stage of
    latent diffusion (Rombach et al. 2022). Warm-up (Bowman et al. 2016; Sonderby et al. 2016) and free bits
    (Kingma et al. 2016, eq. 15) keep latents in use that the prior term would switch off early. KL_g is the
    mean over the batch of a group of latents, so free bits couple the rows.

    Arguments:
        beta: weight of the divergence, at least 0.
        warmup: number of steps over which the weight grows linearly from 0; 0: none.
        free_nats: divergence of each group of latents, in nats, below which it costs nothing; at least 0.
    """

    def __init__(self, beta: float = 1.0, warmup: int = 0, free_nats: float = 0.0):
        super().__init__()
        if beta < 0 or warmup < 0 or free_nats < 0:
            raise ConfigError(
                f"ELBO: beta={beta:g}, warmup={warmup}, free_nats={free_nats:g}: give values of at least 0"
            )
        self.beta, self.warmup, self.free_nats = beta, warmup, free_nats
        self.coupled_rows = free_nats > 0
        self.annealing = Annealing(warmup)

    def reconstruct(self, vae: Any, x: Tree, context: Context | None, rng: Rng) -> Reconstruction:
        draw = vae.draw(vae.infer(x, context), context, vae.noise(rng.fork("posterior")))
        h, kl = vae.parameters_of(draw, context), vae.kl(draw, context)
        reconstruction = -vae.likelihood.log_prob(x, h)
        metrics = {"bound": (-reconstruction - kl.sum(1)).detach()}
        terms = {"reconstruction": reconstruction, "kl": self.weight * self._above_free(kl).sum(1)}
        rows = reconstruction.new_tensor(float(len(reconstruction)))
        statistics = {"rows": rows} if self.warmup else {}
        return Reconstruction(Losses(terms, metrics=metrics, statistics=statistics), h)

    @property
    def weight(self) -> float | Float[Tensor, ""]:
        """beta_t, at the current step."""
        return self.beta * self.annealing.fraction

    def finish(self, step: int) -> None:
        self.annealing.finish(step)

    def _above_free(self, kl: Float[Tensor, "b g"]) -> Float[Tensor, "b g"]:
        return torch.where(kl.mean(0) > self.free_nats, kl, self.free_nats) if self.free_nats else kl


class ImportanceWeighted(Bound):
    r"""-log (1/k) sum_i w_i,   w_i = p(x | z_i) p(z_i) / q(z_i | x),   z_i ~ q(z | x).

    "Importance weighted autoencoders", Burda, Grosse & Salakhutdinov, 2016 (eq. 8).

    Arguments:
        samples: k, at least 1; a step costs k evaluations of the decoder.
    """

    def __init__(self, samples: int):
        super().__init__()
        if samples < 1:
            raise ConfigError(f"ImportanceWeighted: samples={samples}: give at least 1")
        self.samples = samples

    def reconstruct(self, vae: Any, x: Tree, context: Context | None, rng: Rng) -> Reconstruction:
        log_w = vae.log_importance_weights(x, context, vae.noise(rng.fork("posterior"), self.samples))
        bound = log_w.logsumexp(1) - math.log(self.samples)
        return Reconstruction(Losses({"bound": -bound}, metrics={"elbo": log_w.detach().mean(1)}), None)
