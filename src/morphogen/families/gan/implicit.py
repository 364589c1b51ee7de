r"""Implicit models: a generator x = G(z), z ~ N(0, I), whose density is not known.

    p(x) dx = the measure of {z: G(z) in dx}

Learning in implicit generative models, Mohamed & Lakshminarayanan, 2016. They are sampled in one pass, and
trained by a critic that compares samples with data, in alternating turns of two players.
"""

__all__ = ["CRITIC", "GENERATOR", "ImplicitModel", "TwoPlayers", "in_fp32"]

from abc import abstractmethod
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.contract import Context, Objective, owned
from morphogen.families.gan.sampler import GANSampler
from morphogen.families.gan.variation import Variation
from morphogen.networks.lipschitz import constrain_parts
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree

CRITIC, GENERATOR = "critic", "generator"


class ImplicitModel(Objective):
    """x = G(z).

    Attributes:
        network: G, z, context -> x.
        latent: dimension of z, or the shapes of its parts by name, which G takes as a mapping; 0: G is a
            function of the context alone.
    """

    network: nn.Module
    latent: int | Mapping[str, tuple[int, ...]]

    def draw_latents(self, rng: Rng, temperature: float = 1.0) -> Tree:
        """z ~ N(0, temperature^2 I), [B, latent], or its parts by name."""
        if not isinstance(self.latent, Mapping):
            return temperature * rng.normal(self.latent)
        return {name: temperature * rng.fork(name).normal(*shape) for name, shape in self.latent.items()}

    def predict(self, z: Tree, context: Context | None) -> Float[Tensor, "b ..."]:
        """x = G(z)."""
        return self.network(z, context)

    def default_sampler(self) -> GANSampler:
        return GANSampler()


class TwoPlayers(ImplicitModel):
    """Generators and critics that train in turns.

    The generators are the first player, to which the conditioner's parameters belong. After each turn of the
    critics, their `Constrained` parts, such as `ClippedWeights`, are brought up to date. How much the samples
    vary is monitored in the generators' turns, whose losses have the statistics of `variation`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.variation = Variation()

    @abstractmethod
    def networks(self) -> dict[str, list[nn.Module]]:
        """The networks of `GENERATOR` and of `CRITIC`."""

    def players(self) -> dict[str, list[nn.Parameter]]:
        return {name: [p for part in parts for p in owned(part)] for name, parts in self.networks().items()}

    def update_from_statistics(self, statistics: dict[str, Tensor], step: int) -> None:
        if CRITIC not in statistics:
            self.variation.update(statistics)
            return
        for critic in self.networks()[CRITIC]:
            constrain_parts(critic)

    def collapse(self) -> str | None:
        return self.variation.collapse


def in_fp32(scores: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
    """Scores in fp32 or wider."""
    return scores if scores.dtype == torch.float64 else scores.float()
