r"""Where the chains of a training begin: at data, at noise, or where they ended before.

    FromData       contrastive divergence: a few steps from each example          (Hinton 2002)
    FromNoise      short chains, which learn to be a generator                    (Nijkamp et al. 2019)
    ReplayBuffer   persistent chains, which go on while the energy changes        (Tieleman 2008)

The fewer steps a chain has, the more its start matters. Chains that begin at data never find the modes that
the model has far from the data; chains that persist have as many steps as the training, and find them.
"""

__all__ = ["ChainStart", "FromData", "FromNoise", "ReplayBuffer"]

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like

Noise = Literal["uniform", "normal"]


@dataclass(frozen=True)
class Chains:
    """Where chains are: x [B, ...], the vectors of their conditions, their places and ages in a buffer."""

    x: Float[Tensor, "b ..."]
    vector: Float[Tensor, "b d"] | None = None
    places: Int[Tensor, " b"] | None = None
    ages: Int[Tensor, " b"] | None = None

    @property
    def context(self) -> Context | None:
        """The context of the energy of these chains."""
        return None if self.vector is None else Context(vector=self.vector)


class ChainStart(Component, nn.Module, ABC):
    """The start of the chains of the negative phase.

    Attributes:
        distribution: of noise: "uniform" on [-1, 1], for pictures, or "normal", N(0, I).
    """

    distribution: Noise = "uniform"

    @abstractmethod
    def begin(self, x: Float[Tensor, "b ..."], vector: Float[Tensor, "b d"] | None, rng: Rng) -> Chains:
        """The chains of a batch of examples x."""

    def noise(self, shape: tuple[int, ...], rng: Rng) -> Float[Tensor, "b ..."]:
        """The start of chains that do not begin at data."""
        return rng.normal(*shape) if self.distribution == "normal" else 2 * rng.uniform(*shape) - 1

    def statistics(self, ends: Chains) -> dict[str, Tensor]:
        """What `update` needs of the ends of the chains; sums over rows."""
        return {}

    def update(self, statistics: dict[str, Tensor]) -> None:
        """Keep the ends of the chains."""

    def continued(
        self, x: Float[Tensor, "b ..."], context: Context | None, rng: Rng
    ) -> Float[Tensor, "b ..."]:
        """Chains of the training with the condition of each row, drawn at random; x where there are none."""
        return x


class FromData(ChainStart):
    """Each chain begins at its example (contrastive divergence, Hinton 2002).

    Arguments:
        distribution: of noise, at which samples begin; see `ChainStart`.
    """

    def __init__(self, distribution: Noise = "uniform"):
        super().__init__()
        self.distribution = distribution

    def begin(self, x: Float[Tensor, "b ..."], vector: Float[Tensor, "b d"] | None, rng: Rng) -> Chains:
        return Chains(x, vector)


class FromNoise(ChainStart):
    """Each chain begins at noise (Nijkamp, Hill, Zhu & Wu 2019).

    Arguments:
        distribution: of noise; see `ChainStart`.
    """

    def __init__(self, distribution: Noise = "uniform"):
        super().__init__()
        self.distribution = distribution

    def begin(self, x: Float[Tensor, "b ..."], vector: Float[Tensor, "b d"] | None, rng: Rng) -> Chains:
        return Chains(self.noise(tuple(x.shape[1:]), rng).to(x), vector)


