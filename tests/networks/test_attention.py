"""Attention and relative positions against their formulas, and key-value caches against the full pass."""

import math

import pytest
import torch
from torch import Tensor

from morphogen.component import ConfigError, from_config, to_config
from morphogen.contract import Context
from morphogen.families.autoregressive import Recompute
from morphogen.networks.attention import Attention, CrossAttention
from morphogen.networks.blocks import Block, PostBlock
from morphogen.networks.decoders import gpt2, llama, palm
from morphogen.networks.feed_forward import FeedForward, SwiGLU
from morphogen.networks.normalization import LayerNorm, RMSNorm
from morphogen.networks.positions import SinusoidalPositions
from morphogen.networks.relative_positions import (
    ALiBi,
    FrequencyFactors,
    LinearScaling,
    Llama3Scaling,
    Rotary,
)
from morphogen.networks.transformer import Tied, Transformer

N = 12


def with_block(block, start: int | None = 7, positions=None) -> Transformer:
    return Transformer(7, N, block, 2, positions, Tied(embedding_scale=2.0), start)


def variants() -> dict:
    rotary, norm, cross = Rotary(4, N), RMSNorm(16), CrossAttention(16, 4, source=6)
    windowed = Attention(16, 4, 2, positions=rotary, window=3)
    alibi = Attention(16, 4, 2, positions=ALiBi(4), window=5)
    return {
        "gpt2": gpt2(7, N, 16, 2, 4),
        "gpt2 from an id": gpt2(7, N, 16, 2, 4, start=3),
        "no start": llama(7, N, 16, 2, 4, 2, 24, start=None),
        "llama": llama(7, N, 16, 2, 4, 2, 24, scaling=LinearScaling(2.0)),
        "palm": palm(7, N, 16, 2, 4, 8, 24),
        "window": with_block(Block(windowed, SwiGLU(16, 24), norm)),
        "alibi": with_block(Block(Attention(16, 4, positions=ALiBi(4)), FeedForward(16, 32, "relu"), norm)),
        "alibi, shared, window": with_block(Block(alibi, FeedForward(16, 32, "gelu"), norm)),
        "source": with_block(
            PostBlock(Attention(16, 4), FeedForward(16, 32), LayerNorm(16), cross),
            positions=SinusoidalPositions(N, 16),
        ),
        "source, no start": with_block(
            Block(Attention(16, 4, 1), FeedForward(16, 32), LayerNorm(16), cross), start=None
        ),
    }


def perturbed(net: Transformer) -> Transformer:
    torch.manual_seed(0)
    for p in net.parameters():
        p.data += 0.1 * torch.randn_like(p)
    return net.eval()


def source(rows: int) -> Context:
    mask = torch.arange(5) < torch.arange(3, 3 + rows)[:, None].clamp_max(5)
    return Context(tokens=torch.randn(rows, 5, 6, generator=torch.Generator().manual_seed(3)), mask=mask)


