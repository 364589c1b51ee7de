"""Attention and what it is told of distance: each part against the formula, every memory against the whole pass."""

import math

import pytest
import torch
from torch import Tensor

from morphogen.component import ConfigError, build, describe
from morphogen.contract import Context
from morphogen.families.autoregressive import Recompute
from morphogen.networks.attention import Attention, CrossAttention
from morphogen.networks.blocks import Block, PostBlock
from morphogen.networks.decoders import gpt2, llama, palm
from morphogen.networks.feed_forward import FeedForward, SwiGLU
from morphogen.networks.normalization import LayerNorm, RMSNorm
from morphogen.networks.positions import Sinusoidal
from morphogen.networks.relative_positions import ALiBi, LinearScaling, Llama3Scaling, Rotary
from morphogen.networks.transformer import Tied, Transformer

N = 12


def of_block(block, start: int | None = 7, positions=None) -> Transformer:
    return Transformer(7, N, block, 2, positions, Tied(read=2.0), start)


def variants() -> dict:
    rotary, norm, cross = Rotary(4, N), RMSNorm(16), CrossAttention(16, 4, source=6)
    windowed = Attention(16, 4, 2, positions=rotary, window=3)
    far = Attention(16, 4, 2, positions=ALiBi(4), window=5)
    return {
        "gpt2": gpt2(7, N, 16, 2, 4),
        "gpt2 from an id": gpt2(7, N, 16, 2, 4, start=3),
        "no start": llama(7, N, 16, 2, 4, 2, 24, start=None),
        "llama": llama(7, N, 16, 2, 4, 2, 24, scaling=LinearScaling(2.0)),
        "palm": palm(7, N, 16, 2, 4, 8, 24),
        "window": of_block(Block(windowed, SwiGLU(16, 24), norm)),
        "alibi": of_block(Block(Attention(16, 4, positions=ALiBi(4)), FeedForward(16, 32, "relu"), norm)),
        "alibi, shared, window": of_block(Block(far, FeedForward(16, 32, "gelu"), norm)),
        "source": of_block(PostBlock(Attention(16, 4), FeedForward(16, 32), LayerNorm(16), cross), positions=Sinusoidal(N, 16)),
        "source, before": of_block(Block(Attention(16, 4, 1), FeedForward(16, 32), LayerNorm(16), cross), start=None),
    }


def shaken(net: Transformer) -> Transformer:
    torch.manual_seed(0)
    for p in net.parameters():
        p.data += 0.1 * torch.randn_like(p)
    return net.eval()


def source(rows: int) -> Context:
    mask = torch.arange(5) < torch.arange(3, 3 + rows)[:, None].clamp_max(5)
    return Context(tokens=torch.randn(rows, 5, 6, generator=torch.Generator().manual_seed(3)), mask=mask)


