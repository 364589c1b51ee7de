"""Models of other projects, which the commands take as a run.

    morphogen sample diffusers:stable-diffusion --prompt "a red circle" --guidance 7.5

Such a run has neither a record nor data, and nothing is copied: the model is read from its own folder. What
the commands write is in runs/NAME.
"""

__all__ = ["ForeignRun"]

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from morphogen.conditioning.named import own_specs
from morphogen.contract import ConditionSpec
from morphogen.loading import load
from morphogen.run import Run, versions


class ForeignRun(Run):
    """The run of a model that `load` reads from another project's format.

    Arguments:
        name: such as "diffusers:PATH".
        root: folder of the runs.
    """

    def __init__(self, name: str, root: str | Path = "runs"):
        kind, _, path = name.partition(":")
        record = {"system": kind, "data": path, "settings": {}, "status": "finished", "versions": versions()}
        super().__init__(Path(root) / (Path(path).resolve().name or kind), record)
        self.source = name

    @property
    def where(self) -> str:
        """The name in messages."""
        return self.source

    @property
    def conditions(self) -> Mapping[str, ConditionSpec]:
        """What the model can condition on, by name."""
        return own_specs(self._model.conditioner)

    def model(self, device: str = "cpu") -> Any:
        """The model, on a device."""
        return self._model.to(device)

    @cached_property
    def _model(self) -> Any:
        return load(self.source)
