r"""The best of several samples of an embedding: the one with the largest inner product with the caption's.

    x = the x_j of x_1 .. x_k ~ p(x | c) with the largest <x_j, c.vector>

For pictures, `inference.best_of` ranks by a contrastive model.

Reference: Hierarchical text-conditional image generation with CLIP latents (DALL-E 2), Ramesh, Dhariwal,
Nichol, Chu & Chen, 2022, section 2.2.
"""

__all__ = ["BestMatch"]

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Context, Sampler
from morphogen.numerics.randomness import Rng


class BestMatch(Sampler):
    """The best of several samples by the inner product with `context.vector` (Ramesh et al. 2022).

    Without a vector it is the first sample. Guidance goes around it: `Guided(BestMatch(DDPM(64)), 2.0)`.

    Arguments:
        sampler: of x [B, E].
        candidates: number of samples of each row, 2 in the paper.

    Errors: ConfigError for fewer than one candidate; in a call, for a vector of another width than x.
    """

    def __init__(self, sampler: Sampler, candidates: int = 2):
        if candidates < 1:
            raise ConfigError(f"BestMatch: candidates={candidates}: draw at least 1, such as 2")
        self.sampler, self.candidates = sampler, candidates

    def check(self, objective: Any) -> None:
        self.sampler.check(objective)

    @torch.no_grad()
    def __call__(
        self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng
    ) -> Float[Tensor, "b e"]:
        vector = None if context is None else context.vector
        count = 1 if vector is None else self.candidates
        drawn = [self.sampler(objective, shape, context, rng.fork("candidate", i)) for i in range(count)]
        x = torch.stack(drawn)
        if vector is None:
            return x[0]
        if vector.shape[1:] != tuple(shape):
            raise ConfigError(
                f"BestMatch compares x {list(shape)} with context.vector {list(vector.shape[1:])}: they must "
                "be embeddings of one contrastive model, as EmbeddedCaption has them"
            )
        best = (x * vector).sum(2).argmax(0)
        return x[best, torch.arange(len(vector), device=x.device)]