@pytest.mark.parametrize("name", variants())
def test_a_cache_equals_the_full_pass(name: str) -> None:
    net, context = perturbed(variants()[name]), source(3)
    x = torch.randint(7, (3, N), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = net(x, context)
        cache = net.make_cache(3, context)
        stepped = [cache.step(None)] + [cache.step(x[:, i]) for i in range(N - 1)]
        torch.testing.assert_close(torch.stack(stepped, 1), expected, atol=1e-5, rtol=0)
        cache = net.make_cache(3, context)
        prefilled = torch.cat([cache.prefill(part) for part in x[:, :-1].split([4, 1, 6], 1)], 1)
        torch.testing.assert_close(prefilled, expected[:, 1:], atol=1e-5, rtol=0)
        assert cache.length == N - 1
        cache.truncate(6)
        torch.testing.assert_close(cache.step(x[:, 6]), expected[:, 7], atol=1e-5, rtol=0)
        rows = torch.tensor([2, 0, 2, 1])
        cache.reorder(rows)
        torch.testing.assert_close(cache.prefill(x[rows, 7:9]), expected[rows, 8:10], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", variants())
def test_config_round_trip_causality_and_gradients(name: str) -> None:
    net, x = variants()[name], torch.randint(7, (2, N))
    assert to_config(from_config(to_config(net))) == to_config(net)
    net = perturbed(net)
    logits = net(x, source(2))
    later = x.clone()
    later[:, 6:] = (later[:, 6:] + 1) % 7
    torch.testing.assert_close(net(later, source(2))[:, :7], logits[:, :7], atol=1e-5, rtol=0)
    logits.square().sum().backward()
    assert [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_padding_after_the_end_is_ignored() -> None:
    net, x = perturbed(variants()["llama"]), torch.randint(7, (2, N))
    ended = x.clone()
    ended[:, 8:] = -1
    torch.testing.assert_close(net(ended, None)[:, :9], net(x, None)[:, :9])


def reference(attention: Attention, x: Tensor) -> Tensor:
    """Attention computed one head at a time from the formula."""
    d, h, n = attention.head_dim, attention.heads, attention.kv_heads
    q, k, v = attention.queries_keys_values(x).split([h * d, n * d, n * d], -1)
    heads = []
    for i in range(h):
        j = i * n // h  # consecutive query heads share a key head
        qi, kj, vj = q[..., i * d : (i + 1) * d], k[..., j * d : (j + 1) * d], v[..., j * d : (j + 1) * d]
        scores = qi @ kj.transpose(1, 2) / math.sqrt(d)
        if isinstance(attention.positions, ALiBi):
            position = torch.arange(x.shape[1])
            scores = scores - 2.0 ** (-8 * (i + 1) / h) * (position[:, None] - position)
        visible = torch.ones(x.shape[1], x.shape[1]).tril().bool()
        if attention.window is not None:
            visible &= ~torch.ones_like(visible).tril(-attention.window)
        heads.append(scores.masked_fill(~visible, -torch.inf).softmax(-1) @ vj)
    return attention.out(torch.cat(heads, -1))


@pytest.mark.parametrize(
    "options",
    [{}, {"key_values": 2}, {"key_values": 1}, {"window": 3}, {"positions": ALiBi(4)}, {"head_width": 5}],
)
def test_attention_equals_the_formula(options: dict) -> None:
    torch.manual_seed(0)
    attention, x = Attention(16, 4, **options), torch.randn(2, 9, 16)
    torch.testing.assert_close(attention(x, causal=True), reference(attention, x), atol=1e-5, rtol=1e-4)


def test_rotary_scores_depend_on_distance_only() -> None:
    rotary = Rotary(8, 400)
    q, k = torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)
    scores = [(rotary.rotate(q, i) * rotary.rotate(k, i - 7)).sum() for i in (7, 30, 399)]
    torch.testing.assert_close(scores[0], scores[1], atol=1e-4, rtol=0)
    torch.testing.assert_close(scores[0], scores[2], atol=1e-4, rtol=0)
    angle = rotary.rotate(torch.eye(8)[None, :1, None], 3)[0, 0, 0]
    assert (angle[0].item(), angle[4].item()) == pytest.approx((math.cos(3), math.sin(3)))


def test_scalings_of_the_frequencies() -> None:
    w = torch.tensor([1.0, 1e-2, 1e-5], dtype=torch.float64)
    assert LinearScaling(4.0)(w).tolist() == [0.25, 0.0025, 2.5e-6]
    assert FrequencyFactors((1.0, 2.0, 4.0))(w).tolist() == [1.0, 0.005, 2.5e-6]
    with pytest.raises(ConfigError, match="FrequencyFactors: 2 factors for 3 frequencies"):
        FrequencyFactors((1.0, 2.0))(w)
    scaled = Llama3Scaling(8.0, 1.0, 4.0, 1000)(w)
    rotations = 1000e-2 / (2 * math.pi)
    unscaled = (rotations - 1) / 3
    assert scaled.tolist() == pytest.approx([1.0, 1e-2 * (unscaled + (1 - unscaled) / 8), 1e-5 / 8])


def test_masked_padding_has_no_effect() -> None:
    attention, x = Attention(16, 4), torch.randn(2, 6, 16)
    mask = torch.tensor([[True] * 4 + [False] * 2, [True] * 6])
    torch.testing.assert_close(attention(x, mask=mask)[0, :4], attention(x[:1, :4])[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "sizes",
    [{"heads": 3}, {"heads": 4, "key_values": 3}, {"heads": 4, "key_values": 0}, {"heads": 4, "window": 0}],
)
def test_inconsistent_sizes_are_rejected(sizes: dict) -> None:
    with pytest.raises(ConfigError):
        Attention(16, **sizes)


def test_the_cache_and_recomputation_agree_on_lengths() -> None:
    net = perturbed(variants()["no start"])
    cache, naive = net.make_cache(2, None), Recompute(net, 2, (N,), None)
    x = torch.randint(7, (2, 4))
    with torch.no_grad():
        torch.testing.assert_close(cache.prefill(x), naive.prefill(x), atol=1e-5, rtol=0)
    assert cache.length == naive.length == 4
