"""The kernel of a decoding step gives the logits of its twin, for the shapes of GPT and LLaMA."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from morphogen.native.kernels import available
from morphogen.networks import decoding_step
from morphogen.networks.attention import Attention
from morphogen.networks.blocks import Block, ParallelBlock
from morphogen.networks.decoders import gpt2, llama, palm
from morphogen.networks.decoding_step import native_step
from morphogen.networks.feed_forward import GEGLU, FeedForward, SwiGLU
from morphogen.networks.normalization import LayerNorm, RMSNorm
from morphogen.networks.relative_positions import ALiBi, LinearScaling, Rotary
from morphogen.networks.transformer import Tied, Transformer, Untied

pytestmark = pytest.mark.skipif(not available("decoder"), reason="the kernel cannot be built here")
VOCABULARY, LENGTH = 37, 12
ACTIVATIONS = "relu", "gelu", "gelu-tanh", "quick-gelu", "swiglu", "geglu"


def perturbed(network: Transformer) -> Transformer:
    """The network in evaluation mode, with random biases and gains too."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return network.eval()


def caches(network: Transformer, rows: int) -> tuple[Any, Any]:
    """A cache that uses the kernel, and one that does not."""
    native, plain = network.make_cache(rows, None), network.make_cache(rows, None)
    plain.__dict__["_native"] = None
    assert native._native is not None
    return native, plain


def largest_difference(network: Transformer, rows: int, steps: int) -> float:
    """Between the logits of some steps, relative to 1 plus their size."""
    (native, plain), previous, largest = caches(network, rows), None, 0.0
    for _ in range(steps):
        ours, theirs = native.step(previous), plain.step(previous)
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        largest = max(largest, float(((ours - theirs).abs() / (1 + theirs.abs())).max()))
        previous = torch.randint(VOCABULARY, (rows,))
    return largest


@settings(max_examples=40, deadline=None)
@given(
    heads=st.sampled_from([(1, 1), (4, 4), (4, 2), (6, 1)]),
    head_width=st.sampled_from([2, 6, 16, 40, 80]),
    width=st.integers(3, 50),
    hidden=st.integers(1, 70),
    activation=st.sampled_from(ACTIVATIONS),
    rms=st.booleans(),
    bias=st.booleans(),
    rotary=st.booleans(),
    window=st.sampled_from([None, 3]),
    tied=st.booleans(),
    rows=st.sampled_from([1, 3, 6]),
    threads=st.sampled_from([1, 2]),
)
def test_logits_are_those_of_the_twin(
    heads, head_width, width, hidden, activation, rms, bias, rotary, window, tied, rows, threads
):
    torch.manual_seed(0)
    positions = Rotary(head_width, LENGTH, scaling=LinearScaling(2.0)) if rotary else None
    attention = Attention(width, *heads, bias, positions, window, head_width)
    gated = {"swiglu": SwiGLU, "geglu": GEGLU}.get(activation)
    feed = gated(width, hidden, bias) if gated else FeedForward(width, hidden, activation, bias)
    block = Block(attention, feed, RMSNorm(width) if rms else LayerNorm(width, bias))
    head = Tied(2.0, 0.5) if tied else Untied(VOCABULARY, width)
    network = perturbed(Transformer(VOCABULARY, LENGTH, block, 2, None, head, VOCABULARY))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert largest_difference(network, rows, 7) < 1e-5
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("rows", [1, 5])
def test_bf16_rounds_less_than_the_twin_does(rows):
    """Both are compared with the same weights in fp32: within 0.02 of it, and not above the twin's 0.04."""
    torch.manual_seed(0)
    network = perturbed(llama(VOCABULARY, LENGTH, 64, 2, 4, 2, 96)).bfloat16()
    (native, plain), exact = caches(network, rows), network.make_cache(rows, None)
    exact.network = perturbed(llama(VOCABULARY, LENGTH, 64, 2, 4, 2, 96))
    exact.network.load_state_dict(network.state_dict())
    exact = exact.network.make_cache(rows, None)
    errors, previous = [], None
    for _ in range(LENGTH):
        logits = [cache.step(previous).float() for cache in (native, plain, exact)]
        errors.append([(each - logits[2]).square().mean().sqrt() for each in logits[:2]])
        previous = torch.randint(VOCABULARY, (rows,))
    ours, theirs = torch.tensor(errors).mean(0)
    assert ours < 0.02 and ours < theirs


def test_rows_of_different_lengths_are_decoded_as_if_alone():
    """Caches of 2, 7 and 5 positions in one batch: each row's logits and keys are those of its own cache."""
    torch.manual_seed(0)
    network, lengths = perturbed(llama(VOCABULARY, LENGTH, 48, 2, 6, 2, 56)), (2, 7, 5)
    alone = [network.make_cache(1, None) for _ in lengths]
    for cache, length in zip(alone, lengths, strict=True):
        cache.prefill(torch.randint(VOCABULARY, (1, length - 1)))  # and the start token
    joint, step, tokens = network.make_cache(3, None), native_step(network), torch.randint(VOCABULARY, (3,))
    for layer, cache in enumerate(joint.caches):
        for row, single in enumerate(alone):
            cache.self_attention.keys[row] = single.caches[layer].self_attention.keys[0]
            cache.self_attention.values[row] = single.caches[layer].self_attention.values[0]
    assert step is not None
    logits = step(network.embed(tokens[:, None], 0, None)[:, 0].detach(), joint.caches, torch.tensor(lengths))
    expected = torch.cat([cache.step(token[None]) for cache, token in zip(alone, tokens, strict=True)])
    assert torch.equal(logits, expected)
    for row, (single, length) in enumerate(zip(alone, lengths, strict=True)):
        keys = joint.caches[1].self_attention.keys[row], single.caches[1].self_attention.keys[0]
        assert torch.equal(keys[0][:, : length + 1], keys[1][:, : length + 1])


