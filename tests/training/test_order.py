"""Data order: each example once per epoch, B rows per step, and a pure function of seed and step."""

import pytest
import torch

from morphogen.training.order import DataOrder


@pytest.mark.parametrize(("examples", "batch"), [(20, 6), (20, 5), (7, 3), (5, 4), (100, 1)])
def test_each_example_once_per_epoch(examples: int, batch: int) -> None:
    order = DataOrder(examples, batch, seed=0)
    steps = [order[s] for s in range(3 * examples)]
    assert all(len(rows) == batch for rows in steps)
    epochs = torch.cat(steps)[: 3 * examples].reshape(3, examples)
    assert torch.equal(epochs.sort(1).values, torch.arange(examples).expand(3, -1))
    assert not torch.equal(epochs[0], epochs[1]) or examples < 3


def test_steps_are_computed_independently() -> None:
    order = DataOrder(50, 7, seed=4)
    steps = [order[s] for s in range(40)]
    assert all(torch.equal(DataOrder(50, 7, seed=4)[s], steps[s]) for s in (0, 7, 21, 39))
    assert not torch.equal(DataOrder(50, 7, seed=5)[0], steps[0])


@pytest.mark.parametrize("batch", [0, 20, 64])
def test_full_batch(batch: int) -> None:
    assert torch.equal(DataOrder(20, batch, seed=0)[3], torch.arange(20))


def test_positions_are_uniform() -> None:
    """Position of one of 4 examples, 600 epochs, seed 0; 16.3: the 0.999 quantile of chi-squared(3)."""
    order = DataOrder(4, 1, seed=0)
    positions = torch.stack([(order._permutation(e) == 0).nonzero()[0, 0] for e in range(600)])
    counts = torch.bincount(positions, minlength=4).double()
    assert ((counts - 150).square() / 150).sum() < 16.3
