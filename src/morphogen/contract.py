"""The contract: a generative model is a conditional law p(x | c) made of four orthogonal parts,

    family (objective + its samplers)  x  network  x  representation  x  conditioner

and these are their roles, with the values that pass between them. Nothing here knows a family, a medium or a loop.
Shapes: B rows of a batch, T positions, D features, C channels, H x W pixels. Nats throughout.
"""

__all__ = [
    "Autoencoder", "Batch", "Boundary", "Causal", "Conditioner", "Context", "Encoded", "Likelihood", "Losses", "Memory",
    "Objective", "Reads", "Representation", "Rewinds", "Sampler", "Selects", "Unsupported", "owned",
]  # fmt: skip

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Protocol, Self, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int, Real, Shaped
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.numerics.randomness import Rng


class Unsupported(NotImplementedError):
    """What was asked does not exist for this model; the message says what to ask instead."""


@dataclass(frozen=True)
class Batch:
    """Rows of a data set: the medium as tensors, and what it may be conditioned on (labels int64 [B]; None: nothing)."""

    medium: Shaped[Tensor, "b ..."]
    condition: Shaped[Tensor, "b ..."] | None = None

    def __len__(self) -> int:
        return len(self.medium)

    def __getitem__(self, rows: slice | Shaped[Tensor, " n"]) -> "Batch":
        return Batch(self.medium[rows], None if self.condition is None else self.condition[rows])

    def to(self, device: torch.device | str) -> "Batch":
        """The same rows on `device`."""
        return Batch(self.medium.to(device), None if self.condition is None else self.condition.to(device))


@dataclass(frozen=True)
class Context:
    """What a network may look at besides x. `null`, the same without the condition, is there only if it was trained for."""

    vector: Float[Tensor, "b d"] | None = None
    tokens: Float[Tensor, "b t e"] | None = None
    mask: Bool[Tensor, "b t"] | None = None  # valid positions of tokens
    spatial: Float[Tensor, "b c ..."] | None = None
    prefix: Int[Tensor, "b p"] | None = None  # the known first part of x, as ids; -1 behind a row's last
    condition: Shaped[Tensor, "b ..."] | None = None  # the raw rows, for guidance by a classifier or a reward
    null: "Context | None" = None

    def map(self, change: Callable[[Tensor], Tensor]) -> "Context":
        """Apply `change` to every tensor, null's included."""
        return Context(**{f.name: _apply(getattr(self, f.name), change) for f in fields(self)})

    def __getitem__(self, rows: slice | Shaped[Tensor, " n"]) -> "Context":
        return self.map(lambda t: t[rows])

    def detach(self) -> "Context":
        """The same, without a gradient to whatever made it."""
        return self.map(Tensor.detach)

    @staticmethod
    def cat(first: "Context", second: "Context") -> "Context":
        """The rows of `first`, then those of `second`; the joint context has no null.

        Tokens of different lengths are padded, and those of a context that has none, taken to have as many rows as the other, masked.
        """
        names = [f.name for f in fields(Context) if f.name not in ("tokens", "mask", "null", "condition")]
        pairs = {n: (getattr(first, n), getattr(second, n)) for n in names}
        joined: dict[str, Any] = {n: torch.cat([a, b]) for n, (a, b) in pairs.items() if a is not None and b is not None}
        return Context(**joined, **_joined_tokens(first, second))


@dataclass(frozen=True)
class Encoded:
    """What a representation makes of the medium: log p(medium) = log p(x) + log_weight (>= if not exact).

    One term for a log-determinant, for dequantisation and for log p(medium|z) - log q(z|medium) (SurVAE flows, Nielsen et al. 2020).
    """

    x: Shaped[Tensor, "b ..."]
    log_weight: Float[Tensor, " b"]
    dims: Real[Tensor, " b"]  # units of the MEDIUM (subpixels, bytes), so that different representations stay comparable
    exact: bool = True
    mask: Bool[Tensor, "b t"] | None = None  # valid positions

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Losses:
    """What a player descends: the sum of `terms`, each [B], averaged with `weight` over micro-batches and ranks."""

    terms: dict[str, Float[Tensor, " b"]]
    weight: Float[Tensor, " b"] | None = None  # units a row stands for (tokens); None: ones
    metrics: dict[str, Real[Tensor, " b"]] = field(default_factory=dict)  # logged, no gradient
    statistics: dict[str, Tensor] = field(default_factory=dict)  # SUMS over the batch (EM, codebooks), for `absorb`

    @property
    def total(self) -> Float[Tensor, " b"]:
        """The terms' sum, which is descended."""
        return torch.stack(list(self.terms.values())).sum(0)


