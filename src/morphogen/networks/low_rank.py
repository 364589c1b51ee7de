r"""Low-rank adaptation: a trained network, whose weights stay as they are, plus small trained updates.

    W' = W + scale B A,      A [r, inputs],  B [outputs, r],      B = 0 at initialization

W is the weight of a linear or convolutional layer; a kernel counts among the inputs.

LoRA: Low-rank adaptation of large language models, Hu, Shen, Wallis, Allen-Zhu, Li, Wang, Wang & Chen, 2022.
"""

__all__ = ["LowRank", "LowRankUpdate", "layer_ranks"]

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from morphogen.component import Component, ConfigError
from morphogen.ownership import Boundary

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

    Raises ConfigError for a name without such layers, and for a rank below 1.
    """

    def __init__(self, network: nn.Module, ranks: int | Mapping[str, int], scale: float = 1.0):
        super().__init__()
        self.ranks, self.scale = ranks if isinstance(ranks, int) else dict(ranks), scale
        self.frozen = Boundary()
        self.frozen.network = network
        layers: dict[str, Any] = dict(network.named_modules())
        chosen = layer_ranks(network, ranks)
        updates = {name: LowRankUpdate(layers[name].weight, rank) for name, rank in chosen.items()}
        self.updates = nn.ModuleDict({name.replace(".", "/"): update for name, update in updates.items()})

    @property
    def network(self) -> nn.Module:
        """The network without the updates."""
        return self.frozen.network

    def forward(self, *arguments: Any, **options: Any) -> Any:
        """The output of the network with the updated weights."""
        return functional_call(self.network, self._updated(), arguments, options)

    def update_of(self, layer: str) -> "LowRankUpdate":
        """The update of a layer, by its path in the network."""
        update: Any = self.updates[layer.replace(".", "/")]
        return update

    @torch.no_grad()
    def merged(self) -> nn.Module:
        """A copy of the network with the updates added to its weights, which is as fast as the network."""
        network = copy.deepcopy(self.network)
        for name, weight in self._updated().items():
            network.get_parameter(name).copy_(weight)
        return network.merged() if isinstance(network, LowRank) else network

    def _updated(self) -> dict[str, Tensor]:
        """The weights of the adapted layers, by name."""
        updated = {}
        for name, update in self.updates.items():
            layer: Any = self.network.get_submodule(path := name.replace("/", "."))
            updated[f"{path}.weight"] = layer.weight + self.scale * update()
        return updated


def layer_ranks(network: nn.Module, ranks: int | Mapping[str, int]) -> dict[str, int]:
    """The layers to adapt, by their path in the network, with the rank of their updates.

    Arguments:
        network: any.
        ranks: of the linear and convolutional layers in the parts of this name, or of the layer of this path;
            a number: of those of attention (section 4.2), or of all layers if there is no attention.

    Errors: ConfigError for a name without such layers, and for a rank below 1.
    """
    layers = [name for name, layer in network.named_modules() if isinstance(layer, ADAPTED)]
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


def _within(part: str, layers: Sequence[str]) -> list[str]:
    """The layer of this path, or else those in the parts of this name."""
    return [part] if part in layers else [name for name in layers if f".{part}." in f".{name}."]
