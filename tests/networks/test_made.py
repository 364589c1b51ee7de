"""MADE: output i depends on the entries before i, on all of them, and on the condition."""

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.contract import Context
from morphogen.networks.made import MADE


@pytest.mark.parametrize(("dims", "outputs", "layers"), [(1, 2, 1), (5, 1, 1), (5, 3, 2), (8, 2, 3)])
def test_each_output_depends_on_exactly_the_earlier_entries(dims: int, outputs: int, layers: int) -> None:
    torch.manual_seed(0)
    network = MADE(dims, outputs, 4 * dims, layers, vector=3).double()
    for parameter in network.parameters():
        torch.nn.init.uniform_(parameter, 0.1, 1.0)  # positive weights and inputs: no path cancels
    x, context = torch.rand(dims).double(), Context(vector=torch.rand(1, 3).double())
    jacobian = torch.autograd.functional.jacobian(lambda row: network(row[None], context)[0], x)
    depends = torch.ones(dims, dims).tril(-1).bool().repeat(outputs, 1)
    assert torch.equal(jacobian != 0, depends)
    other = Context(vector=context.vector + 1)
    assert (network(x[None], other) != network(x[None], context)).all()


def test_it_returns_zero_at_initialisation_and_needs_a_unit_of_every_degree() -> None:
    assert not MADE(4, 2, 8, 1)(torch.randn(3, 4), None).any()
    with pytest.raises(ConfigError, match="at least 3 hidden units"):
        MADE(4, 2, 2, 1)