@dataclass(frozen=True)
class Likelihood:
    """log p(x) with its type: a bound is not a likelihood, a density is not a mass."""

    nats: Float[Tensor, " b"]
    dims: Real[Tensor, " b"]
    kind: Literal["exact", "lower_bound", "estimate"]
    measure: Literal["mass", "density"]
    stderr: Float[Tensor, " b"] | None = None  # Monte Carlo error of each row, where its value is an average

    @property
    def bits_per_dim(self) -> Float[Tensor, " b"]:
        """-log2 p(x) / dims."""
        return -self.nats / self.dims / torch.log(torch.tensor(2.0))


class Boundary(nn.Module):
    """What owns its parameters: an outer training never touches a Boundary inside it (a first stage, a teacher)."""


def owned(module: nn.Module) -> Iterator[nn.Parameter]:
    """The parameters of `module`, without those behind a nested Boundary; each once."""
    seen: set[int] = set()

    def walk(node: nn.Module) -> Iterator[nn.Parameter]:
        for parameter in node._parameters.values():
            if parameter is not None and id(parameter) not in seen:
                seen.add(id(parameter))
                yield parameter
        for child in node.children():
            if not isinstance(child, Boundary):
                yield from walk(child)

    return walk(module)


class Objective(Component, nn.Module, ABC):
    """A family's law of x: what to descend, how likely x is, how to draw it.

    The network that samples is called `network` (so that guidance can replace it); all constants belong to the objective.
    """

    turns: tuple[str, ...] = ("model",)  # the player of step s is turns[s % len(turns)]; one step = one turn = one batch

    def players(self) -> dict[str, list[nn.Parameter]]:
        """Whose parameters each turn moves; the first player also gets the conditioner's. Empty list: nothing to descend."""
        return {self.turns[-1]: list(owned(self))}

    @abstractmethod
    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        """The player's loss, one number a row."""

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        """log p(x | context), differentiable, of x alone (`Model.log_prob` adds the representation's part)."""
        raise Unsupported(f"{type(self).__name__} has no likelihood; compare its samples instead (frechet, precision, recall)")

    @abstractmethod
    def sampler(self) -> "Sampler":
        """The paper's sampler, used when the person names none."""

    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        """Once, before the first step, on the first batch: data-dependent starts. Writes buffers and parameters."""

    def absorb(self, statistics: dict[str, Tensor], step: int) -> None:
        """After a finite step: the M-step, codebook averages. Writes buffers."""

    def with_network(self, network: nn.Module) -> Self:
        """This objective with another `network` over the same everything else: how guidance and wrappers enter."""
        twin = object.__new__(type(self))
        twin.__dict__ = self.__dict__ | {"_modules": self._modules | {"network": network}}
        return twin


class Representation(Component, nn.Module, ABC):
    """medium <-> x, with the change of measure. Wrap to add a step (dequantisation, logit, latents)."""

    shape: tuple[int, ...]  # of one x
    discrete: bool  # x lies on a grid or is categorical: a density of it is meaningless
    medium_discrete: bool  # the medium does

    def prepare(self, medium: Shaped[Tensor, "b ..."], rng: Rng) -> None:
        """Once, before the first step, on the first batch."""

    @abstractmethod
    def encode(self, medium: Shaped[Tensor, "b ..."], rng: Rng) -> Encoded:
        """x of each row, and its change of measure."""

    @abstractmethod
    def decode(self, x: Shaped[Tensor, "b ..."]) -> Shaped[Tensor, "b ..."]:
        """The medium that x stands for."""

    @abstractmethod
    def present(self, medium: Shaped[Tensor, "b ..."]) -> list[Any]:
        """The medium as a person's objects: PIL images, strings, ..."""


