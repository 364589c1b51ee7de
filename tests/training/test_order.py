"""Each example once an epoch, B rows every step, the same for the same seed from any step on."""

import pytest
import torch

from morphogen.training.order import Order


@pytest.mark.parametrize(("examples", "batch"), [(20, 6), (20, 5), (7, 3), (5, 4), (100, 1)])
def test_each_example_once_an_epoch(examples: int, batch: int) -> None:
    order = Order(examples, batch, seed=0)
    steps = [order[s] for s in range(3 * examples)]
    assert all(len(rows) == batch for rows in steps)
    row = torch.cat(steps)[: 3 * examples].reshape(3, examples)
    assert torch.equal(row.sort(1).values, torch.arange(examples).expand(3, -1))
    assert not torch.equal(row[0], row[1]) or examples < 3


def test_any_step_is_found_without_the_ones_before() -> None:
    order = Order(50, 7, seed=4)
    steps = [order[s] for s in range(40)]
    assert all(torch.equal(Order(50, 7, seed=4)[s], steps[s]) for s in (0, 7, 21, 39))
    assert not torch.equal(Order(50, 7, seed=5)[0], steps[0])


@pytest.mark.parametrize("batch", [0, 20, 64])
def test_all_rows_where_the_batch_is_the_data(batch: int) -> None:
    assert torch.equal(Order(20, batch, seed=0)[3], torch.arange(20))


def test_places_are_uniform() -> None:
    """The first example's place among 4, 600 epochs, seed 0: chi-squared with 3 degrees, 16.3 is the 0.999 quantile."""
    order = Order(4, 1, seed=0)
    places = torch.stack([(order._permutation(e) == 0).nonzero()[0, 0] for e in range(600)])
    counts = torch.bincount(places, minlength=4).double()
    assert ((counts - 150).square() / 150).sum() < 16.3