class ReplayBuffer(ChainStart):
    """Chains that persist (Tieleman 2008), and now and then begin again at noise (Du & Mordatch 2019).

    The chains are continued in turn: those of a batch are the next ones of the buffer, so that no two rows
    have the same chain. A chain keeps the condition of the example with which it began. The buffer is part
    of the model: a resumed training continues the same chains, and samples begin at the older half of them.

    Arguments:
        shape: of one x.
        chains: number of chains, at least the rows of a batch (10,000 in Du & Mordatch 2019).
        restart: probability that a chain begins again at noise (0.05 in Du & Mordatch 2019).
        vector: width of `context.vector` (0: unconditional), of a conditioner without parameters, `OneHot`.
        distribution: of noise; see `ChainStart`.

    Errors: ConfigError for arguments out of range, a batch with more rows than chains, another condition.
    """

    positions: Float[Tensor, "n ..."]
    vectors: Float[Tensor, "n d"]
    ages: Int[Tensor, " n"]
    following: Int[Tensor, ""]

    def __init__(
        self,
        shape: tuple[int, ...],
        chains: int = 1024,
        restart: float = 0.05,
        vector: int = 0,
        distribution: Noise = "uniform",
    ):
        super().__init__()
        if chains < 1 or not 0 <= restart <= 1:
            raise ConfigError(
                f"ReplayBuffer: chains={chains}, restart={restart:g}: give chains >= 1, restart in [0, 1]"
            )
        self.shape, self.chains, self.restart = tuple(shape), chains, restart
        self.vector, self.distribution = vector, distribution
        self.register_buffer("positions", torch.zeros(chains, *shape))
        self.register_buffer("vectors", torch.zeros(chains, vector))
        self.register_buffer("ages", torch.zeros(chains, dtype=torch.int64))  # updates since noise
        self.register_buffer("following", torch.zeros((), dtype=torch.int64))  # the next chain to continue

    def begin(self, x: Float[Tensor, "b ..."], vector: Float[Tensor, "b d"] | None, rng: Rng) -> Chains:
        width = 0 if vector is None else vector.shape[1]
        if width != self.vector:
            raise ConfigError(f"ReplayBuffer(vector={self.vector}): the context's vector has width {width}")
        if len(x) and int(rng.rows.max()) >= self.chains:
            raise ConfigError(
                f"ReplayBuffer(chains={self.chains}): a batch has more rows: give as many chains, or more"
            )
        places = (self.following + rng.rows) % self.chains
        kept = (self.ages[places] > 0) & (rng.fork("restart").uniform() >= self.restart)
        start = torch.where(
            expand_like(kept, x), self.positions[places], self.noise(self.shape, rng.fork("noise")).to(x)
        )
        given = None if vector is None else torch.where(kept[:, None], self.vectors[places], vector)
        return Chains(start, given, places, torch.where(kept, self.ages[places], 0))

    def statistics(self, ends: Chains) -> dict[str, Tensor]:
        assert ends.places is not None and ends.ages is not None
        kept = {"positions": ends.x, "ages": ends.ages + 1}
        kept |= {} if ends.vector is None else {"vectors": ends.vector}
        return {name: self._at(ends.places, name, rows) for name, rows in kept.items()}

    def update(self, statistics: dict[str, Tensor]) -> None:
        names = [name for name in ("positions", "ages", "vectors") if name in statistics]
        ends = {name: statistics[name].coalesce() for name in names}
        places = ends["positions"].indices()[0]
        for name, values in ends.items():
            self.get_buffer(name)[places] = values.values()
        self.following.copy_((self.following + len(places)) % self.chains)

    def continued(
        self, x: Float[Tensor, "b ..."], context: Context | None, rng: Rng
    ) -> Float[Tensor, "b ..."]:
        fits = (self.ages > 0).expand(len(x), -1)
        if self.vector and context is not None and context.vector is not None:
            fits = fits & (torch.cdist(context.vector.to(self.vectors), self.vectors) < 0.01)
        older = fits & (self.ages >= self.ages.median())  # the others are still close to noise
        fits = torch.where(older.any(1)[:, None], older, fits)
        chosen = rng.categorical(torch.where(fits, 0.0, -math.inf).masked_fill(~fits.any(1)[:, None], 0.0))
        return torch.where(expand_like(fits.any(1), x), self.positions[chosen].to(x), x)

    def _at(self, places: Tensor, name: str, rows: Tensor) -> Tensor:
        """The rows at their places in a sparse tensor of the size of a buffer, so that they add up."""
        buffer = self.get_buffer(name)
        return torch.sparse_coo_tensor(places[None], rows.to(buffer), buffer.shape, check_invariants=False)
