r"""Autoregressive models of vectors: the principal components as codes (DALL-E 2's other prior).

    y = B (x - mean),     code_k = bin of y_k in [-4 s_k, 4 s_k],     s_k = std of y_k, the largest first
    p(x | c) = prod_k p(code_k | code_<k, d, c),     d = bin of <x, c.vector> / E

The bins of the agreement d hold equally many of the first rows. In samples it is drawn from the upper half,
so that they fit the caption better than most of the data.

Reference: Hierarchical text-conditional image generation with CLIP latents (DALL-E 2), Ramesh, Dhariwal,
Nichol, Chu & Chen, 2022, section 2.2.
"""

__all__ = ["EmbeddingCodes", "EmbeddingSampler", "PrincipalCodes"]

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Context, Encoded, Losses, Objective, Sampler
from morphogen.families.autoregressive.decoding import Ancestral
from morphogen.families.autoregressive.objective import Autoregressive
from morphogen.numerics.randomness import Rng
from morphogen.steering import prediction

REACH = 4.0  # standard deviations of a component that the bins cover


class PrincipalCodes(Component, nn.Module):
    """Vectors [B, E] as codes [B, components] of their principal components, and back (Ramesh et al. 2022).

    What is lost are the other components and differences within a bin.

    Arguments:
        features: E.
        components: number of codes, at most E (319 of 1024 in the paper).
        bins: number of values of a code (1024 in the paper).

    Errors: ConfigError for more components than E, and fewer than 2 bins; in `fit`, for fewer rows than
    components.
    """

    mean: Float[Tensor, " e"]
    basis: Float[Tensor, "k e"]
    deviation: Float[Tensor, " k"]

    def __init__(self, features: int, components: int, bins: int = 1024):
        super().__init__()
        if not 0 < components <= features or bins < 2:
            raise ConfigError(
                f"PrincipalCodes: components={components}, bins={bins}: give 1 to {features} components and "
                "at least 2 bins"
            )
        self.features, self.components, self.bins = features, components, bins
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("basis", torch.eye(components, features))
        self.register_buffer("deviation", torch.ones(components))

    @torch.no_grad()
    def fit(self, x: Float[Tensor, "b e"]) -> None:
        """Find the components of these rows, of which there must be more than components."""
        if len(x) <= self.components:
            raise ConfigError(
                f"PrincipalCodes: {len(x)} rows do not determine {self.components} components: give a larger "
                f"batch, or at most {len(x) - 1} components"
            )
        mean = x.double().mean(0)
        _, scales, basis = torch.linalg.svd(x.double() - mean, full_matrices=False)
        self.mean.copy_(mean)
        self.basis.copy_(basis[: self.components])
        self.deviation.copy_((scales[: self.components] / (len(x) - 1) ** 0.5).clamp_min(1e-6))

    def encode(self, x: Float[Tensor, "b e"]) -> Int[Tensor, "b k"]:
        """The codes of vectors."""
        y = (x - self.mean) @ self.basis.T / self.deviation
        return ((y + REACH) * (self.bins / (2 * REACH))).long().clamp(0, self.bins - 1)

    def decode(self, codes: Int[Tensor, "b k"]) -> Float[Tensor, "b e"]:
        """The vectors in the middle of the bins, without the other components."""
        y = (codes + 0.5) * (2 * REACH / self.bins) - REACH
        return (y * self.deviation) @ self.basis + self.mean


class EmbeddingCodes(Objective):
    """An autoregressive model of vectors by codes of their principal components (Ramesh et al. 2022).

    The agreement is the first token of the sequence, which is given and not scored. The components and the
    bins of the agreement are those of the first rows of the training.

    Arguments:
        objective: of sequences of components + 1 codes, with `vector` of the context's width.
        codes: of the vectors.
    """

    prepare_rows = 2048
    edges: Float[Tensor, " n"]

    def __init__(self, objective: Autoregressive, codes: PrincipalCodes):
        super().__init__()
        self.objective, self.codes = objective, codes
        self.register_buffer("edges", torch.linspace(-1, 1, codes.bins + 1)[1:-1].clone())

    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        self.codes.fit(x.x)
        agreement, at = self._agreement(x.x, context), torch.arange(1, self.codes.bins) / self.codes.bins
        self.edges.copy_(agreement.float().quantile(at.to(agreement.device)))

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        """Negative log-likelihood in nats per code. Errors: ConfigError without a caption's embedding."""
        first = torch.bucketize(self._agreement(x.x, context), self.edges)[:, None]
        sequence = torch.cat([first, self.codes.encode(x.x)], 1)
        given = replace(context or Context(), prefix=first)
        return self.objective.losses(replace(x, x=sequence), given, rng, player)

    @prediction
    def predict(self) -> Any:
        """The next-code logits, which guidance changes."""
        return self.objective.predict

    def steered(self, wrap: Callable[[Any], Any]) -> Self:
        twin = super().steered(wrap)
        twin.__dict__["_modules"] = self._modules | {"objective": self.objective.steered(wrap)}
        return twin

    def default_sampler(self) -> "EmbeddingSampler":
        return EmbeddingSampler(Ancestral())

    def _agreement(self, x: Float[Tensor, "b e"], context: Context | None) -> Float[Tensor, " b"]:
        """The mean product with the caption's embedding: their cosine, if both have mean square 1."""
        if context is None or context.vector is None or context.vector.shape != x.shape:
            raise ConfigError("EmbeddingCodes requires captions in the space of x: use EmbeddedCaption")
        return (x * context.vector).mean(1)


class EmbeddingSampler(Sampler):
    """Draw the agreement from the upper part of its distribution, then the codes (Ramesh et al. 2022).

    Arguments:
        decoding: of the codes, such as `Ancestral()`, with or without guidance.
        part: the upper part, above 0, up to 1 (0.5 in the paper).

    Errors: ConfigError for another part.
    """

    requires = "codes"

    def __init__(self, decoding: Sampler, part: float = 0.5):
        if not 0 < part <= 1:
            raise ConfigError(f"EmbeddingSampler: part={part:g}: give a number above 0, up to 1, such as 0.5")
        self.decoding, self.part = decoding, part

    @torch.no_grad()
    def __call__(
        self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng
    ) -> Float[Tensor, "b e"]:
        self.check(objective)
        codes = objective.codes
        upper = math.ceil(self.part * codes.bins)
        first = codes.bins - 1 - rng.fork("agreement").integers(upper)
        given = replace(context or Context(), prefix=first[:, None])
        sequence = self.decoding(objective.objective, (codes.components + 1,), given, rng.fork("codes"))
        return codes.decode(sequence[:, 1:])
