"""The contract: the roles of a generative model p(x | c), and the values that pass between them.

A model is a conditional distribution made of four independent parts,

    family (objective + its samplers)  x  network  x  representation  x  conditioner

Nothing here knows a family, a medium or the training loop. Shapes: B rows of a batch, T positions, D
features, C channels, H x W pixels, V vocabulary size. Log-probabilities are in nats.
"""

__all__ = [
    "Autoencoder", "Batch", "Boundary", "Causal", "ConditionSpec", "Conditioner", "Context",
    "DecodingCache", "DrawsTokens", "Encoded", "Likelihood", "Losses", "Masked", "Objective", "Prefills",
    "Reads", "Reorders", "Representation", "Sampler", "Trainable", "Truncates", "Unsupported", "owned",
    "x_mask_of",
]  # fmt: skip

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Real, Shaped
from torch import Tensor, nn

from morphogen.causal import Causal, DecodingCache, DrawsTokens, Prefills, Reads, Reorders, Truncates
from morphogen.component import Component, ConfigError
from morphogen.context import Context, x_mask_of
from morphogen.media import Medium
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree, length, tree_map
from morphogen.objective_values import UNMEASURED, Likelihood, Losses
from morphogen.ownership import Boundary, owned
from morphogen.steering import Steerable
from morphogen.wrong_calls import explains_construction


class Unsupported(NotImplementedError):
    """Raised for an operation that this model does not have; the message names an alternative."""


