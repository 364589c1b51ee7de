"""Models by name: a saved one, or one in another project's format.

mg.load("runs/ddpm-digits-001/model")      a model that `save` wrote
mg.load("diffusers:stable-diffusion")      the folder of a pipeline of diffusers (von Platen et al. 2022)
"""

__all__ = ["load"]

from pathlib import Path
from typing import Any

from morphogen import model
from morphogen.component import ConfigError
from morphogen.named_tensors import available_device
from morphogen.saved_config import FROM_HUB
from morphogen.wrong_calls import explains_calls

DIFFUSERS = "diffusers:"


@explains_calls
def load(directory: str | Path, device: Any = "cpu") -> Any:
    """Load a model onto a device; "auto": the GPU if there is one.

    Arguments:
        directory: of a saved model; or "diffusers:PATH", the folder of a Stable Diffusion pipeline.
        device: name of the device.

    Errors: ConfigError that names the missing, damaged or outdated file, or the device.
    """
    name = str(directory)
    if not name.startswith(DIFFUSERS):
        return model.load(directory, device)
    folder = Path(name.removeprefix(DIFFUSERS)).expanduser()
    if not folder.parent.exists():
        raise ConfigError(f"{folder} does not exist: {FROM_HUB}")
    from morphogen.interop.stable_diffusion import read_stable_diffusion

    return read_stable_diffusion(folder).to(available_device(device))
