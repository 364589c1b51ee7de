"""Several processes that work as one: shares are all rows, each once; what is gathered is the whole; what happens once is known to all."""

import doctest

import pytest
import torch

from launching import pair
from morphogen import rank as module
from morphogen.rank import ALONE, Rank

ALIKE = """
import torch
from morphogen.rank import FirstFailed, Rank

rank = Rank.here("cpu")
assert (rank.count, torch.distributed.get_world_size()) == (2, 2)
for n in (1, 2, 3, 8):  # of one row, one process has none
    rows = torch.arange(3 * n).reshape(n, 3)
    for whole in (rows, rows.double() / 7, rows[:, 0], rows > 4):
        assert torch.equal(rank.gather(rank.share(whole), n), whole)
told = rank.once(lambda: {"of": rank.index, "words": ["\\u00e4", None, 1.5]})
assert told == {"of": 0, "words": ["\\u00e4", None, 1.5]}
assert rank.once(lambda: None) is None
try:
    rank.once(lambda: 1 / 0)
    raise AssertionError("nothing was raised")
except (ZeroDivisionError if rank.first else FirstFailed):
    pass
"""
APART = """
from pathlib import Path
import tempfile
from morphogen.component import ConfigError
from morphogen.rank import Rank
from morphogen.training import train
from training.toys import Rows, denoiser

rank, places = Rank.here("cpu"), [Path(tempfile.mkdtemp()), Path(tempfile.mkdtemp())]
train(denoiser(), Rows(), steps=3, directory=places[0], device="cpu")
for message, batch in (("different steps", 6), ("cannot share a batch of 1", 1)):
    try:
        train(denoiser(batch=batch), Rows(), steps=5, directory=places[rank.index], device="cpu")
        raise AssertionError("nothing was raised")
    except ConfigError as error:
        assert message in str(error), error
"""


def test_sketch_runs() -> None:
    failed, attempted = doctest.testmod(module)
    assert attempted >= 3 and failed == 0


@pytest.mark.parametrize("n", [1, 5, 8, 9])
def test_shares_are_all_rows_in_their_order(n: int) -> None:
    for count in range(1, n + 1):
        shares = [Rank(index, count).share(torch.arange(n)) for index in range(count)]
        assert torch.equal(torch.cat(shares), torch.arange(n))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert Rank(n, n + 1).share(torch.arange(n)).tolist() == [n - 1]  # idle: its row is dropped


def test_alone_nothing_is_waited_for() -> None:
    x = torch.arange(3)
    assert Rank.launched() == Rank.here() == ALONE and ALONE.first
    assert ALONE.share(x).equal(x) and ALONE.gather(x, 3) is x and ALONE.once(lambda: x) is x
    assert not torch.distributed.is_initialized()


def test_a_clusters_own_variables_are_no_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert Rank.launched() == ALONE
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert Rank.launched() == Rank(1, 2)


def test_two_gather_the_whole_and_know_what_happened_once() -> None:
    assert pair(ALIKE) == [(0, ""), (0, "")]


def test_two_that_cannot_train_together_say_so() -> None:
    """The first wrote three steps where the other does not look; a batch has one row for two processes."""
    assert [code for code, _ in pair(APART)] == [0, 0]
