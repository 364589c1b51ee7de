r"""Truncation of the styles of a generator: less variety, for samples nearer to the average one.

    w = mean_w + psi (mapping(z) - mean_w)                             psi = 1: the trained distribution

"A style-based generator architecture for generative adversarial networks" (Karras et al. 2019, appendix B).
Styles far from their mean were rare in training, and their pictures are worse.
"""

__all__ = ["Truncatable", "TruncationSampler"]

from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.contract import Context, Sampler, Unsupported
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree


@runtime_checkable
class Truncatable(Protocol):
    """A generator with a space of styles in which there is a mean."""

    def truncated(self, z: Tree, context: Context | None, psi: float) -> Float[Tensor, "b ..."]:
        """x of the style mean + psi (style of z - mean)."""
        ...


class TruncationSampler(Sampler):
    """Sample x with the style mean + psi (w - mean), of a generator such as StyleGAN2 (Karras et al. 2019).

    Arguments:
        psi: 1 is the trained distribution; 0.7 trades variety for fidelity; 0 has one style for each
            condition.
    """

    requires = "draw_latents"

    def __init__(self, psi: float = 0.7):
        self.psi = psi

    def check(self, objective: Any) -> None:
        super().check(objective)
        if not isinstance(objective.network, Truncatable):
            raise Unsupported(
                f"TruncationSampler requires a generator with styles, such as that of stylegan2, not a "
                f"{type(objective.network).__name__}: use GANSampler(temperature={self.psi:g})"
            )

    @torch.no_grad()
    def __call__(
        self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng
    ) -> Float[Tensor, "b ..."]:
        self.check(objective)
        z = objective.draw_latents(rng.fork("latent"))
        return objective.network.truncated(z, context, self.psi)
