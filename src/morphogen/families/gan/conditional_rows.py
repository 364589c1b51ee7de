r"""CTGAN's conditional vector: generator and critic know one category of each row, rare ones more often.

    column i ~ uniform,   category k ~ P_log(k) = log(1 + n_k) / sum_l log(1 + n_l),   c = 1_(i, k)

    critic        real rows with category k against G(z, c)
    generator     of D(G(z, c), c), and - log G(z, c)_(i, k): the row must have the category

The paper draws a real row with the category. The rows of a batch are what the loop gives here, so the same
expectation has weights. With r_i = P_log(k_i) / P(k_i) of a row's category k_i in column i of C,

    column i ~ r_i / sum_j r_j,     weight = sum_j r_j / C

which needs no index of the data, and is right on any number of ranks. Samples have the categories in the
proportions P of the data.

"Modeling tabular data using conditional GAN" (Xu, Skoularidou, Cuesta-Infante & Veeramachaneni, 2019, section
4.3, "training by sampling").
"""

__all__ = ["ConditionalRows"]

from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Losses
from morphogen.families.gan.games import Game
from morphogen.families.gan.implicit import CRITIC
from morphogen.families.gan.objective import Adversarial
from morphogen.families.gan.penalties import Penalty
from morphogen.numerics.randomness import Rng, invert_cdf
from morphogen.numerics.trees import Tree


class ConditionalRows(Adversarial):
    """`Adversarial` of table rows with one-hot blocks, with a conditional vector (Xu et al. 2019).

    The vector has C entries, one for each category of each column of categories. It is appended to
    `context.vector`, such as the class; network and critic are of this width.

    Arguments:
        network, critic, latent, game, penalty, critic_steps: of `Adversarial`.
        table: `ModeSpecific` rows.
        weight: of the generator's cross entropy.

    Errors: ConfigError for a table without categories.
    """

    slots: Int[Tensor, " c"]
    frequent: Float[Tensor, " c"]
    sampled: Float[Tensor, " c"]

    def __init__(
        self, network: nn.Module, critic: nn.Module, latent: Mapping[str, tuple[int, ...]], game: Game,
        table: Any, penalty: Penalty | None = None, critic_steps: int = 1, weight: float = 1.0,
    ):  # fmt: skip
        super().__init__(network, critic, latent, game, penalty, critic_steps)
        self.table, self.weight = table, weight
        if not table.words:
            raise ConfigError("ConditionalRows: the table has no column of categories: use Adversarial")
        masses, ends = table.masses, [*accumulate(table.sizes)]
        logs = [(1 + masses[j] * table.source.rows).log() for j in table.words]
        places = [torch.arange(ends[j] - table.sizes[j], ends[j]) for j in table.words]
        self.register_buffer("slots", torch.cat(places), persistent=False)
        # P and P_log of all columns, each divided by C
        for name, parts in (
            ("frequent", [masses[j] for j in table.words]),
            ("sampled", [log / log.sum() for log in logs]),
        ):
            self.register_buffer(name, torch.cat(parts).float() / len(table.words), persistent=False)

    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        vector = self._one(self.frequent.expand(len(rng), -1), rng.fork("condition").uniform())
        super().prepare(x, _with(context, vector), rng)

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        u, weight = rng.fork("condition").uniform(), None
        if player == CRITIC:
            ratios = x.x[:, self.slots] * (self.sampled / self.frequent) / len(self.table.words)
            vector, weight = self._one(ratios, u), ratios.sum(1)
        else:
            vector = self._one(self.sampled.expand(len(rng), -1), u)
        return replace(super().losses(x, _with(context, vector), rng, player), weight=weight)

    def generator_terms(
        self, real: Float[Tensor, "b d"], fake: Float[Tensor, "b d"], context: Context | None
    ) -> dict[str, Float[Tensor, " b"]]:
        """The cross entropy of the category that the row must have."""
        vector = _vector(context)[:, -len(self.slots) :]
        mass = (fake[:, self.slots].float() * vector).sum(1)
        return {"condition": -self.weight * mass.clamp_min(torch.finfo(mass.dtype).tiny).log()}

    def draw_latents(self, rng: Rng, temperature: float = 1.0) -> dict[str, Tensor]:
        """Those of the generator, and a number that chooses the category."""
        return {**super().draw_latents(rng, temperature), "condition": rng.fork("condition").normal(1)}

    def predict(self, z: Tree, context: Context | None) -> Float[Tensor, "b d"]:
        """Rows x = G(z, c), c in the proportions of the data."""
        u = torch.special.ndtr(z["condition"][:, 0])
        vector = self._one(self.frequent.expand(len(u), -1), u)
        return self.network(z, _with(context, vector))

    def _one(self, masses: Float[Tensor, "b c"], u: Float[Tensor, " b"]) -> Float[Tensor, "b c"]:
        """One entry of each row, one-hot, in proportion to the masses."""
        return F.one_hot(invert_cdf(masses.log(), u), len(self.slots)).to(masses)


def _with(context: Context | None, vector: Float[Tensor, "b c"]) -> Context:
    """The context with a longer vector."""
    if context is None or context.vector is None:
        return replace(context or Context(), vector=vector)
    return replace(context, vector=torch.cat([context.vector, vector.to(context.vector)], 1))


def _vector(context: Context | None) -> Float[Tensor, "b c"]:
    """The vector of a context that has one."""
    if context is None or context.vector is None:
        raise ConfigError("ConditionalRows: the context has no vector: call losses, which sets it")
    return context.vector
