"""The contract: the roles of a generative model p(x | c), and the values that pass between them.

A model is a conditional distribution made of four independent parts,

    family (objective + its samplers)  x  network  x  representation  x  conditioner

Nothing here knows a family, a medium or the training loop. Shapes: B rows of a batch, T positions, D
features, C channels, H x W pixels, V vocabulary size. Log-probabilities are in nats.
"""

__all__ = [
    "Autoencoder",
    "Batch",
    "Boundary",
    "Causal",
    "Conditioner",
    "Context",
    "DecodingCache",
    "Encoded",
    "Likelihood",
    "Losses",
    "Masked",
    "Objective",
    "Prefills",
    "Reorders",
    "Representation",
    "Sampler",
    "Truncates",
    "Unsupported",
    "owned",
    "x_mask_of",
]

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int, Real, Shaped
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.numerics.randomness import Rng
from morphogen.objective_values import Likelihood, Losses
from morphogen.steering import Steerable


class Unsupported(NotImplementedError):
    """Raised for an operation that this model does not have; the message names an alternative."""


@dataclass(frozen=True)
class Batch:
    """Rows of a data set: the medium as a tensor and the condition of each row (labels: int64 [B])."""

    medium: Shaped[Tensor, "b ..."]
    condition: Shaped[Tensor, "b ..."] | None = None

    def __len__(self) -> int:
        return len(self.medium)

    def __getitem__(self, rows: slice | Shaped[Tensor, " n"]) -> "Batch":
        return Batch(self.medium[rows], None if self.condition is None else self.condition[rows])

    def to(self, device: torch.device | str) -> "Batch":
        """Return the batch on `device`."""
        return Batch(self.medium.to(device), None if self.condition is None else self.condition.to(device))


@dataclass(frozen=True)
class Context:
    """The encoded condition that a network receives besides x.

    `null` is the context without the condition, for classifier-free guidance; it is set only if the model was
    trained with condition dropout.
    """

    vector: Float[Tensor, "b d"] | None = None
    tokens: Float[Tensor, "b t e"] | None = None
    mask: Bool[Tensor, "b t"] | None = None  # True at valid tokens
    spatial: Float[Tensor, "b c ..."] | None = None
    prefix: Int[Tensor, "b p"] | None = None  # the given first ids of x, padded with -1
    condition: Shaped[Tensor, "b ..."] | None = None  # the raw condition, for classifier guidance
    x_mask: Bool[Tensor, "b n"] | None = None  # True at existing elements of x; also in `null`
    null: "Context | None" = None

    def map(self, change: Callable[[Tensor], Tensor]) -> "Context":
        """Apply `change` to every tensor, including those of `null`."""
        return Context(**{f.name: _apply(getattr(self, f.name), change) for f in fields(self)})

    def __getitem__(self, rows: slice | Shaped[Tensor, " n"]) -> "Context":
        return self.map(lambda t: t[rows])

    def detach(self) -> "Context":
        """Return the context with all tensors detached."""
        return self.map(Tensor.detach)

    @staticmethod
    def cat(first: "Context", second: "Context") -> "Context":
        """Concatenate two contexts along the batch axis; the result has no `null`.

        Token sequences are padded to a common length and masked. A context without tokens counts as a batch
        of the same size whose tokens are all masked.
        """
        names = [f.name for f in fields(Context) if f.name not in ("tokens", "mask", "null", "condition")]
        pairs = {n: (getattr(first, n), getattr(second, n)) for n in names}
        joined: dict[str, Any] = {
            n: torch.cat([a, b]) for n, (a, b) in pairs.items() if a is not None and b is not None
        }
        return Context(**joined, **_cat_tokens(first, second))


@dataclass(frozen=True)
class Encoded:
    """An encoded medium: log p(medium) = log p(x) + log_weight, or >= if not exact.

    `log_weight` holds log-determinants, dequantisation and log p(medium | z) - log q(z | medium) alike
    (SurVAE flows, Nielsen et al. 2020).
    """

    x: Shaped[Tensor, "b ..."]
    log_weight: Float[Tensor, " b"]
    dims: Real[
        Tensor, " b"
    ]  # units of the medium (subpixels, bytes), so that bits/dim compare across representations
    exact: bool = True
    mask: Bool[Tensor, "b n"] | None = None  # True at existing elements x[:, i]; None: all exist

    def __len__(self) -> int:
        return len(self.x)


class Boundary(nn.Module):
    """A module that owns its parameters: training an enclosing model never updates a nested Boundary.

    First stages and teachers are Boundaries.
    """


