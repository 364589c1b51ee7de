r"""Latent-variable models with real-valued latents, trained by maximizing a bound of log p(x).

    z = g(eps; x),   eps ~ N(0, I),   so that  d/dphi E_q[f(z)] = E_eps[d/dphi f(g(eps; x))]

Auto-encoding variational Bayes, Kingma & Welling, 2013 (section 2.4, the reparameterisation).
"""

__all__ = ["VariationalModel"]

from abc import abstractmethod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.contract import Context, Encoded, Unsupported
from morphogen.families.vae.bounds import Bound
from morphogen.families.vae.latent_variable_model import LatentVariableModel, Reconstruction
from morphogen.numerics.masking import mark_missing
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree, index, leaves, tree_map


class VariationalModel(LatentVariableModel):
    """The base of `VAE` and `HierarchicalVAE` (Kingma & Welling 2013; Rezende, Mohamed & Wierstra 2014).

    `draw` is a differentiable function of eps ~ N(0, I).

    Attributes:
        bound: what training maximizes.
    """

    bound: Bound

    @abstractmethod
    def kl(self, draw: Any, context: Context | None) -> Float[Tensor, "b g"]:
        """KL(q(z | x) || p(z)) of each group of latents, in nats."""

    def log_posterior(self, z: Tree, inferred: Tree) -> Float[Tensor, " b"]:
        """log q(z | x) of any z. Errors: Unsupported for a posterior that only has that of its own draws."""
        raise Unsupported(f"{type(self).__name__} has the density of its own draws only")

    def reconstruct(self, x: Encoded, context: Context | None, rng: Rng) -> Reconstruction:
        context, rng = self.receive_mask(x.mask, context, rng)
        return self.bound.reconstruct(self, mark_missing(x.x, x.mask), context, rng)

    def update_from_statistics(self, statistics: dict[str, Tensor], step: int) -> None:
        self.bound.finish(step)

    def log_importance_weights(self, x: Tree, context: Context | None, eps: Tree) -> Float[Tensor, "b k"]:
        """log p(x, z) - log q(z | x) of the z that eps [B, k, ...] gives."""
        rows, k = next(leaves(eps)).shape[:2]
        each = torch.arange(rows, device=next(leaves(eps)).device).repeat_interleave(k)
        inferred = index(self.infer(x, context), each)
        context, flat = None if context is None else context[each], tree_map(lambda e: e.flatten(0, 1), eps)
        return self.log_weight(index(x, each), inferred, context, flat).reshape(rows, k)
