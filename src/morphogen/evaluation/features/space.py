"""A feature space: a fixed map from a medium to vectors, in which sets of samples are compared.

A distance is meaningful only together with its features, so a space has a name, a hash of its weights, the
rule by which it resizes pictures, and says whether nearness in it means likeness. Random weights come from a
keyed uniform generator (multiples of 2^-32 before rounding) and are bit-identical on every machine.

No paper: the spaces have their references.
"""

__all__ = ["Features", "digest", "random_weights"]

import hashlib
import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from morphogen.contract import Representation
from morphogen.data.dataset import Examples
from morphogen.numerics.randomness import Rng
from morphogen.representations.given import medium_of, tensor_of


class Features(ABC):
    """Base class of fixed feature extractors, medium -> vectors.

    Attributes:
        name: name in a report.
        sha256: hash of the weights.
        fidelity: whether near vectors mean similar examples, as precision, recall, density and coverage
            assume; of random weights only the moments, and so the Frechet distance, mean something.
        resize: the rule by which pictures are resized, in words; "": not at all.
        affordable: largest number of training examples whose features are worth their time.
        representation: of the data that the space is for, which checks what it is given; None: not known.
    """

    name: str
    sha256: str
    fidelity: bool = True
    resize: str = ""
    affordable: int = 10_000
    representation: Representation | None = None
    _known: tuple[Examples, Float[Tensor, "n d"]] | None = None

    def __call__(self, medium: Any) -> Float[Tensor, "n d"]:
        """Features of each row of the medium or of `Samples`. Errors: ConfigError for another medium."""
        return self.extract(self.check(medium))

    def check(self, medium: Any) -> Shaped[Tensor, "n ..."]:
        """The medium as `embed` takes it. Errors: ConfigError for others, as in `log_prob`."""
        values = medium_of(medium)
        if self.representation is not None:
            return self.representation.check(values)
        return values if isinstance(values, Tensor) else tensor_of(values, "samples")

    @torch.no_grad()
    def extract(self, medium: Shaped[Tensor, "n ..."]) -> Float[Tensor, "n d"]:
        """Features of each row of a medium that was checked, computed on the CPU in batches of 256."""
        return torch.cat([self.embed(rows) for rows in medium.cpu().split(256)])

    def reference(self, examples: Examples) -> Float[Tensor, "n d"]:
        """Features of the first `affordable` examples, computed once for all models that are compared."""
        if self._known is None or self._known[0] is not examples:
            self._known = examples, self.extract(examples.first(self.affordable).medium)
        return self._known[1]

    @abstractmethod
    def embed(self, medium: Shaped[Tensor, "b ..."]) -> Float[Tensor, "b d"]:
        """Features of one batch."""


def random_weights(seed: int, name: str, shape: tuple[int, ...]) -> Float[Tensor, "n ..."]:
    """Uniform weights with variance 2 / fan_in (He et al. 2015), one row per output."""
    fan_in = math.prod(shape[1:])
    return (2 * Rng(seed, shape[0], ("features", name)).uniform(*shape[1:]) - 1) * math.sqrt(6 / fan_in)


def digest(weights: list[Shaped[Tensor, "..."]]) -> str:
    """Hash of tensors."""
    content = b"".join(weight.contiguous().numpy().tobytes() for weight in weights)
    return hashlib.sha256(content).hexdigest()
