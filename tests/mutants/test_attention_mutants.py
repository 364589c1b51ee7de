"""Mutants of attention and its cache: each must break a law of `check_model`."""

import pytest
import torch

from laws.test_laws import SPECIMENS, batch_for
from morphogen.catalogue import build_system
from morphogen.native.kernels import available
from morphogen.networks import attention as attention_module
from morphogen.networks import decoding_step, dot_product
from morphogen.networks.attention import Attention
from morphogen.networks.dot_product import attend
from morphogen.networks.relative_positions import Rotary
from morphogen.testing import check_model


def mask_off_by_one(monkeypatch):
    monkeypatch.setattr(
        dot_product, "_causal_bias", lambda q: q.new_full((q.shape[2],) * 2, -torch.inf).triu(2)
    )


def rotary_offset_ignored(monkeypatch):
    turn = Rotary.rotate
    monkeypatch.setattr(Rotary, "rotate", lambda self, x, offset: turn(self, x, 0))


def wrong_key_head_in_a_step(monkeypatch):
    def wrong_heads(q, k, v, causal, bias):
        heads = (
            (lambda kv: kv.repeat(1, q.shape[1] // kv.shape[1], 1, 1)) if q.shape[2] == 1 else _interleave(q)
        )
        return attend(q, heads(k), heads(v), causal, bias).transpose(1, 2).flatten(2)

    monkeypatch.setattr(attention_module, "_attend", wrong_heads)


def last_key_not_cached(monkeypatch):
    append = attention_module.KeyValues.append

    def append_zeros(self, keys, values):
        return append(self, keys if self.length == 0 else keys * 0, values)

    monkeypatch.setattr(attention_module.KeyValues, "append", append_zeros)


def _interleave(q):
    return lambda kv: kv.repeat_interleave(q.shape[1] // kv.shape[1], 1)


MUTANTS = {
    mask_off_by_one: ("gpt", "factorisation_is_causal"),
    rotary_offset_ignored: ("llama", "cache_equals_recomputation"),
    wrong_key_head_in_a_step: ("llama", "cache_equals_recomputation"),
    last_key_not_cached: ("palm", "cache_equals_recomputation"),
}


@pytest.mark.parametrize("mutate", MUTANTS, ids=lambda mutate: mutate.__name__)
def test_mutant_is_killed(mutate, monkeypatch):
    system, law = MUTANTS[mutate]
    torch.manual_seed(0)
    model, batch = build_system(system, *SPECIMENS["text"], "tiny"), batch_for("text")
    monkeypatch.setattr(decoding_step, "available", lambda kernel: False)  # steps by torch, which are mutated
    mutate(monkeypatch)
    with pytest.raises(AssertionError, match=f"law broken: {law}"):
        check_model(model, batch, [law])


@pytest.mark.skipif(not available("decoder"), reason="the kernel cannot be built here")
def test_a_native_step_that_ignores_the_position_is_killed(monkeypatch):
    torch.manual_seed(0)
    model, batch = build_system("llama", *SPECIMENS["text"], "tiny"), batch_for("text")
    step = decoding_step.NativeStep.__call__
    monkeypatch.setattr(
        decoding_step.NativeStep,
        "__call__",
        lambda self, h, caches, lengths: step(self, h, caches, 0 * lengths),
    )
    with pytest.raises(AssertionError, match="law broken: cache_equals_recomputation"):
        check_model(model, batch, ["cache_equals_recomputation"])


def test_mutant_with_a_wrong_window_mask_is_killed(monkeypatch):
    """The mask of a full pass must agree with the view of the cache in a step."""
    attention, x = Attention(8, 2, window=2), torch.randn(1, 5, 8)
    visible = Attention.visible
    monkeypatch.setattr(
        Attention,
        "visible",
        lambda self, new, cached, like: visible(self, new, cached, like).roll(-1, 1).tril(),
    )
    cache = attention.make_cache(1, 5)
    with torch.no_grad():
        steps = torch.cat([attention(x[:, i : i + 1], cache, causal=True) for i in range(5)], 1)
        assert not torch.allclose(steps, attention(x, causal=True), atol=1e-4)
