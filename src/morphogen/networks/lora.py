r"""Low-rank adaptation: a trained network, whose weights stay as they are, plus small trained updates.

    W' = W + scale B A,      A [r, inputs],  B [outputs, r],      B = 0 at initialization

W is the weight of a linear or convolutional layer; a kernel counts among the inputs.

LoRA: Low-rank adaptation of large language models, Hu, Shen, Wallis, Allen-Zhu, Li, Wang, Wang & Chen, 2022.
"""

__all__ = ["LoRA", "LowRankUpdate"]

import copy
import math
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from morphogen.component import Component, ConfigError
from morphogen.ownership import Boundary

ADAPTED = nn.Linear | nn.Conv1d | nn.Conv2d


class LoRA(Component, nn.Module):
    """A frozen network with low-rank updates of some of its layers (Hu et al. 2022).

    Only the updates are trained. Updates are stacked as `LoRA(LoRA(network, ...), ...)`.

        LoRA(unet, {"attention": 4, "cross": 4})

    Arguments:
        network: the trained network; it is not changed.
        ranks: rank of the updates of the linear and convolutional layers in the parts of this name, or of the
            layer of this path.
        scale: of the updates; 0: the network itself.

    Raises ConfigError for a name without such layers, and for a rank below 1.
    """

    def __init__(self, network: nn.Module, ranks: Mapping[str, int], scale: float = 1.0):
        super().__init__()
        self.ranks, self.scale = dict(ranks), scale
        self.frozen = Boundary()
        self.frozen.network = network
        chosen = _chosen(network, self.ranks)
        updates = {name: LowRankUpdate(layer.weight, rank) for name, (layer, rank) in chosen.items()}
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
        return network.merged() if isinstance(network, LoRA) else network

    def _updated(self) -> dict[str, Tensor]:
        """The weights of the adapted layers, by name."""
        updated = {}
        for name, update in self.updates.items():
            layer: Any = self.network.get_submodule(path := name.replace("/", "."))
            updated[f"{path}.weight"] = layer.weight + self.scale * update()
        return updated


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


def _chosen(network: nn.Module, ranks: Mapping[str, int]) -> dict[str, tuple[Any, int]]:
    """The layers to adapt, with their ranks, by path."""
    layers = {name: layer for name, layer in network.named_modules() if isinstance(layer, ADAPTED)}
    chosen: dict[str, tuple[Any, int]] = {}
    for part, rank in ranks.items():
        found = {name: layer for name, layer in layers.items() if f".{part}." in f".{name}."}
        if not found or rank < 1:
            known = ", ".join(
                sorted({part for name in layers for part in name.split(".") if not part.isdigit()})
            )
            fault = f"rank {rank} must be at least 1" if found else f"no layer to adapt; known parts: {known}"
            raise ConfigError(f"LoRA: {part!r}: {fault}")
        chosen |= {name: (layer, rank) for name, layer in found.items()}
    return chosen
