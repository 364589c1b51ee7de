r"""A model as a `torch.distributions.Distribution`, for code that is written for these, zuko or Pyro.

    p = model.distribution()             p.log_prob(x), p.sample((100,)), p.rsample((100,))
    p = model.distribution("sneaker")    p(x | c), batch_shape ()
    p = model.distribution([0, 1, 2])    a batch of three distributions, batch_shape (3,)

The event is one row of the medium. As in torch, samples depend on torch's global generator: each call draws a
seed from it, and the model samples with that seed. `log_prob` is differentiable in x and in the parameters.
"""

__all__ = ["HasDistribution", "ModelDistribution"]

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, constraints

from morphogen.component import ConfigError
from morphogen.conditioning.named import draw_condition
from morphogen.contract import Batch, Unsupported
from morphogen.modes import evaluating
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree, index, length

SEEDS = 2**31  # seeds that a call of `sample` chooses among


class ModelDistribution(Distribution):
    """p(medium | condition) of a model; see the module.

    Arguments:
        model: a model with a likelihood.
        condition: one condition, or one for each distribution of the batch, as in `Model.sample`; None: none.

    Errors: ConfigError for a condition that the model does not take.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}

    def __init__(self, model: Any, condition: Any = None):
        self.model = model
        self.given: Mapping[str, Tree] = {} if condition is None else model.conditions(condition, None)
        rows = length(self.given) if self.given else 1
        batch_shape = torch.Size() if rows == 1 else torch.Size([rows])
        event_shape = torch.Size(model.representation.medium_shape)
        super().__init__(batch_shape, event_shape, validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        """All real numbers; values that the model cannot have are refused, or have log p = -inf."""
        return constraints.independent(constraints.real, len(self.event_shape))

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """Whether samples are differentiable functions of the parameters: those of a flow of numbers are."""
        alone = not hasattr(self.model, "models")
        sampler = self.model.objective.default_sampler()
        return alone and sampler.reparameterized and not self.model.representation.medium_discrete

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draw samples without gradient, [*sample_shape, *batch_shape, *event_shape]."""
        shape, seed = self._extended_shape(torch.Size(sample_shape)), _seed()
        n = shape[: len(shape) - len(self.event_shape)].numel()
        return self.model.sample(n, self._conditions(n) or None, seed=seed).tensor.reshape(shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draw samples with gradient, equal to those of `sample` from the same state of torch's generator.

        Errors: Unsupported unless the model has a reparameterized sampler and the medium is continuous.
        """
        model = self.model
        if not self.has_rsample:
            kind = type(model.objective).__name__
            raise Unsupported(f"{kind} has no differentiable samples of this medium: use sample()")
        shape = self._extended_shape(torch.Size(sample_shape))
        n = shape[: len(shape) - len(self.event_shape)].numel()
        rng = Rng(_seed(), n, ("sample",)).to(model.device)
        given = self._conditions(n) or draw_condition(model.conditioner, rng.fork("draw")) or {}
        with evaluating(model):
            sampler = model.objective.default_sampler()
            x = sampler(model.objective, model.representation.shape, model.context(given, n), rng.fork("x"))
            return model.representation.decode(x).reshape(shape)

    def log_prob(self, value: Tensor) -> Float[Tensor, "..."]:
        """log p(x | c) in nats; of the kind of the model's likelihood, exact for flows and mixtures.

        Arguments:
            value: rows of the medium, [*sample_shape, *batch_shape, *event_shape].

        Errors: Unsupported without a likelihood; ConfigError for another shape.
        """
        leading = value.shape[: value.ndim - len(self.event_shape)]
        batch = leading[len(leading) - len(self.batch_shape) :]
        if value.shape[len(leading) :] != self.event_shape or batch != self.batch_shape:
            expected = [*self.batch_shape, *self.event_shape]
            raise ConfigError(f"log_prob: rows of shape {[*value.shape]}: give [..., {str(expected)[1:]}")
        rows = leading.numel()
        medium = Batch(value.reshape(rows, *self.event_shape), self._conditions(rows))
        with evaluating(self.model):
            rng = Rng(0, rows, ("log_prob",)).to(self.model.device)
            return self.model.log_prob_batch(medium, rng).nats.reshape(leading)

    def _conditions(self, rows: int) -> Mapping[str, Tree]:
        """The conditions of this many rows, of which those of the batch are the innermost."""
        return index(self.given, torch.arange(rows, device=self.model.device) % self.batch_shape.numel())


class HasDistribution:
    """Base class of models, whose method `distribution` is that of the module."""

    def distribution(self, condition: Any = None) -> ModelDistribution:
        """p(medium | condition) as a `torch.distributions.Distribution`; see `ModelDistribution`."""
        return ModelDistribution(self, condition)


def _seed() -> int:
    """A seed from torch's global generator."""
    return int(torch.randint(SEEDS, ()))
