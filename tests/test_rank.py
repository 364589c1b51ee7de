"""Ranks: shards partition the rows, gathering restores them, and all ranks receive the result of `once`."""

import doctest

import pytest
import torch

from launching import pair
from morphogen import rank as module
from morphogen.rank import ALONE, Rank

COLLECTIVES = """
import torch
from morphogen.rank import FirstRankFailed, Rank

rank = Rank.initialize("cpu")
assert (rank.count, torch.distributed.get_world_size()) == (2, 2)
for n in (1, 2, 3, 8):  # with one row, one process has none
    rows = torch.arange(3 * n).reshape(n, 3)
    for whole in (rows, rows.double() / 7, rows[:, 0], rows > 4):
        assert torch.equal(rank.gather(rank.shard(whole), n), whole)
result = rank.once(lambda: {"of": rank.index, "words": ["\\u00e4", None, 1.5]})
assert result == {"of": 0, "words": ["\\u00e4", None, 1.5]}
assert rank.once(lambda: None) is None
try:
    rank.once(lambda: 1 / 0)
    raise AssertionError("nothing was raised")
except (ZeroDivisionError if rank.is_first else FirstRankFailed):
    pass
"""
CONFLICTS = """
from pathlib import Path
import tempfile
from morphogen.component import ConfigError
from morphogen.rank import Rank
from morphogen.training import train
from training.toys import Rows, denoiser

rank, folders = Rank.initialize("cpu"), [Path(tempfile.mkdtemp()), Path(tempfile.mkdtemp())]
train(denoiser(), Rows(), steps=3, directory=folders[0], device="cpu")
for message, batch in (("different steps", 6), ("cannot share a batch of 1", 1)):
    try:
        train(denoiser(batch=batch), Rows(), steps=5, directory=folders[rank.index], device="cpu")
        raise AssertionError("nothing was raised")
    except ConfigError as error:
        assert message in str(error), error
"""


def test_the_example_runs() -> None:
    failed, attempted = doctest.testmod(module)
    assert attempted >= 3 and failed == 0


@pytest.mark.parametrize("n", [1, 5, 8, 9])
def test_shards_partition_the_rows_in_order(n: int) -> None:
    for count in range(1, n + 1):
        shards = [Rank(index, count).shard(torch.arange(n)) for index in range(count)]
        assert torch.equal(torch.cat(shards), torch.arange(n))
        assert max(map(len, shards)) - min(map(len, shards)) <= 1
    assert Rank(n, n + 1).shard(torch.arange(n)).tolist() == [n - 1]  # an idle rank; its row is dropped


def test_a_single_process_does_not_initialize_a_group() -> None:
    x = torch.arange(3)
    assert Rank.launched() == Rank.initialize() == ALONE and ALONE.is_first
    assert ALONE.shard(x).equal(x) and ALONE.gather(x, 3) is x and ALONE.once(lambda: x) is x
    assert not torch.distributed.is_initialized()


def test_the_variables_of_a_cluster_scheduler_are_not_a_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert Rank.launched() == ALONE
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert Rank.launched() == Rank(1, 2)


def test_two_processes_gather_rows_and_share_results() -> None:
    assert pair(COLLECTIVES) == [(0, ""), (0, "")]


def test_two_processes_that_cannot_train_together_raise() -> None:
    """Their checkpoints have different steps, or the batch has fewer rows than there are processes."""
    assert [code for code, _ in pair(CONFLICTS)] == [0, 0]
