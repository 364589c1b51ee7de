"""Sampling of generators: one pass from latents to x.

x = G(T z),   z ~ N(0, I)
"""

__all__ = ["GANSampler"]

from typing import Any

from jaxtyping import Float
from torch import Tensor

from morphogen.contract import Context, Sampler
from morphogen.numerics.randomness import Rng


class GANSampler(Sampler):
    """Sample x = G(z), z ~ N(0, temperature^2 I) (Goodfellow et al. 2014).

    Arguments:
        temperature: 1 is the trained distribution; smaller values trade diversity for fidelity (Brock et al.
            2019 truncate z instead).
    """

    requires = "draw_latents"

    def __init__(self, temperature: float = 1.0):
        self.temperature = temperature

    def __call__(
        self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng
    ) -> Float[Tensor, "b ..."]:
        self.check(objective)
        return objective.predict(objective.draw_latents(rng.fork("latent"), self.temperature), context)