@pytest.mark.parametrize("name", variants())
def test_a_memory_steps_reads_selects_and_rewinds_as_the_whole_pass(name: str) -> None:
    net, context = shaken(variants()[name]), source(3)
    x = torch.randint(7, (3, N), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        whole = net(x, context)
        memory = net.cache(3, context)
        found = [memory.step(None)] + [memory.step(x[:, i]) for i in range(N - 1)]
        torch.testing.assert_close(torch.stack(found, 1), whole, atol=1e-5, rtol=0)
        memory = net.cache(3, context)
        read = torch.cat([memory.read(part) for part in x[:, :-1].split([4, 1, 6], 1)], 1)
        torch.testing.assert_close(read, whole[:, 1:], atol=1e-5, rtol=0)
        assert memory.length == N - 1
        memory.rewind(6)
        torch.testing.assert_close(memory.step(x[:, 6]), whole[:, 7], atol=1e-5, rtol=0)
        rows = torch.tensor([2, 0, 2, 1])
        memory.select(rows)
        torch.testing.assert_close(memory.read(x[rows, 7:9]), whole[rows, 8:10], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", variants())
def test_it_is_its_config_looks_back_only_and_learns_everywhere(name: str) -> None:
    net, x = variants()[name], torch.randint(7, (2, N))
    assert describe(build(describe(net))) == describe(net)
    net = shaken(net)
    logits = net(x, source(2))
    later = x.clone()
    later[:, 6:] = (later[:, 6:] + 1) % 7
    torch.testing.assert_close(net(later, source(2))[:, :7], logits[:, :7], atol=1e-5, rtol=0)
    logits.square().sum().backward()
    assert [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_symbols_behind_an_end_are_never_looked_at() -> None:
    net, x = shaken(variants()["llama"]), torch.randint(7, (2, N))
    ended = x.clone()
    ended[:, 8:] = -1
    torch.testing.assert_close(net(ended, None)[:, :9], net(x, None)[:, :9])


def written_out(attention: Attention, x: Tensor) -> Tensor:
    """Head by head and position by position, as the formula says."""
    d, h, n = attention.each, attention.heads, attention.shared
    q, k, v = attention.queries_keys_values(x).split([h * d, n * d, n * d], -1)
    heads = []
    for i in range(h):
        j = i * n // h  # neighbours share
        qi, kj, vj = q[..., i * d : (i + 1) * d], k[..., j * d : (j + 1) * d], v[..., j * d : (j + 1) * d]
        scores = qi @ kj.transpose(1, 2) / math.sqrt(d)
        if isinstance(attention.positions, ALiBi):
            at = torch.arange(x.shape[1])
            scores = scores - 2.0 ** (-8 * (i + 1) / h) * (at[:, None] - at)
        seen = torch.ones(x.shape[1], x.shape[1]).tril().bool()
        if attention.window is not None:
            seen &= ~torch.ones_like(seen).tril(-attention.window)
        heads.append(scores.masked_fill(~seen, -torch.inf).softmax(-1) @ vj)
    return attention.out(torch.cat(heads, -1))


@pytest.mark.parametrize("of", [{}, {"key_values": 2}, {"key_values": 1}, {"window": 3}, {"positions": ALiBi(4)}, {"head_width": 5}])
def test_attention_is_the_formula(of: dict) -> None:
    torch.manual_seed(0)
    attention, x = Attention(16, 4, **of), torch.randn(2, 9, 16)
    torch.testing.assert_close(attention(x, causal=True), written_out(attention, x), atol=1e-5, rtol=1e-4)


def test_turned_features_know_distances_alone() -> None:
    rotary = Rotary(8, 400)
    q, k = torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)
    scores = [(rotary.turn(q, i) * rotary.turn(k, i - 7)).sum() for i in (7, 30, 399)]
    torch.testing.assert_close(scores[0], scores[1], atol=1e-4, rtol=0)
    torch.testing.assert_close(scores[0], scores[2], atol=1e-4, rtol=0)
    angle = rotary.turn(torch.eye(8)[None, :1, None], 3)[0, 0, 0]
    assert (angle[0].item(), angle[4].item()) == pytest.approx((math.cos(3), math.sin(3)))


def test_scalings_slow_what_they_say() -> None:
    w = torch.tensor([1.0, 1e-2, 1e-5], dtype=torch.float64)
    assert LinearScaling(4.0)(w).tolist() == [0.25, 0.0025, 2.5e-6]
    scaled = Llama3Scaling(8.0, 1.0, 4.0, 1000)(w)
    turns = 1000e-2 / (2 * math.pi)
    share = (turns - 1) / 3
    assert scaled.tolist() == pytest.approx([1.0, 1e-2 * (share + (1 - share) / 8), 1e-5 / 8])


def test_padding_is_as_if_it_were_not_there() -> None:
    attention, x = Attention(16, 4), torch.randn(2, 6, 16)
    mask = torch.tensor([[True] * 4 + [False] * 2, [True] * 6])
    torch.testing.assert_close(attention(x, mask=mask)[0, :4], attention(x[:1, :4])[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("numbers", [{"heads": 3}, {"heads": 4, "key_values": 3}, {"heads": 4, "key_values": 0}, {"heads": 4, "window": 0}])
def test_numbers_that_do_not_fit_are_refused(numbers: dict) -> None:
    with pytest.raises(ConfigError):
        Attention(16, **numbers)


def test_naive_and_own_memory_agree_on_lengths() -> None:
    net = shaken(variants()["no start"])
    memory, naive = net.cache(2, None), Recompute(net, 2, (N,), None)
    x = torch.randint(7, (2, 4))
    with torch.no_grad():
        torch.testing.assert_close(memory.read(x), naive.read(x), atol=1e-5, rtol=0)
    assert memory.length == naive.length == 4
