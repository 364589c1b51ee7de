r"""Low-rank adaptation: a trained network, whose weights stay as they are, plus small trained updates.

    W' = W + scale B A,      A [r, inputs],  B [outputs, r],      B = 0 at initialization

W is the weight of a linear or convolutional layer; a kernel counts among the inputs.

LoRA: Low-rank adaptation of large language models, Hu, Shen, Wallis, Allen-Zhu, Li, Wang, Wang & Chen, 2022.
"""

__all__ = ["LowRank", "LowRankUpdate", "layer_ranks"]

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize

from morphogen.component import Component, ConfigError
from morphogen.ownership import Boundary, own_modules

ADAPTED = nn.Linear | nn.Conv1d | nn.Conv2d
ATTENTION = "attention", "cross"  # parts of networks: self-attention, and that to a condition


class LowRank(Component, nn.Module):
    """A frozen network with low-rank updates of some of its layers (Hu et al. 2022).

    Only the updates are trained. Updates are stacked as `LowRank(LowRank(network, ...), ...)`.

        LowRank(unet, {"attention": 4, "cross": 4})

    Arguments:
        network: the trained network; it is not changed.
        ranks: rank of the updates, as `layer_ranks` has it.
        scale: of the updates; 0: the network itself.

    Attributes:
        updates: by the path of their layer in the network, with / for each dot.

    Raises ConfigError for a name without such layers, and for a rank below 1.
    """

    def __init__(self, network: nn.Module, ranks: int | Mapping[str, int], scale: float = 1.0):
        super().__init__()
        self.ranks, self.scale = ranks if isinstance(ranks, int) else dict(ranks), scale
        inner = network.adapted if isinstance(network, LowRank) else network
        chosen = layer_ranks(inner, ranks)
        updates = {path: LowRankUpdate(_weight(inner, path), rank) for path, rank in chosen.items()}
        self.frozen = Boundary()
        self.frozen.network, self.frozen.adapted = network, _adapted(inner, updates, scale)
        self.updates = nn.ModuleDict({path.replace(".", "/"): update for path, update in updates.items()})

    @property
    def network(self) -> nn.Module:
        """The network without the updates."""
        return self.frozen.network

    @property
    def adapted(self) -> nn.Module:
        """The network with the updates, of its own class and with its other weights."""
        return self.frozen.adapted

    def forward(self, *arguments: Any, **options: Any) -> Any:
        """The output of the network with the updated weights."""
        return self.adapted(*arguments, **options)

    def update_of(self, layer: str) -> "LowRankUpdate":
        """The update of a layer, by its path in the network."""
        update: Any = self.updates[layer.replace(".", "/")]
        return update

    def originals(self) -> dict[str, nn.Parameter]:
        """The weights W without any update, by the path of their layer."""
        paths = [name.replace("/", ".") for name in self.updates]
        return {path: _original(self.adapted.get_submodule(path)) for path in paths}

    def trained_with(self, parameters: Iterable[nn.Parameter]) -> list[nn.Parameter]:
        """The parameters of the updates of these weights."""
        weights = set(map(id, parameters))
        own = [path for path, weight in self.originals().items() if id(weight) in weights]
        return [parameter for path in own for parameter in self.update_of(path).parameters()]

    @torch.no_grad()
    def merged(self) -> nn.Module:
        """A copy of the network with the updates added to its weights, which is as fast as the network."""
        plain: Any = self
        while isinstance(plain, LowRank):
            plain = plain.network
        merged, buffers = copy.deepcopy(plain), dict(self.adapted.named_buffers())
        for path, layer in self.adapted.named_modules():
            if _is_updated(layer):
                merged.get_parameter(f"{path}.weight").copy_(layer.weight)
        for name, buffer in merged.named_buffers():
            buffer.copy_(buffers[name])
        return merged


def layer_ranks(network: nn.Module, ranks: int | Mapping[str, int]) -> dict[str, int]:
    """The layers to adapt, by their path in the network, with the rank of their updates.

    Arguments:
        network: any.
        ranks: of the linear and convolutional layers in the parts of this name, or of the layer of this path;
            a number: of those of attention (section 4.2), or of all layers if there is no attention.

    Errors: ConfigError for a name without such layers, and for a rank below 1.
    """
    own = set(own_modules(network))
    layers = [name for name, layer in network.named_modules() if layer in own and _is_adaptable(layer)]
    if isinstance(ranks, int):
        parts = {name: ranks for name in ATTENTION if _within(name, layers)}
        ranks = parts or dict.fromkeys(layers, ranks)
        if not ranks:
            raise ConfigError("LoRA: the model has no linear or convolutional layer to adapt")
    chosen: dict[str, int] = {}
    for part, rank in ranks.items():
        found = _within(part, layers)
        if not found or rank < 1:
            known = ", ".join(
                sorted({part for name in layers for part in name.split(".") if not part.isdigit()})
            )
            fault = f"rank {rank} must be at least 1" if found else f"no layer to adapt; known parts: {known}"
            raise ConfigError(f"LoRA: {part!r}: {fault}")
        chosen |= dict.fromkeys(found, rank)
    return chosen


class LowRankUpdate(nn.Module):
    """B A, of the shape of a weight; 0 at initialization.

    Arguments:
        weight: of the layer, [outputs, inputs, ...].
        rank: r.
    """

    def __init__(self, weight: Float[Tensor, "o i ..."], rank: int):
        super().__init__()
        self.shape = weight.shape
        self.down = nn.Parameter(weight.new_empty(rank, weight[0].numel()))  # A
        self.up = nn.Parameter(weight.new_zeros(len(weight), rank))  # B
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self) -> Float[Tensor, "o i ..."]:
        return (self.up @ self.down).view(self.shape)


class _Updated(nn.Module):
    """W + scale B A as the weight of a layer; the update belongs to a `LowRank`, and W is not trained."""

    def __init__(self, update: LowRankUpdate, scale: float):
        super().__init__()
        self.held, self.scale = (update,), scale

    def forward(self, weight: Float[Tensor, "o i ..."]) -> Float[Tensor, "o i ..."]:
        return weight.detach() + self.scale * self.held[0]()


def _adapted(network: nn.Module, updates: Mapping[str, LowRankUpdate], scale: float) -> nn.Module:
    """A copy of the network that shares its parameters, and has the updates in its layers."""
    before = [update for part in network.modules() if isinstance(part, _Updated) for update in part.held]
    shared = {id(one): one for one in [*network.parameters(), *before]}
    adapted = copy.deepcopy(network, shared)
    for path, update in updates.items():
        layer = adapted.get_submodule(path)
        parametrize.register_parametrization(layer, "weight", _Updated(update, scale), unsafe=True)
    return adapted


def _weight(network: nn.Module, path: str) -> Tensor:
    layer: Any = network.get_submodule(path)
    return layer.weight.detach()


def _original(layer: Any) -> nn.Parameter:
    """The weight of an adapted layer without the updates."""
    return layer.parametrizations["weight"].original


def _is_updated(layer: Any) -> bool:
    return parametrize.is_parametrized(layer, "weight") and isinstance(
        layer.parametrizations["weight"][0], _Updated
    )


def _is_adaptable(layer: nn.Module) -> bool:
    """Whether a layer can have an update: its weight is a parameter, or has updates only."""
    return isinstance(layer, ADAPTED) and (not parametrize.is_parametrized(layer) or _is_updated(layer))


def _within(part: str, layers: Sequence[str]) -> list[str]:
    """The layer of this path, or else those in the parts of this name."""
    return [part] if part in layers else [name for name in layers if f".{part}." in f".{name}."]
