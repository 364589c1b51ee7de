r"""LoRA: a trained model that is adapted to a few examples by low-rank updates of its networks' weights.

    W' = W + scale B A,      A [r, inputs],  B [outputs, r],      B = 0 at initialization

    lora = LoRA(model, rank=4)
    mg.train(lora, pictures, steps=500)
    lora.sample(4, "a sks star")

Only A and B are trained: W, the representation and the conditioner stay as they are, bit for bit. The updates
alone are a small file (`update_files`); `merged` adds them to a copy of the weights.

LoRA: Low-rank adaptation of large language models, Hu, Shen, Wallis, Allen-Zhu, Li, Wang, Wang & Chen, 2022.
"""

__all__ = ["LoRA", "last_stage", "updated_network", "with_networks"]

import copy
from collections.abc import Mapping
from typing import Any, TypeVar

from torch import nn

from morphogen.component import ConfigError
from morphogen.contract import Batch, Boundary, owned
from morphogen.model import Model
from morphogen.networks.low_rank import LowRank, layer_ranks
from morphogen.numerics.randomness import Rng
from morphogen.plan import Adam, Plan

T = TypeVar("T", bound=nn.Module)
FINE_TUNING = Plan(Adam(1e-3), batch=16, clip=1.0)


class LoRA(Model):
    """A trained model with low-rank updates of its networks, which alone are trained (Hu et al. 2022).

    It is the model itself at initialization. Updates are stacked as `LoRA(LoRA(model, 4), 4)`.

    Arguments:
        model: trained; it is not changed. Of a `Staged`, the last stage is adapted; of a `Cascade`, give one
            of its stages.
        rank: r of the updates of attention, or of all layers if there is no attention; or the rank by the
            name of a part of the networks, {"attention": 4, "conv1": 8}.
        scale: of the updates; 0: the model itself.
        plan: of their training; None: Adam with learning rate 1e-3, 16 examples per batch.

    Errors: ConfigError for a model without such layers, an unknown part, and a rank below 1.
    """

    def __init__(
        self, model: Any, rank: int | Mapping[str, int] = 4, scale: float = 1.0, plan: Plan | None = None
    ):
        base = last_stage(model, "LoRA")
        low_rank = _low_rank(base, rank, scale)
        networks = {name: network.adapted for name, network in low_rank.items()}
        super().__init__(
            with_networks(base.objective, networks), base.representation, base.conditioner,
            FINE_TUNING if plan is None else plan,
        )  # fmt: skip
        self.model, self.scale, self.specs = model, scale, base.specs
        self.rank = rank if isinstance(rank, int) else dict(rank)
        self.adapted = tuple(low_rank)
        self.low_rank = nn.ModuleDict(low_rank)

    @property
    def networks(self) -> dict[str, LowRank]:
        """The adapted networks, by their name in the objective."""
        networks: Any = dict(self.low_rank.items())
        return networks

    def players(self) -> dict[str, list[nn.Parameter]]:
        """The updates, in the turn of the player that owns their weights."""
        every = self.objective.players().items()
        networks = self.networks.values()
        return {name: [p for one in networks for p in one.trained_with(owns)] for name, owns in every}

    def prepare(self, batch: Batch, rng: Rng) -> None:
        """Do nothing: the model was prepared on the data that it was trained on."""

    def merged(self) -> Model:
        """A model with the updates added to a copy of the weights, which is as fast as the given one."""
        networks = {name: network.merged() for name, network in self.networks.items()}
        base = last_stage(self.model, "LoRA")
        merged = Model(
            with_networks(self.objective, networks), self.representation, self.conditioner, base.plan
        )
        merged.specs = self.specs
        return merged.train(self.training)


def last_stage(model: Any, part: str) -> Model:
    """The model that samples: the last stage of a `Staged`.

    Errors: ConfigError for what is no model, and for a `Cascade`, of which several stages sample.
    """
    last, chain = getattr(model, "last", model), list(getattr(model, "chain", ()))
    if len(chain) > 1:
        raise ConfigError(
            f"{part} personalises one model, and a Cascade samples {', '.join(chain)} one after the other: "
            f"give a stage, {part}(model.models[{chain[0]!r}], ...), or train a model of one stage, such as "
            "latent_diffusion"
        )
    if not isinstance(last, Model):
        raise ConfigError(
            f"{part} personalises a trained model, not {type(model).__name__}: give the model, such as "
            'mg.load("runs/NAME/model")'
        )
    return last


def updated_network(model: Any) -> Any:
    """The network of a model's objective, in which `LowRank`s are those of a `LoRA` too."""
    return getattr(model, "networks", {}).get("network", model.objective.network)


def with_networks(objective: T, networks: Mapping[str, nn.Module]) -> T:
    """A copy of an objective with other networks, by name; it shares the parameters and the models inside."""
    inside = [part for part in objective.modules() if isinstance(part, Boundary)]
    shared = {id(one): one for one in [*objective.parameters(), *inside]}
    return copy.deepcopy(
        objective, shared | {id(objective._modules[name]): networks[name] for name in networks}
    )


def _low_rank(base: Model, rank: int | Mapping[str, int], scale: float) -> dict[str, LowRank]:
    """The parts of a model's objective that have layers to adapt, with their updates, by name."""
    objective: nn.Module = base.objective
    networks = {
        name: part
        for name, part in objective.named_children()
        if not isinstance(part, Boundary) and next(owned(part), None) is not None
    } | (base.networks if isinstance(base, LoRA) else {})
    layers = nn.ModuleDict({name: getattr(part, "adapted", part) for name, part in networks.items()})
    ranks: dict[str, dict[str, int]] = {}
    for path, each in layer_ranks(layers, rank).items():
        name, _, layer = path.partition(".")
        ranks.setdefault(name, {})[layer] = each
    return {name: LowRank(networks[name], own, scale) for name, own in ranks.items()}
