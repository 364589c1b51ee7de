"""Ancestral sampling of latent-variable models: z from the prior, then x from p(x | z)."""

__all__ = ["VAESampler"]

from typing import Any, Literal

from morphogen.contract import Context, Sampler
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree


class VAESampler(Sampler):
    """Ancestral sampling: z from the prior, then x from p(x | z) (Kingma & Welling 2013).

    The default returns the median of p(x | z), as the paper's figures do, because sampling entries that are
    independent given z only adds pixel noise. `draw="sample"` samples the distribution that `log_prob`
    evaluates.

    Arguments:
        draw: "median" for the median of p(x | z), "sample" for a sample.
        temperature: 1 is the prior; smaller values give likelier, less diverse samples.
    """

    requires = "sample_latents"

    def __init__(self, draw: Literal["median", "sample"] = "median", temperature: float = 1.0):
        self.draw, self.temperature = draw, temperature

    def __call__(self, objective: Any, shape: Any, context: Context | None, rng: Rng) -> Tree:
        self.check(objective)
        z = objective.sample_latents(context, rng.fork("prior"), self.temperature)
        h = objective.predict(z, context)
        if self.draw == "median":
            return objective.likelihood.median(h)
        return objective.likelihood.sample(h, rng.fork("observation"))