def test_a_row_does_not_depend_on_its_batch_and_threads_change_no_bit():
    torch.manual_seed(0)
    network = perturbed(gpt2(VOCABULARY, LENGTH, 48, 2, 4))
    batch, one = network.make_cache(7, None), network.make_cache(1, None)
    tokens, before = torch.randint(VOCABULARY, (7,)), torch.get_num_threads()
    batch.step(None), one.step(None)
    logits = batch.step(tokens)
    torch.set_num_threads(3 - min(before, 2))
    try:
        assert torch.equal(one.step(tokens[2:3]), logits[2:3])
    finally:
        torch.set_num_threads(before)


def test_it_follows_weights_that_change_in_place():
    network = perturbed(llama(VOCABULARY, LENGTH, 16, 1, 2, 2, 24))
    network.make_cache(1, None).step(None)
    with torch.no_grad():
        network.norm.weight.mul_(2)
        network.head.matrix.weight.mul_(2)
    assert largest_difference(network, 1, 3) < 1e-5


def test_other_networks_are_left_to_torch():
    def has_step(network: Any) -> bool:
        return native_step(network.eval()) is not None

    network = llama(VOCABULARY, LENGTH, 16, 2, 2, 2, 24)
    assert has_step(network) and not has_step(palm(VOCABULARY, LENGTH, 16, 1, 2, 8, 24))
    assert not has_step(llama(VOCABULARY, LENGTH, 16, 2, 2, 2, 24).double())
    alibi = Block(Attention(16, 2, positions=ALiBi(2)), SwiGLU(16, 24), RMSNorm(16))
    assert not has_step(Transformer(VOCABULARY, LENGTH, alibi, 1, None, Tied(), None))
    parallel = ParallelBlock(Attention(16, 2), SwiGLU(16, 24), RMSNorm(16))
    assert not has_step(Transformer(VOCABULARY, LENGTH, parallel, 1, None, Tied(), None))
    handle = network.blocks[1].register_forward_hook(lambda *_: None)
    assert not has_step(network)
    handle.remove()
    assert has_step(network)
    network.blocks[0].attention.out = torch.nn.Sequential(network.blocks[0].attention.out)
    assert not has_step(network)


def test_many_rows_autocast_and_a_missing_compiler_are_left_to_torch(monkeypatch):
    network = perturbed(llama(VOCABULARY, LENGTH, 16, 1, 2, 2, 24))

    def refuse(*arguments: Any) -> Tensor:
        raise AssertionError("the kernel was used")

    monkeypatch.setattr(decoding_step.NativeStep, "__call__", refuse)
    network.make_cache(decoding_step.FEW + 1, None).step(None)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        network.make_cache(1, None).step(None)
    with pytest.raises(AssertionError, match="was used"):
        network.make_cache(1, None).step(None)
    monkeypatch.setattr(decoding_step, "available", lambda kernel: False)
    network.make_cache(1, None).step(None)


def arguments(step: decoding_step.NativeStep, h: Tensor, cache: Any, lengths: list[int]) -> list[Any]:
    """Of the operator."""
    return [
        h, step.matrices, step.norms, step.shifts, step.biases, step.centred, step.eps,
        [cache.keys.clone()], [cache.values.clone()], torch.tensor(lengths), step.rotations, step.heads,
        step.window, step.activation,
    ]  # fmt: skip


def test_wrong_arguments_are_refused():
    network = perturbed(llama(VOCABULARY, LENGTH, 16, 1, 2, 2, 24))
    step, h = native_step(network), torch.zeros(2, 16)
    cache = network.make_cache(2, None).caches[0].self_attention
    assert step is not None
    operator = torch.ops.morphogen.decoder_step
    with pytest.raises(RuntimeError, match="no free position"):
        operator(*arguments(step, h, cache, [0, LENGTH]))
    with pytest.raises(RuntimeError, match=r"lengths \[B\]"):
        operator(*arguments(step, h, cache, [0]))
    with pytest.raises(RuntimeError, match="a cache must be"):
        operator(*arguments(step, h[:1], cache, [0]))
    step.matrices.pop()
    with pytest.raises(RuntimeError, match="lacks"):
        operator(*arguments(step, h, cache, [0, 0]))
    step.activation = "tanh"
    with pytest.raises(RuntimeError, match="unknown activation"):
        operator(*arguments(step, h, cache, [0, 0]))


def test_the_operator_passes_torch_s_checks():
    network = perturbed(gpt2(VOCABULARY, 3, 8, 1, 2))
    step, cache = native_step(network), network.make_cache(1, None).caches[0].self_attention
    assert step is not None
    checks = ("test_schema", "test_faketensor")  # those of compilation take long
    given_to_it = tuple(arguments(step, torch.ones(1, 8), cache, [1]))
    torch.library.opcheck(torch.ops.morphogen.decoder_step, given_to_it, test_utils=checks)
