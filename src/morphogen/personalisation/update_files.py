"""Files of the low-rank updates of any model: small, and of use for the model that they were trained for.

    NETWORK.LAYER.down, .up          safetensors: A [r, inputs] and scale B [outputs, r] of each adapted layer

NETWORK is the name of the network in its objective, LAYER the path of the layer in it. For the names of
diffusers and peft, which other programs read, see `interop.lora_files`.
"""

__all__ = ["has_updates", "read_updates", "save_updates"]

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from morphogen.component import ConfigError, first_line
from morphogen.files import write_bytes
from morphogen.personalisation.lora import LoRA, last_stage

FORMAT = "morphogen low-rank updates"
OWN = {"format": FORMAT, "version": "1"}


def save_updates(lora: Any, file: str | Path) -> None:
    """Write the updates of a model to a safetensors file, scaled as in the model; of a stack, the last ones.

    Errors: ConfigError for a model without updates.
    """
    if not isinstance(lora, LoRA):
        raise ConfigError(
            f"save_updates: {type(lora).__name__} has no updates: train some, LoRA(model, 4), or save all "
            "weights, mg.save(model, directory)"
        )
    tensors: dict[str, Tensor] = {}
    for name, network in lora.networks.items():
        for layer, update in network.updates.items():
            path = f"{name}.{layer.replace('/', '.')}"
            tensors[f"{path}.down"] = update.down.detach().contiguous()  # type: ignore[operator]
            tensors[f"{path}.up"] = (lora.scale * update.up.detach()).contiguous()  # type: ignore[operator]
    write_bytes(Path(file), save(tensors, OWN))


def has_updates(file: str | Path) -> bool:
    """Whether a file was written by `save_updates`."""
    try:
        with safe_open(str(file), "pt") as opened:
            return (opened.metadata() or {}).get("format") == FORMAT
    except (SafetensorError, OSError):
        return False


def read_updates(model: Any, file: str | Path, scale: float = 1.0) -> LoRA:
    """The model with the updates of a file; several files are stacked, each with its scale.

        read_updates(read_updates(model, "star.safetensors"), "style.safetensors", scale=0.5)

    Arguments:
        model: that the updates were trained for; it is not changed.
        file: of `save_updates`.
        scale: of the updates; 0: the model itself.

    Errors: ConfigError, which begins with the path, for a file that is damaged or for another model.
    """
    file, model = Path(file), last_stage(model, "read_updates")
    if not has_updates(file):
        raise ConfigError(f"{file} is no file of low-rank updates: give one that save_updates wrote")
    try:
        tensors = load_file(file)
    except (SafetensorError, OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read ({first_line(error)[:80]}): save it again") from None
    ranks = {
        name.removesuffix(".down"): len(down) for name, down in tensors.items() if name.endswith(".down")
    }
    try:
        lora = LoRA(model, ranks, scale)
    except ConfigError as error:
        layer = next(iter(ranks), "it")
        raise ConfigError(
            f"{file} is for another model: {layer[:80]} is not a layer of this one ({first_line(error)[:80]})"
        ) from None
    _copy(lora, tensors, file)
    return lora


@torch.no_grad()
def _copy(lora: LoRA, tensors: dict[str, Tensor], file: Path) -> None:
    """Copy the updates of a file. Errors: ConfigError for updates of other shapes, or other layers."""
    own = {
        f"{name}.{layer.replace('/', '.')}.{role}": factor
        for name, network in lora.networks.items()
        for layer, update in network.updates.items()
        for role, factor in update.named_parameters()
    }
    for name in sorted(own.keys() | tensors.keys()):
        found, expected = tensors.get(name), own.get(name)
        if found is None or expected is None or found.shape != expected.shape or not found.isfinite().all():
            shapes = ["missing" if one is None else str(list(one.shape)) for one in (found, expected)]
            raise ConfigError(
                f"{file} is for another model, or damaged: {name[:80]} is {shapes[0]} and should be finite "
                f"values of shape {shapes[1]}"
            )
        expected.copy_(found)