class Conditioner(Component, nn.Module, ABC):
    """condition rows -> Context. rng None: nothing random, nothing dropped."""

    width: int  # of context.vector, for those that fill it

    @abstractmethod
    def forward(self, condition: Shaped[Tensor, "b ..."], rng: Rng | None = None) -> Context: ...

    def draw(self, rng: Rng) -> Shaped[Tensor, "b ..."] | None:
        """Conditions for samples nobody gave one; None: sample without."""
        return None


class Sampler(Component, ABC):
    """Draws x from an objective: an object chosen at sampling time. A family's base sampler owns the loop."""

    @abstractmethod
    def __call__(self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng) -> Shaped[Tensor, "b ..."]:
        """`len(rng)` draws of the given shape, without gradient: [B, *shape]."""


@runtime_checkable
class Autoencoder(Protocol):
    """An objective whose law has a latent: what `Latent` needs of a first stage."""

    latent_shape: tuple[int, ...]
    discrete_latent: bool

    def encode(self, x: Shaped[Tensor, "b ..."], rng: Rng) -> tuple[Shaped[Tensor, "b ..."], Float[Tensor, " b"]]:
        """A latent z and log q(z | x)."""

    def log_conditional(self, x: Shaped[Tensor, "b ..."], z: Shaped[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        """log p(x | z)."""

    def decode(self, z: Shaped[Tensor, "b ..."]) -> Shaped[Tensor, "b ..."]:
        """The most likely x, or the mean."""


@runtime_checkable
class Causal(Protocol):
    """A network whose logits at position i depend on x_<i only, and that can remember: `forward(x, context)`.

    Positions are in raster order (`numerics.tensors.raster`: pixel after pixel, colours innermost). A memory is for evaluation.
    """

    def cache(self, rows: int, context: Context | None) -> "Memory":
        """An empty memory for `rows` sequences."""


@runtime_checkable
class Memory(Protocol):
    """One position at a time, at the price of one position."""

    def step(self, previous: Int[Tensor, " b"] | None) -> Float[Tensor, "b v"]:
        """The symbols of the position just drawn (None: there is none yet) to the logits of the next."""


@runtime_checkable
class Reads(Memory, Protocol):
    """A memory that takes in many positions at the price of one pass: prompts, drafts."""

    def read(self, symbols: Int[Tensor, "b t"]) -> Float[Tensor, "b t v"]:
        """T symbols that stand next: the logits after each. A start symbol is read before the first of all."""


@runtime_checkable
class Selects(Memory, Protocol):
    """A memory whose rows can be kept, reordered and repeated: what beam search needs."""

    def select(self, rows: Int[Tensor, " m"]) -> None:
        """Row i becomes what row rows[i] was, in place; there are M rows then."""


@runtime_checkable
class Rewinds(Memory, Protocol):
    """A memory that can forget its last symbols: what speculation needs."""

    length: int  # symbols read so far, a start symbol not among them

    def rewind(self, length: int) -> None:
        """Forget all symbols from `length` on."""


def _apply(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    return value.map(change) if isinstance(value, Context) else None if value is None else change(value)


def _joined_tokens(first: Context, second: Context) -> dict[str, Any]:
    """Tokens and mask of two contexts as one; no mask where every token of both is valid."""
    given = [c.tokens for c in (first, second) if c.tokens is not None]
    if not given:
        return {}
    length, parts = max(tokens.shape[1] for tokens in given), []
    for context in (first, second):
        tokens = given[0][:, :0] if context.tokens is None else context.tokens
        valid = tokens.new_ones(tokens.shape[:2], dtype=torch.bool)
        valid = valid if context.mask is None or context.tokens is None else context.mask
        missing = length - tokens.shape[1]
        parts.append((nn.functional.pad(tokens, (0, 0, 0, missing)), nn.functional.pad(valid, (0, missing))))
    tokens, mask = (torch.cat(both) for both in zip(*parts, strict=True))
    whole = len(given) == 2 and first.mask is None and second.mask is None and given[0].shape[1] == given[1].shape[1]
    return {"tokens": tokens} if whole else {"tokens": tokens, "mask": mask}
