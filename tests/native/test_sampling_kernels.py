"""Kernels that sample whole sequences draw the tokens of their twin: `Ancestral` with the network's cache."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context
from morphogen.families.autoregressive import Ancestral, Autoregressive, Greedy, Temperature, TopK
from morphogen.families.autoregressive.decoding import Decoding
from morphogen.native import kernels
from morphogen.native.kernels import available, calls
from morphogen.networks.gated_pixelcnn import GatedPixelCNN
from morphogen.networks.positions import PositionBias
from morphogen.networks.recurrent import Recurrent
from morphogen.networks.wavenet import WaveNet
from morphogen.numerics.randomness import Rng

VECTOR, TOKENS = 3, 2
Design = tuple[Callable[[], nn.Module], tuple[int, ...]]


class Stepwise(nn.Module):
    """A causal network that draws no tokens itself."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network, self.make_cache = network, network.make_cache

    def forward(self, *arguments) -> Tensor:
        return self.network(*arguments)


def built(make: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """The network with parameters, none of which is zero, and logits of order one."""
    torch.manual_seed(seed)
    network = make()
    for parameter in network.parameters():
        inputs = parameter[0].numel() if parameter.dim() > 1 else len(parameter)
        nn.init.normal_(parameter, std=min(0.7, inputs**-0.5))
    return network.eval()


@st.composite
def wavenets(draw) -> Design:
    """A WaveNet, and the shape of a sound."""
    vector, tokens = draw(st.sampled_from([(0, 0), (VECTOR, 0), (0, TOKENS), (VECTOR, TOKENS)]))
    vocabulary, width, skip = draw(st.integers(1, 40)), draw(st.integers(1, 20)), draw(st.integers(1, 20))
    cycles, layers, hold = draw(st.integers(1, 2)), draw(st.integers(1, 3)), draw(st.integers(1, 5))
    network = partial(WaveNet, vocabulary, width, skip, cycles, layers, vector, tokens, hold)
    return network, (draw(st.integers(1, 20)),)


@st.composite
def pixelcnns(draw) -> Design:
    """A Gated PixelCNN and its shape."""
    colours, size = draw(st.integers(1, 3)), (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    shape, vector, embedding = (colours, *size), draw(st.sampled_from([0, VECTOR])), draw(st.integers(1, 5))
    vocabulary, width, layers = draw(st.integers(1, 40)), draw(st.integers(1, 20)), draw(st.integers(1, 3))
    kernels, with_positions = [draw(st.sampled_from([3, 5])) for _ in range(2)], draw(st.booleans())

    def network() -> GatedPixelCNN:
        bias = PositionBias(size, colours * embedding, vector) if with_positions else None
        numbers = (vocabulary, colours * width, layers, *kernels, embedding, 0.0, vector)
        return GatedPixelCNN(shape, *numbers, bias)

    return network, shape


@st.composite
def lstms(draw) -> Design:
    """An LSTM, and the shape of a text."""
    sizes = {"width": draw(st.integers(1, 20)), "layers": draw(st.integers(1, 3))}
    network = partial(Recurrent, draw(st.integers(1, 40)), **sizes, vector=draw(st.sampled_from([0, VECTOR])))
    return network, (draw(st.integers(1, 20)),)


def context_for(rows: int, positions: int) -> Context:
    return Context(vector=torch.randn(rows, VECTOR), tokens=torch.randn(rows, positions, TOKENS))


def drawn(
    network: nn.Module, shape: tuple[int, ...], context: Context, rows: int, decoding: Decoding
) -> Tensor:
    return decoding(Autoregressive(network), shape, context, Rng(1, rows))


KERNELS = pytest.mark.parametrize(
    "networks",
    [
        pytest.param(networks, marks=pytest.mark.skipif(not available(kernel), reason="cannot be built here"))
        for networks, kernel in ((wavenets, "wavenet"), (pixelcnns, "gated_pixelcnn"), (lstms, "lstm"))
    ],
)


@KERNELS
@settings(max_examples=15, deadline=None)
@given(
    data=st.data(),
    rows=st.integers(0, 9),
    threads=st.sampled_from([1, 2]),
    decoding=st.sampled_from(
        [Ancestral(), Ancestral(Temperature(0.6)), Ancestral(Temperature(0.0)), Greedy()]
    ),
    prompt=st.integers(0, 3),
)
def test_tokens_are_those_of_the_twin(networks, data, rows, threads, decoding, prompt):
    make, shape = data.draw(networks())
    network = built(make)
    length, before = torch.Size(shape).numel(), torch.get_num_threads()
    context = context_for(rows, length)
    if 0 < prompt <= length:
        prefix = torch.randint(network.vocabulary, (rows, prompt))
        prefix[::2, -1] = -1  # prompts of different lengths
        context = Context(context.vector, context.tokens, prefix=prefix)
    torch.set_num_threads(threads)
    try:
        native = drawn(network, shape, context, rows, decoding)
    finally:
        torch.set_num_threads(before)
    twin = drawn(Stepwise(network), shape, context, rows, decoding)
    assert native.shape == twin.shape and torch.equal(native, twin)


@KERNELS
@settings(max_examples=10, deadline=None, derandomize=True)
@given(data=st.data())
def test_probabilities_are_those_of_the_twin_to_1e_5(networks, data):
    """Of the twin in fp64: in fp32 its own error is 1e-4 where logits are as large as 60."""
    make, shape = data.draw(networks())
    network = built(make)
    length, vocabulary = torch.Size(shape).numel(), network.vocabulary
    rows = 2 * vocabulary
    tokens = torch.randint(vocabulary, (1, length)).repeat(rows, 1)
    context = context_for(1, length)[torch.zeros(rows, dtype=torch.int64)]
    with torch.no_grad():
        exact = Context(vector=context.vector.double(), tokens=context.tokens.double())
        cache = deepcopy(network).double().make_cache(rows, exact)
        logits = cache.step(None)
        for previous in tokens.unbind(1)[:-1]:
            logits = cache.step(previous)
        bounds = logits[0].softmax(-1).cumsum(0)
        around = torch.stack([bounds - 1e-5, bounds + 1e-5], 1).flatten()
        expected = (bounds < around[:, None]).sum(1).clamp_max(vocabulary - 1)
        tokens[:, -1] = -1
        assert network.draw(tokens, around[:, None].float().repeat(1, length), 1.0, context, None)
    assert torch.equal(tokens[:, -1], expected)


@KERNELS
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_one_call_equals_several(networks, data):
    make, shape = data.draw(networks())
    network = built(make)
    context = context_for(3, torch.Size(shape).numel())
    whole = drawn(network, shape, context, 3, Ancestral())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "MULTIPLY_ADDS", 1)
        assert torch.equal(drawn(network, shape, context, 3, Ancestral()), whole)


@pytest.mark.skipif(not available("lstm"), reason="the kernel cannot be built here")
@settings(max_examples=15, deadline=None)
@given(
    length=st.integers(1, 30), rows=st.integers(1, 9), vocabulary=st.integers(2, 9), piecewise=st.booleans()
)
def test_texts_end_where_those_of_the_twin_do(length, rows, vocabulary, piecewise):
    network = built(partial(Recurrent, vocabulary, 6))
    prefix = torch.zeros(rows, 2, dtype=torch.int64)  # the end token itself
    context = Context(prefix=prefix) if length > 2 else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "MULTIPLY_ADDS", 1 if piecewise else kernels.MULTIPLY_ADDS)
        native = Ancestral()(Autoregressive(network, end=0), (length,), context, Rng(2, rows))
    twin = Ancestral()(Autoregressive(Stepwise(network), end=0), (length,), context, Rng(2, rows))
    assert torch.equal(native, twin)