def owned(module: nn.Module) -> Iterator[nn.Parameter]:
    """Iterate over the parameters of `module` once each, except those inside a nested Boundary."""
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


class Objective(Steerable, Component, nn.Module, ABC):
    """A family's model of x: its losses, its likelihood and its default sampler.

    Samplers call its attribute `predict`, so that guidance can wrap it (`steering.py`); a family without a
    prediction, such as a flow, has no such attribute.
    """

    turns: tuple[str, ...] = ("model",)  # the player of step s is turns[s % len(turns)]; one step = one batch
    masked: ClassVar[tuple[str, ...]] = ()  # the networks that receive the mask of x; (): masks are refused

    def players(self) -> dict[str, list[nn.Parameter]]:
        """Parameters updated in each player's turn; the conditioner's are added to the first player.

        An empty list is a player that is fitted by `update_from_statistics` alone.
        """
        return {self.turns[-1]: list(owned(self))}

    @abstractmethod
    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        """Losses of the player on a batch, one value per row."""

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        """log p(x | context), differentiable; `Model.log_prob` adds the representation's log_weight."""
        raise Unsupported(
            f"{type(self).__name__} has no likelihood; "
            "evaluate its samples instead (frechet, precision, recall)"
        )

    @abstractmethod
    def default_sampler(self) -> "Sampler":
        """The paper's sampler, used when none is given."""

    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        """Data-dependent initialization of buffers and parameters, called once on the first batch."""

    def update_from_statistics(self, statistics: dict[str, Tensor], step: int) -> None:
        """Update buffers from the batch statistics of a finite step (the M-step of EM, codebook averages)."""

    def receive_mask(
        self, mask: Bool[Tensor, "b n"] | None, context: Context | None, rng: Rng
    ) -> tuple[Context | None, Rng]:
        """The context and random stream for rows of this mask; without a mask, both unchanged.

        The mask is passed to the networks as `context.x_mask`, and the noise of an element does not depend on
        the padding. Errors: Unsupported unless the family and its `masked` networks accept masks.
        """
        if mask is None:
            return context, rng
        networks = [getattr(self, name) for name in self.masked]
        ignoring = [type(network).__name__ for network in networks if not isinstance(network, Masked)]
        if ignoring or not networks:
            use = "a network that does, such as SetTransformer" if networks else "Diffusion or Autoregressive"
            what = " with ".join([type(self).__name__, *ignoring])
            raise Unsupported(
                f"{what} does not accept examples of different sizes: give examples of one size, or use {use}"
            )
        context = Context() if context is None else context
        null = None if context.null is None else replace(context.null, x_mask=mask)
        return replace(context, x_mask=mask, null=null), rng.by_element()


class Representation(Component, nn.Module, ABC):
    """Encoder and decoder between a medium and x, with the change of measure.

    Wrap a representation to add a step (dequantisation, logit transform, latents of another model).
    """

    shape: tuple[int, ...]  # of one x
    discrete: bool  # x is on a grid or categorical, so that a density of x is meaningless
    medium_discrete: bool  # the same of the medium

    def prepare(self, medium: Shaped[Tensor, "b ..."], rng: Rng) -> None:
        """Data-dependent initialization, called once on the first batch."""

    @abstractmethod
    def encode(self, medium: Shaped[Tensor, "b ..."], rng: Rng) -> Encoded:
        """Encode each row as x, with its change of measure."""

    @abstractmethod
    def decode(self, x: Shaped[Tensor, "b ..."]) -> Shaped[Tensor, "b ..."]:
        """Decode x to the medium; missing elements of a sampled x are NaN, or -1 for ids."""

    def draw_mask(self, rng: Rng) -> Bool[Tensor, "b n"] | None:
        """Draw the number of elements of each sample, as a mask [B, N]; None: all have the same size."""
        return None

    @abstractmethod
    def present(self, medium: Shaped[Tensor, "b ..."]) -> list[Any]:
        """Convert the medium to Python objects: PIL images, strings, ..."""


class Conditioner(Component, nn.Module, ABC):
    """Encoder of conditions to a Context. Without `rng` it is deterministic and drops nothing."""

    width: int  # of context.vector, for conditioners that set it

    @abstractmethod
    def forward(self, condition: Shaped[Tensor, "b ..."], rng: Rng | None = None) -> Context: ...

    def sample_condition(self, rng: Rng) -> Shaped[Tensor, "b ..."] | None:
        """Random conditions for samples requested without one; None: sample unconditionally."""
        return None


