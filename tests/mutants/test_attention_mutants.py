"""What could go wrong in attention unseen: each mutant breaks a law that the systems are held to."""

import pytest
import torch

from laws.test_laws import OF, batch_for
from morphogen.catalogue import compose
from morphogen.networks import attention as attention_module
from morphogen.networks import dot_product
from morphogen.networks.attention import Attention
from morphogen.networks.dot_product import attend
from morphogen.networks.relative_positions import Rotary
from morphogen.testing import check_model


def a_mask_that_lets_the_next_be_seen(monkeypatch):
    monkeypatch.setattr(dot_product, "_after", lambda q: q.new_full((q.shape[2],) * 2, -torch.inf).triu(2))


def turns_that_begin_anew_at_every_step(monkeypatch):
    turn = Rotary.turn
    monkeypatch.setattr(Rotary, "turn", lambda self, x, place: turn(self, x, 0))


def keys_shared_by_other_heads_in_a_step(monkeypatch):
    def other(q, k, v, causal, bias):
        heads = (lambda kv: kv.repeat(1, q.shape[1] // kv.shape[1], 1, 1)) if q.shape[2] == 1 else _neighbours(q)
        return attend(q, heads(k), heads(v), causal, bias).transpose(1, 2).flatten(2)

    monkeypatch.setattr(attention_module, "_attend", other)


def a_memory_that_forgets_its_last_key(monkeypatch):
    append = attention_module.KeyValues.append

    def late(self, keys, values):
        return append(self, keys if self.length == 0 else keys * 0, values)

    monkeypatch.setattr(attention_module.KeyValues, "append", late)


def _neighbours(q):
    return lambda kv: kv.repeat_interleave(q.shape[1] // kv.shape[1], 1)


MUTANTS = {
    a_mask_that_lets_the_next_be_seen: ("gpt", "factorisation_is_causal"),
    turns_that_begin_anew_at_every_step: ("llama", "cache_equals_recomputation"),
    keys_shared_by_other_heads_in_a_step: ("llama", "cache_equals_recomputation"),
    a_memory_that_forgets_its_last_key: ("palm", "cache_equals_recomputation"),
}


@pytest.mark.parametrize("mutate", MUTANTS, ids=lambda mutate: mutate.__name__)
def test_mutant_is_killed(mutate, monkeypatch):
    system, law = MUTANTS[mutate]
    torch.manual_seed(0)
    model, batch = compose(system, *OF["text"], "tiny"), batch_for("text")
    mutate(monkeypatch)
    with pytest.raises(AssertionError, match=f"law broken: {law}"):
        check_model(model, batch, [law])


def test_a_window_one_too_wide_is_not_the_views(monkeypatch):
    """The mask of a whole pass and the view of a step are two ways to say one window."""
    attention, x = Attention(8, 2, window=2), torch.randn(1, 5, 8)
    visible = Attention.visible
    monkeypatch.setattr(Attention, "visible", lambda self, new, before, like: visible(self, new, before, like).roll(-1, 1).tril())
    memory = attention.memory(1, 5)
    with torch.no_grad():
        steps = torch.cat([attention(x[:, i : i + 1], memory, causal=True) for i in range(5)], 1)
        assert not torch.allclose(steps, attention(x, causal=True), atol=1e-4)
