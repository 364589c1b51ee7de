"""Plain and maxout perceptrons: their formulas, dropout, and the condition beside x."""

import torch

from morphogen.contract import Context
from morphogen.networks.perceptron import InRange, Maxout, Perceptron


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


def test_relu_and_bounded_outputs_are_their_formulas() -> None:
    network, x = Perceptron((3,), (), (5,), activation="relu"), torch.randn(7, 3)
    first, last = network.body
    assert torch.equal(network(x), last(first(x).relu())[:, 0])
    assert torch.equal(InRange(network)(x), network(x).tanh())


def test_maxout_units_are_the_largest_of_their_pieces() -> None:
    network, x, vector = Maxout((2, 2), (6,), 3, vector=4), torch.randn(7, 2, 2), torch.randn(7, 4)
    network.eval()
    layer, h = network.body[0], torch.cat([x.flatten(1), vector], 1)
    pieces = [h @ layer.weight[k::3].T + layer.bias[k::3] for k in range(3)]
    expected = network.head(torch.stack(pieces).amax(0))[:, 0]
    assert torch.allclose(network(x, Context(vector=vector)), expected, atol=1e-6)
    assert network(x, None).shape == (7,)


def test_maxout_drops_inputs_and_units_at_their_own_rates() -> None:
    """n = 4000 rows of 10 inputs that count the kept ones, seed 0; 4 standard errors."""
    torch.manual_seed(0)
    network = Maxout((10,), (1,), 1, dropout=(0.2, 0.5))
    with torch.no_grad():
        for layer in (network.body[0], network.head):
            layer.weight.fill_(1.0)
            layer.bias.zero_()
    scores = network(torch.ones(4000, 10)).detach()
    kept = scores[scores > 0] * 0.5 * 0.8 / 10  # of the units' and inputs' scales
    assert abs((scores > 0).double().mean() - 0.5) < 4 * (0.25 / 4000) ** 0.5
    assert abs(kept.mean() - 0.8) < 4 * (0.16 / (10 * len(kept))) ** 0.5