class Sampler(Component, ABC):
    """A way to sample x from an objective, chosen at sampling time. A family's base sampler owns the loop.

    Attributes:
        requires: the attribute of an objective that this sampler uses, which its family has; "": none.
    """

    requires: ClassVar[str] = ""

    def check(self, objective: Any) -> None:
        """Check that the sampler is one of the objective's family. Errors: Unsupported."""
        if self.requires and not hasattr(objective, self.requires):
            raise Unsupported(
                f"{type(self).__name__} does not sample a {type(objective).__name__} model: "
                "use the model's default sampler, or another one of its family"
            )

    @abstractmethod
    def __call__(
        self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng
    ) -> Shaped[Tensor, "b ..."]:
        """Draw `len(rng)` samples of the given shape, without gradient: [B, *shape]."""


@runtime_checkable
class Autoencoder(Protocol):
    """An objective with a latent variable: what `Latent` requires of a first stage."""

    latent_shape: tuple[int, ...]
    discrete_latent: bool

    def encode(
        self, x: Shaped[Tensor, "b ..."], rng: Rng
    ) -> tuple[Shaped[Tensor, "b ..."], Float[Tensor, " b"]]:
        """Sample z ~ q(z | x); returns z and log q(z | x)."""

    def log_conditional(self, x: Shaped[Tensor, "b ..."], z: Shaped[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        """log p(x | z)."""

    def decode(self, z: Shaped[Tensor, "b ..."]) -> Shaped[Tensor, "b ..."]:
        """The mode or mean of p(x | z)."""


@runtime_checkable
class Masked(Protocol):
    """A network whose outputs at existing elements do not depend on the other ones (`context.x_mask`)."""

    accepts_mask: bool


@runtime_checkable
class Causal(Protocol):
    """A network `forward(x, context)` whose logits at position i depend only on x_<i, with cached decoding.

    Positions are in raster order (`numerics.tensors.raster`: row by row, pixel by pixel, colours innermost).
    A cache is for evaluation only.
    """

    def make_cache(self, rows: int, context: Context | None) -> "DecodingCache":
        """An empty cache for `rows` sequences."""


@runtime_checkable
class DecodingCache(Protocol):
    """State of incremental decoding, at the cost of one position per step."""

    def step(self, previous: Int[Tensor, " b"] | None) -> Float[Tensor, "b v"]:
        """Append the previous position's values (None: at the first position); returns the next logits."""


@runtime_checkable
class Prefills(DecodingCache, Protocol):
    """A cache that processes many positions in one pass: prompts, drafts."""

    def prefill(self, tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b t v"]:
        """Append T tokens; returns the logits after each. A start token is processed before the first."""


@runtime_checkable
class Reorders(DecodingCache, Protocol):
    """A cache whose rows can be selected, reordered and repeated, as beam search requires."""

    def reorder(self, rows: Int[Tensor, " m"]) -> None:
        """Select M rows in place: row i becomes the former row rows[i]."""


@runtime_checkable
class Truncates(DecodingCache, Protocol):
    """A cache that can drop its last tokens, as speculative decoding requires."""

    length: int  # cached tokens, without the start token

    def truncate(self, length: int) -> None:
        """Keep the first `length` tokens."""


def x_mask_of(context: Context | None) -> Bool[Tensor, "b n"] | None:
    """The mask of x; None: all elements exist."""
    return None if context is None else context.x_mask


def _apply(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    return value.map(change) if isinstance(value, Context) else None if value is None else change(value)


def _cat_tokens(first: Context, second: Context) -> dict[str, Any]:
    """Concatenated tokens and mask of two contexts; without a mask if every token is valid."""
    given = [c.tokens for c in (first, second) if c.tokens is not None]
    if not given:
        return {}
    length, parts = max(tokens.shape[1] for tokens in given), []
    for context in (first, second):
        tokens = given[0][:, :0] if context.tokens is None else context.tokens
        valid = tokens.new_ones(tokens.shape[:2], dtype=torch.bool)
        valid = valid if context.mask is None or context.tokens is None else context.mask
        missing = length - tokens.shape[1]
        padded = nn.functional.pad(tokens, (0, 0, 0, missing)), nn.functional.pad(valid, (0, missing))
        parts.append(padded)
    tokens, mask = (torch.cat(both) for both in zip(*parts, strict=True))
    same_length = len(given) == 2 and given[0].shape[1] == given[1].shape[1]
    all_valid = same_length and first.mask is None and second.mask is None
    return {"tokens": tokens} if all_valid else {"tokens": tokens, "mask": mask}