@explains_construction
@dataclass(frozen=True)
class Batch:
    """Rows of a data set: the medium, and the conditions of each row by name, {"label": [B]}; {}: none.

    `weight` multiplies the loss of each row, [B]; None: 1.
    """

    medium_at = "batch.medium", "with batch.condition"  # for errors, as in other containers

    medium: Tree
    condition: Mapping[str, Tree] = field(default_factory=dict)
    weight: Float[Tensor, " b"] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.condition, Mapping):
            raise ConfigError('Batch: conditions have names: write Batch(medium, {"label": labels})')

    def __len__(self) -> int:
        return length(self.medium)

    def __getitem__(self, rows: slice | Shaped[Tensor, " n"]) -> "Batch":
        return self._each(lambda leaf: leaf[rows])

    def to(self, device: torch.device | str) -> "Batch":
        """Return the batch on `device`."""
        return self._each(lambda leaf: leaf.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        """The batch with each of its tensors changed."""
        weight = None if self.weight is None else change(self.weight)
        return Batch(tree_map(change, self.medium), tree_map(change, self.condition), weight)


@dataclass(frozen=True)
class Encoded:
    """An encoded medium: log p(medium) = log p(x) + log_weight, or >= if not exact.

    `log_weight` holds log-determinants, dequantisation and log p(medium | z) - log q(z | medium) alike
    (SurVAE flows, Nielsen et al. 2020).
    """

    x: Tree  # [B, ...], or several such tensors by name
    log_weight: Float[Tensor, " b"]  # NaN in training, unless the representation is learned
    dims: Real[Tensor, " b"]  # units of the medium (subpixels, bytes), so that bits/dim can be compared
    exact: bool = True
    mask: Bool[Tensor, "b n"] | None = None  # True at existing elements x[:, i]; None: all exist

    def __len__(self) -> int:
        return len(self.dims)


class Trainable(Component, nn.Module, ABC):
    """What the training loop trains: losses that players minimize in turns.

    Contrastive encoders, classifiers and reward models are Trainables; a generative model is an `Objective`.
    """

    turns: tuple[str, ...] = ("model",)  # the player of step s is turns[s % len(turns)]; one step = one batch
    coupled_rows: bool = False  # whether the loss of a row depends on the other rows (InfoNCE)
    prepare_rows: ClassVar[int] = 0  # rows that `prepare` requires, if these are more than a batch
    usage: ClassVar[str] = "call its own methods"  # what it is for, if it does not generate samples
    stored: ClassVar[str] = ""  # what a saved model has of its training examples, in words; "": nothing
    masked: ClassVar[tuple[str, ...]] = ()  # the networks that receive the mask of x; (): masks are refused

    def players(self) -> dict[str, list[nn.Parameter]]:
        """Parameters updated in each player's turn; the conditioner's are added to the first player.

        An empty list is a player that is fitted by `update_from_statistics` alone.
        """
        return {self.turns[-1]: list(owned(self))}

    @abstractmethod
    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        """Losses of the player on a batch, one value per row."""

    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        """Data-dependent initialization of buffers and parameters, called once on the first batch.

        It receives `prepare_rows` rows if these are more.
        """

    def update_from_statistics(self, statistics: dict[str, Tensor], step: int) -> None:
        """Update buffers from the batch statistics of a finite step (the M-step of EM, codebook averages)."""

    def collapse(self) -> str | None:
        """What has collapsed, in one line, if its samples hardly vary; None: nothing, or it cannot tell."""
        return None

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


class Objective(Steerable, Trainable):
    """A family's model of x: its losses, its likelihood and its default sampler.

    Samplers call its attribute `predict`, so that guidance can wrap it (`steering.py`); a family without a
    prediction, such as a flow, has no such attribute.
    """

    unmeasured: ClassVar[str] = UNMEASURED

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        """log p(x | context), differentiable; `Model.log_prob` adds the representation's log_weight."""
        raise Unsupported(self.unmeasured.format(type(self).__name__))

    @abstractmethod
    def default_sampler(self) -> "Sampler":
        """The paper's sampler, used when none is given."""


class Representation(Component, nn.Module, ABC):
    """Encoder and decoder between a medium and x, with the change of measure.

    Wrap a representation to add a step (dequantisation, logit transform, latents of another model). Its own
    parameters, if it has any, are trained by the first player, with -log_weight as a term of the loss.
    """

    medium: Medium
    shape: Any  # of one x: tuple[int, ...], or a mapping of names to shapes
    discrete: bool  # x is on a grid or categorical, so that a density of x is meaningless
    medium_discrete: bool  # the same of the medium
    latent: str | None = None  # which latent of its `first_stage` x is; they are decoded together
    at_once = checked_rows = 64  # rows drawn or evaluated in one pass by default; checked before training

    @property
    def unit(self) -> str:
        """Unit of `dims`: likelihoods are reported in bits/unit."""
        return self.medium.unit

    @property
    def source(self) -> "Representation":
        """The representation of the medium that this one transforms; itself, if it transforms none."""
        return self

    @property
    def learned(self) -> bool:
        """Whether it has parameters of its own, such as those of dequantisation noise."""
        return next(owned(self), None) is not None

    @property
    def medium_shape(self) -> tuple[int, ...]:
        """Shape of a row of the medium, if that is one tensor; here that of x, or of its first part."""
        if self.source is not self:
            return self.source.medium_shape
        return tuple(next(iter(self.shape.values())) if isinstance(self.shape, Mapping) else self.shape)

    def check(self, medium: Any) -> Tree:
        """The medium as `encode` takes it, of arrays that a person gives. Errors: ConfigError."""
        return medium if self.source is self else self.source.check(medium)

    def check_trainable(self, medium: Tree) -> None:
        """Check that no row has probability 0 under every model. Errors: ConfigError."""

    def check_measured(self, medium: Tree) -> None:
        """Check rows whose likelihood is to be evaluated. Errors: ConfigError for impossible values."""
        if self.source is not self:
            self.source.check_measured(medium)

    def conditions_in(self, given: Any) -> Mapping[str, Tree]:
        """The conditions that given rows hold beside the medium, such as a column of classes, by name."""
        return {} if self.source is self else self.source.conditions_in(given)

    def prepare(self, medium: Tree, rng: Rng) -> None:
        """Data-dependent initialization, called once on the first batch."""

    @abstractmethod
    def encode(self, medium: Tree, rng: Rng, measure: bool = True) -> Encoded:
        """Encode each row as x, with its change of measure; without `measure`, log_weight may be NaN."""

    def encode_for_losses(self, medium: Tree, rng: Rng) -> Encoded:
        """Encode each row, with its change of measure only if that is learned, and else NaN."""
        x = self.encode(medium, rng, measure=self.learned)
        return x if self.learned else replace(x, log_weight=torch.full_like(x.log_weight, torch.nan))

    @abstractmethod
    def decode(self, x: Tree) -> Tree:
        """Decode x to the medium; missing elements of a sampled x are NaN, or -1 for ids."""

    def draw_mask(self, rng: Rng) -> Bool[Tensor, "b n"] | None:
        """Draw the number of elements of each sample, as a mask [B, N]; None: all have the same size."""
        return None

    @abstractmethod
    def present(self, medium: Tree) -> list[Any]:
        """Convert the medium to Python objects: PIL images, strings, ..."""


class Conditioner(Component, nn.Module, ABC):
    """Encoder of a condition to a Context. Without `rng` it is deterministic and drops nothing.

    Attributes:
        name: of the condition that it encodes, in `Batch.condition`.
        widths: of the fields of the context that it sets: {"vector": D, "tokens": E, "spatial": C}.
    """

    name: str
    widths: Mapping[str, int]

    @abstractmethod
    def forward(self, condition: Tree, rng: Rng | None = None) -> Context: ...

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the conditions that it encodes."""
        return (self.name,)

    def select(self, condition: Mapping[str, Tree]) -> Tree | None:
        """What `forward` takes, out of the named conditions of a batch; None: it is not given."""
        return condition.get(self.name)

    def named(self, condition: Tree) -> Mapping[str, Tree]:
        """The inverse of `select`: the named conditions."""
        return {self.name: condition}

    def check(self, condition: Tree) -> None:
        """Check conditions that a person gives, such as the range of labels. Errors: ConfigError."""

    @property
    def required(self) -> tuple[str, ...]:
        """Those of the names that a row cannot be without."""
        return self.names if self.absent(1) is None else ()

    @property
    def trained_on(self) -> tuple[str, ...]:
        """Those of the names that the rows of a training need: all but parts of x, such as a prompt."""
        return self.names

    def absent(self, rows: int) -> Context | None:
        """The context of rows without the condition; None: the network gets no context."""
        return None

    def sample_condition(self, rng: Rng) -> Tree | None:
        """Random conditions for samples requested without one; None: sample unconditionally."""
        return None


class ConditionSpec(Component):
    """What a data set can condition on, such as labels: the kind of a named condition.

    `Dataset.conditions` maps names to specs; the page of a system takes them as arguments of these names.

    Attributes:
        plural: what its rows are called.
        optional: whether a model of the medium alone makes sense of such data: labels may be ignored, but a
            model that ignores the source texts of a translation has learned something else.
        wanted: the option of `load_data` by which data come to have it, with its value, for errors.
        remedy: how else data come to have it, in words.
    """

    plural: ClassVar[str]
    optional: ClassVar[bool] = False
    wanted: ClassVar[tuple[str, ...]] = ()
    remedy: ClassVar[str] = ""
    parts: Sequence[str] = ()  # names of its parts, each of which is given as NAME=VALUE: columns

    def parse(self, text: str) -> Tree:
        """One condition from a person's words. Errors: ConfigError."""
        raise ConfigError(f"{text!r}: {self.plural} cannot be given in words")

    def read(self, given: Any) -> Any:
        """Words (a text, or one for each row) as tensors; anything else unchanged. Errors: ConfigError."""
        texts = [given] if isinstance(given, str) else given
        try:
            if isinstance(texts, Tensor | Mapping) or not len(texts):
                return given
        except TypeError:  # a number, or a data set
            return given
        words = all(isinstance(text, str) for text in texts)
        return self.stack([self.parse(text) for text in texts]) if words else given

    def stack(self, rows: Sequence[Any]) -> Tree:
        """Parsed conditions as rows."""
        return torch.stack(list(rows))

    def joined(self, other: "ConditionSpec") -> "ConditionSpec":
        """What a model can be given that was trained on these data and on other ones."""
        return self


class Sampler(Component, ABC):
    """A way to sample x from an objective, chosen at sampling time. A family's base sampler owns the loop.

    Attributes:
        requires: the attribute of an objective that this sampler uses, which its family has; "": none.
        reparameterized: whether x is a differentiable function of the noise and the parameters.
    """

    requires: ClassVar[str] = ""
    reparameterized: ClassVar[bool] = False

    def check(self, objective: Any) -> None:
        """Check that the sampler is one of the objective's family. Errors: Unsupported."""
        if self.requires and not hasattr(objective, self.requires):
            raise Unsupported(
                f"{type(self).__name__} does not sample a {type(objective).__name__} model: "
                "use the model's default sampler, or another one of its family"
            )

    @abstractmethod
    def __call__(self, objective: Any, shape: Any, context: Context | None, rng: Rng) -> Tree:
        """Draw `len(rng)` samples x of the representation's shape, without gradient: [B, *shape]."""


@runtime_checkable
class Autoencoder(Protocol):
    """A model with latent variables: what `Latent` requires of a first stage.

    With several latents, such as the levels of a hierarchy, the shapes, the vocabularies and z are mappings
    with the same names.
    """

    latent_shape: tuple[int, ...] | Mapping[str, tuple[int, ...]]
    # number of values of a discrete latent; None: real numbers
    latent_vocabulary: int | Mapping[str, int | None] | None

    def encode(
        self, x: Shaped[Tensor, "b ..."], rng: Rng, context: Context | None = None
    ) -> tuple[Any, Float[Tensor, " b"]]:
        """Sample z ~ q(z | x); returns z and log q(z | x)."""

    def log_conditional(self, x: Shaped[Tensor, "b ..."], z: Any) -> Float[Tensor, " b"]:
        """log p(x | z)."""

    def decode(self, z: Any, context: Context | None = None) -> Shaped[Tensor, "b ..."]:
        """The mode or mean of p(x | z)."""


@runtime_checkable
class Masked(Protocol):
    """A network whose outputs at existing elements do not depend on the other ones (`context.x_mask`)."""

    accepts_mask: bool
