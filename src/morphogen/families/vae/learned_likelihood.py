r"""The density of another family as p(x | z): its condition is the decoder's output.

    log p(x | z) = log p(x | context.vector = h(z)),     such as  sum_i log p(x_i | x_<i, h(z))

With an autoregressive model the observation model can generate x without z, and is trained to, unless the
KL term is warmed up, latents have free bits, or the model sees too little of x_<i (posterior collapse).

References: Generating sentences from a continuous space, Bowman, Vilnis, Vinyals, Dai, Jozefowicz & Bengio,
2016; Variational lossy autoencoder, Chen et al. 2017, for pictures.
"""

__all__ = ["LatentDecoding", "LearnedLikelihood"]

from typing import Any, Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Objective, Sampler
from morphogen.families.vae.likelihoods import ObservationModel
from morphogen.numerics.randomness import Rng


class LearnedLikelihood(ObservationModel, nn.Module):
    """p(x | h) of a model that is conditional on a vector, h [B, W], trained by the same bound.

    Arguments:
        objective: a model of x with an exact likelihood, such as `Autoregressive(network)`.
        shape: of one x.
        mode: how a reconstruction is drawn, such as `Greedy()`.
        measure: of the objective's likelihood.

    Errors: ConfigError, when it is evaluated, for a likelihood of another kind or measure.
    """

    accepts_mask = True  # padding is -1

    def __init__(
        self, objective: Objective, shape: tuple[int, ...], mode: Sampler,
        measure: Literal["mass", "density"] = "mass",
    ):  # fmt: skip
        super().__init__()
        self.objective, self.shape, self.mode, self.measure = objective, tuple(shape), mode, measure

    def outputs(self, channels: int) -> int:
        """Errors: ConfigError: the width of the condition is that of the objective's network."""
        raise ConfigError("LearnedLikelihood: the decoder's output is as wide as the network's `vector`")

    def log_prob(self, x: Shaped[Tensor, "b ..."], h: Float[Tensor, "b w"]) -> Float[Tensor, " b"]:
        dims = h.new_ones(len(x))
        found = self.objective.log_prob(Encoded(x, 0 * dims, dims), Context(vector=h), _no_noise(h))
        if (found.kind, found.measure) != ("exact", self.measure):
            name = type(self.objective).__name__
            raise ConfigError(
                f"LearnedLikelihood: {name} has {found.kind} likelihoods, a {found.measure}: "
                f"give a model with an exact one, and measure={found.measure!r}"
            )
        return found.nats

    def median(self, h: Float[Tensor, "b w"]) -> Shaped[Tensor, "b ..."]:
        """What `mode` draws, the same each time."""
        return self.mode(self.objective, self.shape, Context(vector=h), _no_noise(h))

    def sample(self, h: Float[Tensor, "b w"], rng: Rng) -> Shaped[Tensor, "b ..."]:
        return self.objective.default_sampler()(self.objective, self.shape, Context(vector=h), rng)

    def default_sampler(self) -> Sampler:
        return LatentDecoding(self.objective.default_sampler())


class LatentDecoding(Sampler):
    """Draw z from the prior, and x given z with a sampler of the likelihood's model (Bowman et al. 2016).

    Arguments:
        decoding: draws x, such as `Ancestral(logits_processors(top_p=0.9))`, `Greedy()` or `Beam(4)`.
        temperature: of the prior; smaller values give likelier, less diverse z.
    """

    requires = "sample_latents"

    def __init__(self, decoding: Sampler, temperature: float = 1.0):
        self.decoding, self.temperature = decoding, temperature

    @torch.no_grad()
    def __call__(
        self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng
    ) -> Shaped[Tensor, "b ..."]:
        self.check(objective)
        z = objective.sample_latents(context, rng.fork("prior"), self.temperature)
        given = Context(vector=objective.predict(z, context))
        return self.decoding(objective.likelihood.objective, shape, given, rng.fork("observation"))


def _no_noise(h: Tensor) -> Rng:
    """The same stream at every call."""
    return Rng(0, torch.arange(len(h), device=h.device))
