"""Files of the low-rank updates of any model: small, and of use for the model that they were trained for.

    NETWORK.LAYER.down, .up          safetensors: A [r, inputs] and scale B [outputs, r] of each adapted layer

NETWORK is the name of the network in its objective, LAYER the path of the layer in it. The metadata have the
SHA-256 of the weights that they were trained with: on another model of the same shapes, such as one that was
trained for longer, they are used with a warning. For the names of diffusers and peft, which other programs
read, see `interop.lora_files`.
"""

__all__ = ["OtherWeights", "has_updates", "read_updates", "save_updates"]

import hashlib
import warnings
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
TRAINED_WITH = "weights_sha256"


class OtherWeights(UserWarning):
    """Low-rank updates are used with other weights than those that they were trained with."""


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
    write_bytes(Path(file), save(tensors, OWN | {TRAINED_WITH: _digest(lora)}))


def has_updates(file: str | Path) -> bool:
    """Whether a file was written by `save_updates`."""
    return _metadata(file).get("format") == FORMAT


def read_updates(model: Any, file: str | Path, scale: float = 1.0) -> LoRA:
    """The model with the updates of a file; several files are stacked, each with its scale.

        read_updates(read_updates(model, "star.safetensors"), "style.safetensors", scale=0.5)

    Arguments:
        model: that the updates were trained for; it is not changed.
        file: of `save_updates`.
        scale: of the updates; 0: the model itself.

    Warns: OtherWeights for a model of the same shapes whose weights are others.

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
    if _metadata(file).get(TRAINED_WITH, found := _digest(lora)) != found:
        warnings.warn(
            f"{file} was trained with other weights than this model has: if its samples do not show what was "
            "learned, give the model of that training",
            OtherWeights,
            stacklevel=2,
        )
    return lora


def _metadata(file: str | Path) -> dict[str, str]:
    """The metadata of a safetensors file; of another file, none."""
    try:
        with safe_open(str(file), "pt") as opened:
            return opened.metadata() or {}
    except (SafetensorError, OSError):
        return {}


def _digest(lora: LoRA) -> str:
    """SHA-256 of the weights that are updated, without any update."""
    content = hashlib.sha256()
    for _, network in sorted(lora.networks.items()):
        for _, weight in sorted(network.originals().items()):
            content.update(weight.detach().float().cpu().contiguous().numpy().tobytes())
    return content.hexdigest()


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
