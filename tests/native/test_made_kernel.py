"""The kernel of a masked autoregressive network takes the steps of its twin, for any sizes and threads."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from morphogen.contract import Context
from morphogen.native.kernels import available
from morphogen.networks import made
from morphogen.networks.made import MADE

pytestmark = pytest.mark.skipif(not available("made"), reason="the kernel cannot be built here")


def parameters(network: MADE, x: torch.Tensor, context: Context | None, native: bool) -> torch.Tensor:
    """The parameters of all entries [D, B, P], each from the entries before it, without gradients."""
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(made, "available", lambda kernel: native)
        cache = network.make_cache(len(x), context)
        return torch.stack([cache.step(x[:, i - 1] if i else None) for i in range(network.dims)])


def network(dims: int, outputs: int, width: int, layers: int, vector: int) -> MADE:
    """A network whose parameters are all random."""
    torch.manual_seed(0)
    random = MADE(dims, outputs, width, layers, vector)
    for parameter in random.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return random


@settings(max_examples=40, deadline=None)
@given(
    dims=st.integers(1, 9),
    outputs=st.integers(1, 7),
    more=st.integers(0, 12),
    layers=st.integers(1, 3),
    vector=st.sampled_from([0, 3]),
    rows=st.integers(0, 200),
    threads=st.sampled_from([1, 2]),
)
def test_parameters_are_those_of_the_twin(dims, outputs, more, layers, vector, rows, threads):
    of, before = network(dims, outputs, dims + more, layers, vector), torch.get_num_threads()
    x = torch.randn(rows, dims)
    context = Context(vector=torch.randn(rows, vector)) if vector else None
    torch.set_num_threads(threads)
    try:
        theta = parameters(of, x, context, native=True)
    finally:
        torch.set_num_threads(before)
    twin = parameters(of, x, context, native=False)
    torch.testing.assert_close(theta, twin, rtol=1e-5, atol=1e-5)


def test_many_rows_are_divided_among_threads():
    of, x = network(64, 23, 64, 2, 0), torch.randn(3000, 64)
    theta = parameters(of, x, None, native=True)
    torch.testing.assert_close(theta, parameters(of, x, None, native=False), rtol=1e-5, atol=2e-5)


def test_gradients_and_doubles_are_left_to_the_twin():
    of, x = network(4, 2, 30, 2, 0), torch.randn(20, 4)
    cache = of.make_cache(20, None)
    cache.step(None)
    theta = cache.step(x[:, 0])
    assert theta.requires_grad
    (gradient,) = torch.autograd.grad(theta.sum(), of.body[0].get_parameter("weight"))
    assert gradient.abs().sum() > 0
    assert parameters(of.double(), x.double(), None, native=True).dtype == torch.float64


def test_wrong_arguments_are_refused():
    known, weight, bias = [torch.zeros(2, 3), torch.zeros(2, 3)], torch.zeros(1, 2), torch.zeros(1, 1)
    step = torch.ops.morphogen.made_step
    assert step(None, known, [weight], [bias], weight, bias, 0, 0, 0).shape == (1, 3)
    with pytest.raises(RuntimeError, match="float32"):
        step(None, known, [weight], [bias], weight.double(), bias, 0, 0, 0)
    with pytest.raises(RuntimeError, match="an entry must be float32"):
        step(torch.zeros(2), known, [weight], [bias], weight, bias, 1, 0, 1)
    with pytest.raises(RuntimeError, match="a weight for each unit"):
        step(torch.zeros(3), known, [weight], [bias], weight, bias, 1, 0, 2)


def test_the_operator_passes_torch_s_checks():
    known, weight, bias = [torch.zeros(2, 3), torch.zeros(2, 3)], torch.ones(1, 2), torch.zeros(1, 1)
    arguments = torch.ones(3), known, [weight], [bias], weight, bias, 1, 0, 1
    torch.library.opcheck(torch.ops.morphogen.made_step, arguments)
