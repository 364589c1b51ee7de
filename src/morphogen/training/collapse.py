"""Whether the samples of a model that is being trained have collapsed: what to say, and whether to stop.

    collapsed    the objective says so at the end of a window of `log_every` steps

Adversarial losses do not show it: a generator whose samples are all the same can win against its critic. The
objective knows what collapse is in its family (`Trainable.collapse`), the training only asks.
"""

__all__ = ["Collapsed", "CollapseWatch", "OnCollapse"]

import warnings
from typing import Literal

from morphogen.contract import Trainable

OnCollapse = Literal["continue", "stop"]


class Collapsed(RuntimeWarning):
    """The warning of a training whose model has collapsed."""


class CollapseWatch:
    """Asks an objective whether it has collapsed, and warns the first time.

    Arguments:
        objective: what is trained.
        on_collapse: "stop" ends the training, "continue" only warns.
    """

    def __init__(self, objective: Trainable, on_collapse: OnCollapse):
        self.objective, self.on_collapse = objective, on_collapse
        self.found = ""  # the newest finding; "": it has not collapsed, or has recovered
        self._warned = False

    @property
    def stop(self) -> bool:
        """Whether the training is to end."""
        return bool(self.found) and self.on_collapse == "stop"

    def look(self) -> None:
        """Ask the objective, at the end of a window."""
        self.found = self.objective.collapse() or ""
        if self.found and not self._warned:
            self._warned = True
            warnings.warn(self.found, Collapsed, stacklevel=5)
