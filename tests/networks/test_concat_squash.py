"""The network of FFJORD: zero at the start, smooth, driven by time and condition."""

import torch
from torch import nn

from morphogen.contract import Context
from morphogen.networks.concat_squash import ConcatSquash
from morphogen.numerics.randomness import Rng


def test_it_is_zero_at_initialization() -> None:
    assert not ConcatSquash(3, 8, 2, 4)(Rng(0, 5).normal(3), torch.rand(5)).any()


def test_time_and_condition_change_the_output_and_no_condition_is_zero() -> None:
    torch.manual_seed(0)
    network, x, t = ConcatSquash(3, 8, 2, 4), Rng(0, 5).normal(3), torch.rand(5)
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    given = network(x, t, Context(vector=torch.ones(5, 4)))
    assert (given - network(x, t)).abs().min() > 0 and (network(x, t + 0.1) - network(x, t)).abs().min() > 0
    assert torch.equal(network(x, t, Context(vector=torch.zeros(5, 4))), network(x, t, None))
