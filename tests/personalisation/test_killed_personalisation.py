"""SIGKILL of each kind of personalisation: the resumed training ends in the same bytes."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from training.toys import contents
from training.victim import SERVER

KINDS = "lora", "token", "prior", "lora and prior"


def personalised(kind: str) -> tuple[Any, Any]:
    """What is trained, and on which rows."""
    import torch

    from morphogen.data.prior_preservation import PriorPreservation
    from morphogen.personalisation.lora import LoRA
    from morphogen.personalisation.textual_inversion import TextualInversion
    from personalisation.painter import painter, pictures

    model, rows = painter(), pictures(5, "a <dog>")
    torch.manual_seed(0)
    trained: Any = {"lora": LoRA, "lora and prior": LoRA}.get(kind, lambda model: model)(model)
    trained = TextualInversion(model, "<dog>") if kind == "token" else trained
    return trained, PriorPreservation(rows, pictures(7, "a dog")) if "prior" in kind else rows


def train_killed(kind: str, directory: Path, kill_at: int | None) -> None:
    """Train for 8 steps, or until a step at which the process kills itself."""
    from morphogen.training import Every, train
    from morphogen.training.step import Stepper

    original = Stepper.step

    def step(self: Stepper, step: int, *rest: Any) -> Any:
        if step == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, step, *rest)

    Stepper.step = step  # type: ignore[method-assign]
    model, rows = personalised(kind)
    train(model, rows, steps=8, directory=directory, checkpoint_every=Every(steps=2), warm_start=True)


def run(kind: str, directory: Path, kill_at: int | None = None) -> int:
    """The exit code of a training in its own process."""
    process = SERVER.Process(target=train_killed, args=(kind, directory, kill_at))
    process.start()
    process.join(300)
    return process.exitcode or 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_training_ends_in_the_same_bytes(kind: str, tmp_path: Path) -> None:
    assert run(kind, tmp_path / "whole") == 0
    for step in (1, 3, 6):
        assert run(kind, tmp_path / "killed", step) == -signal.SIGKILL
    assert run(kind, tmp_path / "killed") == 0
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
