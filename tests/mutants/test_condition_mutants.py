"""The laws of conditions fail for mutants of joined and dropped conditions, in a model with three of them."""

from dataclasses import replace

import pytest
import torch

from conditioning.conditioned import batch, denoiser, dropped_apart, dropped_together
from morphogen.conditioning.conditions import Conditions
from morphogen.conditioning.dropout import ConditionDropout
from morphogen.context import Context
from morphogen.testing import check_model

FIELDS = ("vector", "tokens", "mask", "spatial")


def keep(*names):
    """Rows in training keep these fields, as when dropout handled vectors only."""

    def mutate(monkeypatch):
        forward = ConditionDropout.forward

        def keeping(self, condition, rng=None):
            context = forward(self, condition, rng)
            kept = self.conditioner(condition, rng)
            return (
                context if rng is None else replace(context, **{name: getattr(kept, name) for name in names})
            )

        monkeypatch.setattr(ConditionDropout, "forward", keeping)

    return mutate


def lose_all_but_the_vector(monkeypatch):
    forward = ConditionDropout.forward

    def losing(self, condition, rng=None):
        context = forward(self, condition, rng)
        return replace(context, tokens=None, mask=None, spatial=None)

    monkeypatch.setattr(ConditionDropout, "forward", losing)


def drop_each_field_on_its_own(monkeypatch):
    forward = ConditionDropout.forward

    def apart(self, condition, rng=None):
        contexts = [forward(self, condition, rng and rng.fork(name)) for name in FIELDS]
        own = {name: getattr(context, name) for name, context in zip(FIELDS, contexts, strict=True)}
        return replace(contexts[0], **own | {"mask": contexts[1].mask})

    monkeypatch.setattr(ConditionDropout, "forward", apart)


def never_drop(monkeypatch):
    monkeypatch.setattr(ConditionDropout, "forward", lambda self, c, rng=None: replace(
        self.conditioner(c), null=self.null_of(self.conditioner(c))
    ))  # fmt: skip


def give_null_the_length_of_the_tokens(monkeypatch):
    null = ConditionDropout.null_of

    def longer(self, context):
        short = null(self, context)
        length = 1 if context.tokens is None else context.tokens.shape[1]
        return replace(short, tokens=None if short.tokens is None else short.tokens.expand(-1, length, -1))

    monkeypatch.setattr(ConditionDropout, "null_of", longer)


def give_null_the_mask_of_the_tokens(monkeypatch):
    null = ConditionDropout.null_of

    def masked(self, context):
        tokens = None if context.tokens is None else context.tokens * 0
        return replace(null(self, context), tokens=tokens, mask=context.mask)

    monkeypatch.setattr(ConditionDropout, "null_of", masked)


def ignore_the_caption(monkeypatch):
    joined = Conditions._join

    def without(self, parts):
        parts = {**parts, "caption": replace(parts["caption"], tokens=parts["caption"].tokens * 0, mask=None)}
        return joined(self, parts)

    monkeypatch.setattr(Conditions, "_join", without)


def forget_absent_tokens(monkeypatch):
    absent = ConditionDropout.absent
    monkeypatch.setattr(
        ConditionDropout, "absent", lambda self, rows: replace(absent(self, rows), tokens=None)
    )


def move_absent_vectors(monkeypatch):
    absent = ConditionDropout.absent

    def moved(self, rows):
        context = absent(self, rows)
        return context if context.vector is None else replace(context, vector=context.vector + 1)

    monkeypatch.setattr(ConditionDropout, "absent", moved)


DROPPED, NULL, MATTERS = (
    "dropped_equals_not_given",
    "null_is_independent_of_the_condition",
    "condition_matters",
)
MUTANTS = [
    (keep("tokens", "mask", "spatial"), DROPPED),
    (keep("mask"), DROPPED),
    (keep("vector"), DROPPED),
    (keep("spatial"), DROPPED),
    (lose_all_but_the_vector, MATTERS),
    (never_drop, DROPPED),
    (give_null_the_length_of_the_tokens, DROPPED),
    (give_null_the_mask_of_the_tokens, NULL),
    (ignore_the_caption, MATTERS),
    (forget_absent_tokens, DROPPED),
    (move_absent_vectors, DROPPED),
]


@pytest.mark.parametrize("conditioner", [dropped_together, dropped_apart])
@pytest.mark.parametrize(("mutate", "law"), MUTANTS)
def test_mutant_is_killed(mutate, law, conditioner, monkeypatch):
    torch.manual_seed(0)
    model = denoiser(conditioner())
    mutate(monkeypatch)
    with pytest.raises(AssertionError, match=f"law broken: {law}"):
        check_model(model, batch(), [law])


def test_fields_dropped_on_their_own_are_noticed(monkeypatch):
    torch.manual_seed(0)
    model = denoiser(dropped_together())
    drop_each_field_on_its_own(monkeypatch)
    with pytest.raises(AssertionError, match="neither that of its conditions nor"):
        check_model(model, batch(), [DROPPED])


def test_contexts_are_what_networks_see():
    """The laws compare valid tokens: their padding has no meaning."""
    from morphogen.testing.conditions import _close, _seen

    tokens, mask = torch.randn(1, 3, 4), torch.tensor([[True, False, True]])
    padded, bare = Context(tokens=tokens, mask=mask), Context(tokens=tokens[:, [0, 2]])
    assert _close(_seen(padded, 0), _seen(bare, 0))
    assert not _close(_seen(padded, 0), _seen(Context(tokens=tokens), 0))