def test_calls_cover_all_positions_once(monkeypatch):
    monkeypatch.setattr(kernels, "MULTIPLY_ADDS", 100)
    assert calls(10, 30) == [(0, 3), (3, 6), (6, 9), (9, 10)]
    assert calls(10, 30, unit=2) == [(0, 2), (2, 4), (4, 6), (6, 8), (8, 10)]
    assert calls(5, 1000) == [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]
    assert calls(0, 5) == []


def test_other_decoding_is_left_to_the_twin():
    network = built(partial(WaveNet, 9, 5, 5, 1, 2))
    tokens, uniforms = torch.full((2, 8), -1), torch.rand(2, 8)
    assert not network.draw(tokens, uniforms, 1.0, None, None)  # with gradients
    with torch.no_grad():
        assert not network.draw(tokens, uniforms, 1.0, None, end=3)
        assert not network.double().draw(tokens, uniforms, 1.0, None, None)
    assert Ancestral(TopK(3)).temperature is None and Ancestral((Temperature(2), TopK(3))).temperature is None


def test_logits_that_are_not_numbers_are_reported_as_by_the_twin():
    network = built(partial(WaveNet, 9, 5, 5, 1, 2))
    with torch.no_grad():
        network.gates[0].taps.weight[0, 0] = torch.nan
    with pytest.raises(ConfigError, match="the network gave logits that are nan"):
        drawn(network, (8,), context_for(2, 8), 2, Ancestral())


@pytest.mark.skipif(not available("wavenet"), reason="the kernel cannot be built here")
def test_wrong_arguments_are_refused():
    network = built(partial(WaveNet, 9, 5, 5, 1, 2))
    with torch.no_grad():
        with pytest.raises(RuntimeError, match="tokens: must be contiguous int64"):
            network.draw(torch.full((8, 2), -1).T, torch.rand(2, 8), 1.0, None, None)
        tokens = torch.full((2, 8), 9)  # beyond the vocabulary
        assert not network.draw(tokens, torch.rand(2, 8), 1.0, None, None)
