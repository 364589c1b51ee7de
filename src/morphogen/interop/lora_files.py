r"""Files of low-rank updates, by peft's and diffusers' names or by kohya's, for a Stable Diffusion model.

    unet.LAYER.lora_A.weight, .lora_B.weight                     peft, and text_encoder.LAYER
    unet.LAYER.lora.down.weight, .lora.up.weight                 diffusers before 2024
    lora_unet_LAYER.lora_down.weight, .lora_up.weight, .alpha    kohya, _ for each . of LAYER; lora_te_LAYER

The update of a layer is (alpha / rank) up down; without alpha, up down. LAYER is a name of
`interop.diffusers_unet` or of `interop.clip_text`. Queries, keys and values are one matrix here, whose update
has the sum of their ranks.

Reference: LoRA: Low-rank adaptation of large language models, Hu et al., 2022; names as in von Platen et al.,
2022, "Diffusers".
"""

__all__ = ["read_lora", "write_lora"]

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from morphogen.component import ConfigError, first_line
from morphogen.conditioning.caption import Caption
from morphogen.files import write_bytes
from morphogen.interop.clip_text import text_mappings
from morphogen.interop.diffusers_unet import COLUMNS_SWAPPED, tensor_mappings
from morphogen.interop.hugging_face import TensorMapping
from morphogen.model import Model
from morphogen.networks.low_rank import LowRank
from morphogen.personalisation.lora import last_stage, updated_network
from morphogen.personalisation.update_files import has_updates, read_updates

ROLES = {  # ends of names
    ".lora_A.weight": "down", ".lora_B.weight": "up", ".lora_A.default.weight": "down",
    ".lora_B.default.weight": "up", ".lora_down.weight": "down", ".lora_up.weight": "up",
    ".lora.down.weight": "down", ".lora.up.weight": "up", "_lora.down.weight": "down",
    "_lora.up.weight": "up", ".alpha": "alpha",
}  # fmt: skip
PARTS = {
    "lora_unet_": "unet.",
    "lora_te_": "text_encoder.",
    "unet.": "unet.",
    "text_encoder.": "text_encoder.",
}


class Place(NamedTuple):
    """Where the update of a layer of the file belongs: a layer of ours, and its rows."""

    path: str
    mapping: TensorMapping
    part: int  # which of the mapping's tensors

    @property
    def rows(self) -> slice:
        """Rows of our weight."""
        start = sum(self.mapping.rows[: self.part])
        return slice(start, start + self.mapping.rows[self.part])

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the weight in the file."""
        return self.mapping.shape(self.mapping.rows[self.part])


class Factors(NamedTuple):
    """An update of the file, up [outputs, r, ...] and down [r, inputs, ...]."""

    up: Float[Tensor, "o r ..."]
    down: Float[Tensor, "r i ..."]


def read_lora(model: Any, file: str | Path, scale: float = 1.0) -> Model:
    """The model with the updates of a file; the given model is not changed.

    A file of `personalisation.save_updates` is read too, for any model.

    Those of the U-Net are a `LowRank` around it, which can be trained further, stacked, or merged; those of
    the text encoder are merged into a copy of it.

    Arguments:
        model: Stable Diffusion, as `read_stable_diffusion` reads it or a system trains it.
        file: a safetensors file.
        scale: of the updates; 0: none.

    Raises:
        ConfigError: for a file that is missing, damaged or for another model; it begins with its path.
    """
    if has_updates(file):
        return read_updates(model, file, scale)
    file, model = Path(file), last_stage(model, "read_lora")
    conditioner, network = copy.deepcopy(model.conditioner), updated_network(model)
    caption, unet = _caption(conditioner), _innermost(network)
    places = _places(unet, tensor_mappings(unet), "unet.")
    of_text = _places(caption.encoder, text_mappings(caption.encoder, "text_model."), "text_encoder.")
    found = _placed(file, {**of_text, **places})
    of_unet, of_captions = ([found[layer] for layer in found if layer in part] for part in (places, of_text))
    objective = model.objective
    if of_unet:
        lora = _adapted(network, of_unet, scale)
        objective = type(objective)(**objective.arguments | {"network": lora})
    if of_captions:
        caption.encoder = _adapted(caption.encoder, of_captions, scale).merged()
    adapted = Model(objective, model.representation, conditioner, model.plan)
    adapted.specs = model.specs
    return adapted.train(model.training)


def write_lora(model: Any, file: str | Path) -> None:
    """Write the updates of a model's U-Net to a file with peft's names, scaled as in the model.

    Errors: ConfigError for a model without a `LowRank`.
    """
    network: Any = updated_network(last_stage(model, "write_lora"))
    if not isinstance(network, LowRank):
        raise ConfigError(f"write_lora: {type(network).__name__} has no updates: train some, LoRA(model, 4)")
    tensors: dict[str, Tensor] = {}
    by_path: dict[str, list[Place]] = {}
    unet = _innermost(network)
    for place in _places(unet, tensor_mappings(unet), "unet.").values():
        by_path.setdefault(place.path, []).append(place)
    for path, factors in _written(network).items():
        for place in by_path[path]:
            name, shape = place.mapping.names[place.part].removesuffix(".weight"), place.shape
            up = place.mapping.layout.to_file(factors.up[place.rows]).reshape(shape[0], -1)
            used = up.any(0) if up.any() else torch.arange(up.shape[1]) == 0
            ones = (1,) * (len(shape) - 2)
            tensors[f"unet.{name}.lora_A.weight"] = factors.down[used].reshape(-1, *shape[1:]).contiguous()
            tensors[f"unet.{name}.lora_B.weight"] = up[:, used].reshape(shape[0], -1, *ones).contiguous()
    write_bytes(Path(file), save(tensors, {"format": "pt"}))


def _placed(file: Path, places: Mapping[str, Place]) -> dict[str, tuple[Place, Factors]]:
    """The updates of a file with their places, by layer. Errors: ConfigError for another model's."""
    found = _factors(file)
    for layer, factors in found.items():
        if layer not in places:
            raise ConfigError(
                f"{file}: {layer[:80]} is not a layer of this model: the LoRA is for another one"
            )
        _check(file, layer, factors, places[layer])
    return {layer: (places[layer], factors) for layer, factors in found.items()}


