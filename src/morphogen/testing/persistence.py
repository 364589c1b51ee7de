"""Laws of saved models and resumed training."""

__all__ = ["resume_is_bitwise", "save_load_round_trip"]

import copy
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from morphogen.component import to_config
from morphogen.contract import Batch
from morphogen.model import load, save, tensors
from morphogen.numerics.trees import same
from morphogen.testing.subjects import generates, stages
from morphogen.training.checkpoint import Every
from morphogen.training.loop import train


def save_load_round_trip(model: Any, batch: Batch) -> None:
    """A loaded model has the same config, bitwise equal tensors and the same samples, if any."""
    with tempfile.TemporaryDirectory() as folder:
        save(model, folder)
        loaded = load(folder)
    assert to_config(loaded) == to_config(model), "the config changed"
    for name, tensor in tensors(model).items():
        assert torch.equal(tensors(loaded)[name], tensor), f"{name} changed"
    if generates(model):
        condition = model.taken(batch[:2].condition) or None
        first, second = (each.sample(2, condition, seed=3).tensor for each in (model, loaded))
        assert same(first, second), "the samples changed"


def resume_is_bitwise(model: Any, batch: Batch) -> None:
    """Training that is killed within a cycle of turns and resumed ends with bitwise equal weights."""
    steps = len(list(stages(model))) * (max(len(stage.objective.turns) for stage in stages(model)) + 2)
    uninterrupted, resumed = copy.deepcopy(model), copy.deepcopy(model)
    every_step = Every(steps=1)
    with tempfile.TemporaryDirectory() as folder:
        train(uninterrupted, _Rows(batch), steps=steps)
        with suppress(_Killed):
            train(
                copy.deepcopy(model),
                _Rows(batch, reads=1 + steps // 2 + 1),  # the first read checks the rows
                steps=steps,
                directory=Path(folder),
                checkpoint_every=every_step,
            )
        torch.manual_seed(1234)  # the state of torch's generator must not matter
        train(resumed, _Rows(batch), steps=steps, directory=Path(folder), checkpoint_every=every_step)
    for name, tensor in tensors(uninterrupted).items():
        assert torch.equal(tensors(resumed)[name], tensor), f"{name} differs after resuming"


class _Killed(Exception):
    pass


class _Rows:
    """The batch as a data set; reading it more than `reads` times raises _Killed."""

    def __init__(self, batch: Batch, reads: int | None = None):
        self.batch, self.reads = batch, reads

    def __len__(self) -> int:
        return len(self.batch)

    def __getitem__(self, indices: Tensor) -> Batch:
        if self.reads is not None:
            self.reads -= 1
            if self.reads < 0:
                raise _Killed
        return self.batch[indices]
