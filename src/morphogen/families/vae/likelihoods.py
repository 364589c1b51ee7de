"""Observation models p(x | z): distributions with independent entries, parameterised by the decoder's output.

    Gaussian(sigma)                continuous data, a density; h = mean
    LearnedGaussian()              the same; h = (mean, log sigma) of each entry
    Softmax(classes)               a class, a probability mass; h = logits
    Joint(name=model, ...)         several parts by name, each with its h

Those of values on a grid, such as pixels, are in `grid_likelihoods.py`.

The observation model determines which detail the latent retains. A density of data on a grid is unbounded; a
squared error is the log-likelihood of a Gaussian with an implicit sigma. `outputs` returns the number of
channels of h, for sizing the decoder.

Reference: Auto-encoding variational Bayes, Kingma & Welling, 2013 (appendix C).
"""

__all__ = ["Gaussian", "Joint", "LearnedGaussian", "ObservationModel", "Softmax"]

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from morphogen.component import Component
from morphogen.contract import Sampler
from morphogen.families.vae.sampler import VAESampler
from morphogen.numerics.distributions import gaussian_log_prob, isotropic_log_prob
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import sum_except_batch
from morphogen.numerics.trees import Tree
from morphogen.objective_values import check_result


class ObservationModel(Component, ABC):
    """p(x | h), with the entries of x [B, C, ...] independent given h [B, outputs(C), ...].

    x and h may be trees, which a subclass may narrow to tensors.
    """

    measure: Literal["mass", "density"]

    def check(self, x: Tree) -> None:
        """Check that x has a probability under this model. Errors: ConfigError."""

    def marginal(self, x: Tree) -> Tree | None:
        """h of the best p(x | h) that ignores z, without the axis of rows; None: not known in closed form."""
        return None

    @abstractmethod
    def outputs(self, channels: Any) -> Any:
        """Number of channels of h for x with `channels` channels."""

    @abstractmethod
    def log_prob(self, x: Tree, h: Tree) -> Float[Tensor, " b"]:
        """log p(x | h) in nats."""

    @abstractmethod
    def median(self, h: Tree) -> Tree:
        """The median of each entry, shown as the reconstruction; of a class, the mode."""

    @abstractmethod
    def sample(self, h: Tree, rng: Rng) -> Tree:
        """Sample x ~ p(x | h)."""

    def default_sampler(self) -> Sampler:
        """How a model with this likelihood is sampled, unless told: the median of p(x | z)."""
        return VAESampler()


class Gaussian(ObservationModel):
    r"""Gaussian of fixed sigma: p(x | h) = N(x; h, sigma^2) (Kingma & Welling 2013, appendix C.2).

    Arguments:
        sigma: standard deviation of each entry, in units of x; positive.
    """

    measure = "density"

    def __init__(self, sigma: float):
        self.sigma = sigma

    def outputs(self, channels: int) -> int:
        return channels

    def log_prob(self, x: Float[Tensor, "b ..."], h: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        check_result("the decoder", h, (len(x), self.outputs(x.shape[1]), *x.shape[2:]))
        return isotropic_log_prob(x, h, self.sigma)

    def median(self, h: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        return h

    def sample(self, h: Float[Tensor, "b ..."], rng: Rng) -> Float[Tensor, "b ..."]:
        return h + self.sigma * rng.normal(*h.shape[1:])


class LearnedGaussian(ObservationModel):
    r"""Gaussian whose scale is learned: p(x | h) = N(x; mean, sigma^2), h = (mean, log sigma) of each entry.

    Kingma & Welling 2013 (appendix C.2). Unlike a squared error, it weighs the reconstruction against the KL
    term by itself (Rybkin, Daniilidis & Levine 2021).

    Arguments:
        floor: lower bound of log sigma; without it, sigma tends to 0 for an entry that is constant in the
        data.
    """

    measure = "density"

    def __init__(self, floor: float = -7.0):
        self.floor = floor

    def outputs(self, channels: int) -> int:
        return 2 * channels

    def log_prob(self, x: Float[Tensor, "b ..."], h: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        check_result("the decoder", h, (len(x), self.outputs(x.shape[1]), *x.shape[2:]))
        return sum_except_batch(gaussian_log_prob(x, *self._split(h)))

    def median(self, h: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        return self._split(h)[0]

    def sample(self, h: Float[Tensor, "b ..."], rng: Rng) -> Float[Tensor, "b ..."]:
        mean, log_sigma = self._split(h)
        return mean + log_sigma.exp() * rng.normal(*mean.shape[1:])

    def _split(self, h: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_sigma = h.chunk(2, 1)
        return mean, self.floor + F.softplus(log_sigma - self.floor)


class Softmax(ObservationModel):
    """A class with probabilities softmax(h): x int64 [B], h [B, classes] (Kingma et al. 2014).

    Arguments:
        classes: number of classes.
    """

    measure = "mass"

    def __init__(self, classes: int):
        self.classes = classes

    def outputs(self, channels: int) -> int:
        return self.classes

    def log_prob(self, x: Int[Tensor, " b"], h: Float[Tensor, "b k"]) -> Float[Tensor, " b"]:
        check_result("the decoder", h, (len(x), self.classes))
        return -F.cross_entropy(h, x, reduction="none")

    def median(self, h: Float[Tensor, "b k"]) -> Int[Tensor, " b"]:
        return h.argmax(1)

    def sample(self, h: Float[Tensor, "b k"], rng: Rng) -> Int[Tensor, " b"]:
        return rng.categorical(h)


class Joint(ObservationModel):
    """Parts that are independent given z: log p(x | h) = sum over names of log p(x[name] | h[name]).

    Joint multimodal learning with deep generative models, Suzuki, Nakayama & Matsuo, 2016.

    Arguments:
        parts: `name=observation model`; x and h are mappings with these names.
    """

    def __init__(self, **parts: ObservationModel):
        self.parts = parts
        mass = all(part.measure == "mass" for part in parts.values())
        self.measure = "mass" if mass else "density"  # of the product of both kinds of measure

    def outputs(self, channels: Mapping[str, int]) -> dict[str, int]:
        return {name: part.outputs(channels[name]) for name, part in self.parts.items()}

    def log_prob(self, x: Mapping[str, Tree], h: Mapping[str, Tree]) -> Float[Tensor, " b"]:
        return torch.stack([part.log_prob(x[name], h[name]) for name, part in self.parts.items()]).sum(0)

    def median(self, h: Mapping[str, Tree]) -> dict[str, Tree]:
        return {name: part.median(h[name]) for name, part in self.parts.items()}

    def sample(self, h: Mapping[str, Tree], rng: Rng) -> dict[str, Tree]:
        return {name: part.sample(h[name], rng.fork(name)) for name, part in self.parts.items()}
