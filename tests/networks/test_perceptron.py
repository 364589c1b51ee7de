"""The plain perceptron: its formula, and the condition beside x."""

import torch

from morphogen.contract import Context
from morphogen.networks.perceptron import Perceptron


def test_it_is_its_formula_for_arrays_of_any_shape() -> None:
    network, x = Perceptron((2, 3), (4, 1), (5, 6)), torch.randn(7, 2, 3)
    first, second, last = network.body
    expected = last(second(first(x.flatten(1)).tanh()).tanh())
    assert torch.equal(network(x), expected.reshape(7, 4, 1))


def test_a_condition_is_concatenated_and_its_absence_is_zero() -> None:
    network, x, vector = Perceptron((3,), (2,), (5,), vector=4), torch.randn(6, 3), torch.randn(6, 4)
    plain = Perceptron((7,), (2,), (5,))
    plain.load_state_dict(network.state_dict())
    assert torch.equal(network(x, Context(vector=vector)), plain(torch.cat([x, vector], 1)))
    assert torch.equal(network(x, None), plain(torch.cat([x, torch.zeros(6, 4)], 1)))
