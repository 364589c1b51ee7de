r"""A model of its own for each class: the conditional by label of any classical model.

    p(x | c) = p_c(x),     p(x) = sum_c pi_c p_c(x)

The class-conditional densities of discriminant analysis (Hastie, Tibshirani & Friedman 2009, section 4.3), of
any family that is fitted by statistics: those of the rows of a class fit its model.
"""

__all__ = ["ByClass", "ByClassSampler"]

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Sampler
from morphogen.families.classical.mixture import TINY
from morphogen.numerics.randomness import Rng


class ByClass(Objective):
    """One model for each class, and the frequencies of the classes (Hastie et al. 2009).

    Trained on rows with a class; without one, log p is that of the mixture of all, and samples draw it.

    Arguments:
        models: of the classes in order, of one kind, fitted by statistics: `StateSpace`, for example.

    Raises:
        ConfigError: without models, for a context of another width, and for training rows without a class.
    """

    def __init__(self, models: tuple[Objective, ...]):
        super().__init__()
        if not models or any(parameters for model in models for parameters in model.players().values()):
            raise ConfigError("ByClass needs one model or more, which have no parameters with a gradient")
        self.parts = nn.ModuleList(models)
        self.register_buffer("weights", torch.full((len(models),), 1 / len(models), dtype=torch.float64))

    weights: Float[Tensor, " c"]

    @property
    def models(self) -> tuple[Objective, ...]:
        """The models of the classes."""
        return tuple(self.parts)  # type: ignore[arg-type]

    def players(self) -> dict[str, list[nn.Parameter]]:
        """One player without parameters: the models are fitted by `update_from_statistics`."""
        return {"model": []}

    @torch.no_grad()
    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        labels, statistics = self._labels(context), dict[str, Tensor]()
        terms, weight = [], []
        for c, model in enumerate(self.models):
            rows = (labels == c).nonzero()[:, 0]
            each = model.losses(_index(x, rows), None, rng[rows], player)
            terms.append(each.total)
            weight.append(torch.ones_like(each.total) if each.weight is None else each.weight)
            statistics |= {f"{c}.{name}": value for name, value in each.statistics.items()}
        back = labels.argsort(stable=True).argsort()
        statistics["counts"] = labels.bincount(minlength=len(self.models)).double()
        return Losses({"nll": torch.cat(terms)[back]}, weight=torch.cat(weight)[back], statistics=statistics)

    @torch.no_grad()
    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        """Prepare the model of each class by its rows in the first batch."""
        labels = self._labels(context)
        for c, model in enumerate(self.models):
            if len(rows := (labels == c).nonzero()[:, 0]):
                model.prepare(_index(x, rows), None, rng[rows])

    @torch.no_grad()
    def update_from_statistics(self, statistics: dict[str, Tensor], step: int) -> None:
        """The M-step of each class that has rows."""
        counts = statistics["counts"]
        self.weights.copy_(counts / counts.sum())
        for c, model in enumerate(self.models):
            own = {
                name.partition(".")[2]: value
                for name, value in statistics.items()
                if name.startswith(f"{c}.")
            }
            if counts[c] > 0:
                model.update_from_statistics(own, step)

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        every = [model.log_prob(x, None, rng) for model in self.models]
        nats = torch.stack([each.nats for each in every], 1) + self.log_weights(context, len(x))
        return replace(every[0], nats=nats.logsumexp(1))

    def log_weights(self, context: Context | None, rows: int) -> Float[Tensor, "b c"]:
        """log p(c), or of each row's class."""
        if context is None or context.vector is None:
            return self.weights.clamp_min(TINY).log().expand(rows, -1)
        return nn.functional.one_hot(self._labels(context), len(self.models)).double().log()

    def receive_mask(
        self, mask: Bool[Tensor, "b n"] | None, context: Context | None, rng: Rng
    ) -> tuple[Context | None, Rng]:
        """What the models of the classes make of it."""
        return self.models[0].receive_mask(mask, context, rng)

    def default_sampler(self) -> Sampler:
        return ByClassSampler()

    def _labels(self, context: Context | None) -> Int[Tensor, " b"]:
        """The class of each row. Errors: ConfigError without classes, or for others."""
        if context is None or context.vector is None:
            raise ConfigError("ByClass is trained on rows with a class: give labels, and OneHot to the model")
        if (width := context.vector.shape[1]) != len(self.models):
            raise ConfigError(
                f"ByClass of {len(self.models)} models received a context vector of width {width}: use the "
                "conditioner OneHot"
            )
        return context.vector.argmax(1)


class ByClassSampler(Sampler):
    """Draw the class, if it is not given, and x of its model by its default sampler; exact if that is."""

    requires = "models"

    def __call__(
        self, objective: Any, shape: Any, context: Context | None, rng: Rng
    ) -> Shaped[Tensor, "b ..."]:
        self.check(objective)
        label = rng.fork("class").categorical(objective.log_weights(context, len(rng)))
        parts = []
        for c, model in enumerate(objective.models):
            rows = (label == c).nonzero()[:, 0]
            parts.append(model.default_sampler()(model, shape, None, rng[rows].fork("x")))
        return torch.cat(parts)[label.argsort(stable=True).argsort()]


def _index(x: Encoded, rows: Int[Tensor, " n"]) -> Encoded:
    """Some rows of an encoded batch, of one tensor."""
    mask = None if x.mask is None else x.mask[rows]
    return replace(x, x=x.x[rows], log_weight=x.log_weight[rows], dims=x.dims[rows], mask=mask)
