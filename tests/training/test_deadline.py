"""A deadline drops an unfinished round of EM between its micro-batches; the clock is one of rows read."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from morphogen.contract import Batch
from morphogen.model import Model, load, tensors
from morphogen.training import progress, train
from morphogen.training.outcome import StoppedEarly
from morphogen.training.step import MAX_MICRO_ROWS
from training.toys import Rows, batch_norm, contents, denoiser, mean


class Timed(Rows):
    """Rows of which a read takes a second of a clock that else stands; SIGTERM is sent at `signal_at`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, signal_at: float = -1, **options: Any):
        super().__init__(**options)
        self.seconds, self.signal_at, self.largest = 0.0, signal_at, 0
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.seconds)

    def __getitem__(self, rows: Tensor) -> Batch:
        self.seconds += 1
        self.largest = max(self.largest, len(rows))
        if self.seconds == self.signal_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().__getitem__(rows)


def rounds(accumulate: int = 4) -> Model:
    """Means of all rows by EM, which half the distance in each round."""
    model = mean(0)
    model.plan.accumulate = accumulate
    return model


def equal(a: Model, b: Model) -> bool:
    return all(torch.equal(t, tensors(b)[name]) for name, t in tensors(a).items())


@pytest.mark.parametrize(("time", "steps"), [(3.0, 1), (5.0, 1), (8.0, 1), (9.0, 2), (12.0, 2), (12.5, 3)])
def test_the_result_is_that_of_the_last_whole_round(
    time: float, steps: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Preparation takes a second, a round four: the budget is passed by less than one read, or round 1."""
    model, whole = rounds(), rounds()
    trained = train(model, Timed(monkeypatch), time=time, directory=tmp_path)
    assert (trained.steps, trained.finished, trained.skipped) == (steps, True, 0)
    assert trained.seconds < max(time + 1, 5.1)
    train(whole, Rows(), steps=steps)
    assert equal(model, whole) and equal(load(tmp_path / "model"), whole)


def test_a_dropped_round_is_repeated_bitwise_after_a_signal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place: dict[str, Any] = {"directory": tmp_path / "b", "log_every": 2, "keep": 1}
    for at in (4, 11, 2, 7):  # in round 1, before any checkpoint; in round 3, twice; and in round 4
        with pytest.warns(StoppedEarly):
            stopped = train(rounds(), Timed(monkeypatch, at), steps=6, **place)
        assert not stopped.finished and not (tmp_path / "b/model").exists()
    resumed, whole = rounds(), rounds()
    assert train(resumed, Rows(), steps=6, **place).steps == 6
    train(whole, Rows(), steps=6, **place | {"directory": tmp_path / "a"})
    assert equal(resumed, whole)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_longer_budget_repeats_the_dropped_round(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows, model, whole = Timed(monkeypatch), rounds(), rounds()
    assert train(rounds(), rows, time=12.0, directory=tmp_path).steps == 2
    trained = train(model, rows, time=22.0, directory=tmp_path)
    assert (trained.resumed, trained.steps) == (2, 4)  # from 12 s, in which the first call ended, to 20 s
    train(whole, Rows(), steps=4)
    assert equal(model, whole)


def test_steps_with_gradients_are_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their micro-batches are few, and between several ranks the gradient is reduced at the last."""
    trained = train(denoiser(accumulate=4), Timed(monkeypatch), time=7.0)
    assert (trained.steps, trained.seconds) == (2, 9.0)


def test_a_batch_of_all_rows_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the rows depend on each other; a batch of some rows is what the plan says."""
    n = 2 * MAX_MICRO_ROWS + 1
    for model, largest in ((rounds(1), n // 3), (mean(n - 1), n - 1), (batch_norm(), n)):
        model.plan.batch = model.plan.batch if model.plan.batch == n - 1 else 0
        rows = Timed(monkeypatch, n=n)
        model.prepare = lambda batch, rng: None  # type: ignore[method-assign]
        train(model, rows, steps=1)
        rows.largest = 0
        train(model, rows, steps=1, warm_start=True)
        assert rows.largest == largest
