"""What a training ends with: its totals, the saved model, and warnings if the model is of no use.

A training that a signal stopped, or that diverged, leaves its checkpoints and no `model/`.
"""

__all__ = ["AlreadyTrained", "StoppedEarly", "Trained", "conclude", "is_usable", "remove_previous", "total"]

import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from morphogen.files import fresh_directory
from morphogen.model import Model, save
from morphogen.staged import Staged
from morphogen.training.divergence import Diverged, lower_rates


class AlreadyTrained(UserWarning):
    """Nothing was trained: the directory holds a training that has spent the budget."""


class StoppedEarly(UserWarning):
    """The process was asked to end, by SIGTERM, and the training stopped before its budget was spent."""


@dataclass(frozen=True)
class Trained:
    """Totals of a training over all its resumptions; for a `Staged`, over all its stages."""

    steps: int
    seconds: float
    samples_per_second: float
    finished: bool = True  # False: stopped by SIGTERM; the same call resumes from the checkpoint
    skipped: int = 0  # steps whose loss or gradient was not finite
    diverged: bool = False  # too many of them (see `divergence`): the model is of no use, and is not saved
    resumed: int = 0  # of the steps, those of earlier calls
    validated: Mapping[int, float] = field(default_factory=dict)  # {step: held-out nats per row}
    collapsed: str = ""  # what has collapsed at the end (see `collapse`); "": nothing
    ended: str = ""  # why it is complete before its budget is spent; "": it is not

    @property
    def skipped_steps(self) -> str:
        """How many steps were skipped, in words; "": none."""
        return f"{self.skipped} of {self.steps} steps were not finite" if self.skipped else ""

    @property
    def best_step(self) -> int:
        """The step of the model's weights: the best that was validated, or else the last."""
        return max(self.validated, key=self.validated.__getitem__, default=self.steps)


def conclude(model: Model | Staged, trained: Trained, directory: Path | None) -> None:
    """Save a model that is finished and of use; warn if it is of none, or if nothing was trained."""
    if directory is not None and trained.resumed == trained.steps and trained.finished:
        warnings.warn(
            f"{directory}: holds a training of {trained.steps} steps in {trained.seconds:.0f} s already: "
            "nothing was trained, and the model is its result; give resume=False to start again",
            AlreadyTrained,
            stacklevel=4,
        )
    if directory is not None and is_usable(trained):
        with fresh_directory(directory / "model") as folder:
            save(model, folder)
    if not trained.finished and not trained.diverged:
        warnings.warn(f"SIGTERM stopped the training after {trained.steps} steps", StoppedEarly, stacklevel=4)
    if trained.diverged:
        warnings.warn(f"{trained.skipped_steps}; {lower_rates(model)}", Diverged, stacklevel=4)


def is_usable(trained: Trained) -> bool:
    """Whether a stage can be built on: it is finished, and did not diverge."""
    return trained.finished and not trained.diverged


def remove_previous(model: Model | Staged, directory: Path) -> None:
    """Remove the trained model and the checkpoints of every stage; later stages depend on earlier ones."""
    folders = [directory / name for name in model.models] if isinstance(model, Staged) else [directory]
    for folder in [*(folder / "checkpoints" for folder in folders), directory / "model"]:
        shutil.rmtree(folder, ignore_errors=True)


def total(stages: Sequence[Trained]) -> Trained:
    """Totals over the stages."""
    steps, seconds = sum(stage.steps for stage in stages), sum(stage.seconds for stage in stages)
    samples = sum(stage.samples_per_second * stage.seconds for stage in stages)
    skipped, diverged = sum(stage.skipped for stage in stages), any(stage.diverged for stage in stages)
    resumed = sum(stage.resumed for stage in stages)
    collapsed = "; ".join(stage.collapsed for stage in stages if stage.collapsed)
    totals = (steps, seconds, samples / seconds, stages[-1].finished, skipped, diverged, resumed)
    return Trained(*totals, collapsed=collapsed, ended=stages[-1].ended)