def _factors(file: Path) -> dict[str, Factors]:
    """The updates of a file by layer, whose name has _ for each dot; alpha is multiplied in."""
    try:
        tensors = load_file(file)
    except (SafetensorError, OSError, ValueError) as error:
        raise ConfigError(
            f"{file} cannot be read ({first_line(error)[:80]}); give a safetensors file"
        ) from None
    found: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        layer, role = _parse(file, key)
        if not tensor.isfinite().all():
            raise ConfigError(f"{file}: {key[:80]} contains non-finite values")
        found.setdefault(layer, {})[role] = tensor.float()
    factors = {}
    for layer, parts in found.items():
        if missing := {"up", "down"} - parts.keys():
            raise ConfigError(f"{file}: {layer[:80]} lacks its {min(missing)} matrix: the file is incomplete")
        rank = max(1, len(parts["down"]) if parts["down"].ndim else 0)
        factors[layer] = Factors(parts["up"] * parts.get("alpha", torch.tensor(rank)) / rank, parts["down"])
    return factors


def _parse(file: Path, key: str) -> tuple[str, str]:
    """The layer and the role of a tensor. Errors: ConfigError for a name of another kind."""
    plain = key.removeprefix("base_model.model.").replace(".processor", "")
    end = next((end for end in ROLES if plain.endswith(end)), None)
    prefix = next((prefix for prefix in PARTS if plain.startswith(prefix)), None)
    if end is None or prefix is None:
        raise ConfigError(
            f"{file}: {key[:80]} is not of a LoRA of this kind: names are unet.LAYER.lora_A.weight or "
            "lora_unet_LAYER.lora_down.weight"
        )
    layer = plain.removeprefix(prefix).removesuffix(end)
    layer = f"{layer}.0" if end.startswith("_") and layer.endswith("to_out") else layer
    return (PARTS[prefix] + layer).replace(".", "_"), ROLES[end]


def _places(network: nn.Module, mappings: Any, prefix: str) -> dict[str, Place]:
    """The layers of the file that can have updates, by their name with _ for each dot."""
    paths = {id(parameter): name.removesuffix(".weight") for name, parameter in network.named_parameters()}
    places = {}
    for mapping in mappings:
        if mapping.parameter.ndim > 1 and mapping.layout is not COLUMNS_SWAPPED:
            for part, name in enumerate(mapping.names):
                key = f"{prefix}{name.removesuffix('.weight')}".replace(".", "_")
                places[key] = Place(paths[id(mapping.parameter)], mapping, part)
    return places


def _check(file: Path, layer: str, factors: Factors, place: Place) -> None:
    """Errors: ConfigError for an update of another shape."""
    outputs, inputs = place.shape[0], torch.Size(place.shape[1:]).numel()
    up, down = (tuple(factor.shape) for factor in factors)
    rank = factors.down.numel() // inputs
    if (
        min(len(up), len(down)) < 2
        or down[0] != rank
        or up[:2] != (outputs, rank)
        or rank < 1
        or (factors.up.numel() != outputs * rank or factors.down.numel() != rank * inputs)
    ):
        raise ConfigError(
            f"{file}: {layer[:80]} is an update {list(up)} x {list(down)} of a layer that is "
            f"{list(place.shape)} in this model: the LoRA is for another one"
        )


def _adapted(network: nn.Module, updates: list[tuple[Place, Factors]], scale: float) -> LowRank:
    """The network with the updates; those of one layer of ours are stacked in its ranks."""
    ranks: dict[str, int] = {}
    for place, factors in updates:
        ranks[place.path] = ranks.get(place.path, 0) + len(factors.down)
    lora, filled = LowRank(network, ranks, scale), dict.fromkeys(ranks, 0)
    with torch.no_grad():
        for place, (up, down) in updates:
            update, start = lora.update_of(place.path), filled[place.path]
            columns = slice(start, start + len(down))
            update.down[columns] = down.flatten(1)
            update.up[place.rows, columns] = place.mapping.layout.from_file(up.flatten(1))
            filled[place.path] = columns.stop
    return lora


def _written(network: LowRank) -> Mapping[str, Factors]:
    """The updates of a network, and of those inside it, by the path of their layer."""
    factors: dict[str, list[Factors]] = {}
    inner: Any = network
    while isinstance(inner, LowRank):
        for name, update in inner.updates.items():
            scaled = Factors(inner.scale * update.up.detach(), update.down.detach())  # type: ignore[operator]
            factors.setdefault(name.replace("/", "."), []).append(scaled)
        inner = inner.network
    return {
        path: Factors(torch.cat([one.up for one in each], 1), torch.cat([one.down for one in each]))
        for path, each in factors.items()
    }


def _innermost(network: Any) -> Any:
    """The network without any updates."""
    return _innermost(network.network) if isinstance(network, LowRank) else network


def _caption(conditioner: Any) -> Any:
    """The captions' conditioner inside the wrappers. Errors: ConfigError for a model without captions."""
    inner = conditioner
    while not isinstance(inner, Caption) and hasattr(inner, "conditioner"):
        inner = inner.conditioner
    if not isinstance(inner, Caption):
        raise ConfigError(f"a LoRA file is for a model of captions, not of {type(inner).__name__}")
    return inner
