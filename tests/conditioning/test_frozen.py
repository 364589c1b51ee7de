"""`Frozen`: a conditioner that is never trained, and whose outputs may be computed once."""

import copy
from pathlib import Path

import pytest
import torch

from conditioning.conditioned import TOKENS, batch, conditions, denoiser, parts, text_encoder
from morphogen.component import ConfigError, from_config, to_config
from morphogen.conditioning.conditions import Conditions
from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.frozen import Frozen
from morphogen.conditioning.label import Label
from morphogen.conditioning.source import SourceText
from morphogen.contract import Context
from morphogen.model import load, save, tensors
from morphogen.numerics.randomness import Rng
from morphogen.ownership import owned
from morphogen.testing import check_model
from morphogen.training import train

FIELDS = ("vector", "tokens", "mask", "spatial")


def tower(dropout: float = 0.5) -> SourceText:
    return SourceText(text_encoder(dropout))


def with_frozen_captions() -> Conditions:
    given = parts()
    return Conditions(**given | {"caption": ConditionDropout(Frozen(tower()), 0.3)})


def same_context(first: Context, second: Context) -> bool:
    pairs = [(getattr(first, name), getattr(second, name)) for name in FIELDS]
    return all(a is b if a is None or b is None else torch.equal(a, b) for a, b in pairs)


def test_it_owns_nothing_and_stays_in_evaluation_mode() -> None:
    frozen, ids = Frozen(tower()), conditions(4)["caption"]
    assert not list(owned(frozen)) and list(frozen.parameters())
    once = frozen(ids)
    for module in (frozen, ConditionDropout(frozen)):
        module.train()
        assert not any(part.training for part in frozen.conditioner.modules())
        assert same_context(frozen(ids), once)
    assert not same_context(tower().train()(ids), once)


def test_no_gradient_reaches_it() -> None:
    frozen = Frozen(ConditionDropout(tower()))
    frozen.conditioner.null["tokens"].data += 1  # type: ignore[index, operator, union-attr]
    for context in (frozen(conditions(4)["caption"]), frozen.absent(4)):
        assert context is not None and context.tokens is not None and not context.tokens.requires_grad


def test_training_leaves_it_alone() -> None:
    torch.manual_seed(0)
    model = denoiser(with_frozen_captions())
    before = {name: tensor.clone() for name, tensor in tensors(model).items()}
    train(model, batch(32), steps=3)
    changed = {name for name, tensor in tensors(model).items() if not torch.equal(tensor, before[name])}
    assert changed and not any(".frozen." in name for name in changed)
    assert any("parts.caption.null" in name for name in changed)


@pytest.mark.slow
def test_a_model_with_a_frozen_conditioner_satisfies_every_law() -> None:
    torch.manual_seed(0)
    check_model(
        denoiser(ConditionDropout(Conditions(**parts() | {"caption": Frozen(tower())}), 0.3)), batch()
    )


def test_saved_and_loaded(tmp_path: Path) -> None:
    model = denoiser(with_frozen_captions())
    assert to_config(from_config(to_config(model))) == to_config(model)
    save(model, tmp_path / "model")
    given = conditions(4)
    assert same_context(load(tmp_path / "model").context(given, 4), model.context(given, 4))  # type: ignore[arg-type]


def test_precomputed_equals_live_to_the_bit() -> None:
    """Losses of training and weights after it; the tower itself is not evaluated."""
    torch.manual_seed(0)
    model, examples = denoiser(with_frozen_captions()), batch(48)
    frozen: Frozen = model.conditioner.parts["caption"].conditioner  # type: ignore[union-attr, assignment, index]
    computed = frozen.precompute(examples, name="caption", batch=16)
    rows = torch.tensor([5, 1, 40, 17])
    assert len(computed) == 48 and torch.equal(computed[rows].medium, examples[rows].medium)
    assert torch.equal(computed[rows].condition["label"], examples[rows].condition["label"])
    live, once = copy.deepcopy(model), copy.deepcopy(model)
    losses = [live(b, Rng(0, 4), "model").total for b in (examples[rows], computed[rows])]
    assert torch.equal(*losses)
    train(live, examples, steps=3)
    once.conditioner.parts["caption"].conditioner.frozen.conditioner.encoder = None  # type: ignore[union-attr, index]
    train(once, computed, steps=3)
    weights = tensors(once)
    assert weights and all(torch.equal(tensors(live)[name], weights[name]) for name in weights)


@pytest.mark.parametrize(
    "parts_of", [lambda: tower(), lambda: Conditions(label=Label(10, TOKENS), source=tower())]
)
def test_precomputed_under_its_own_names(parts_of) -> None:
    """Also several conditions, whose joined context is computed once."""
    frozen, given = Frozen(parts_of()), conditions(20)
    examples = batch(20)
    examples.condition["source"] = given["caption"]  # type: ignore[index]
    computed = frozen.precompute(examples)
    rows = torch.tensor([3, 11])
    live = frozen(frozen.select(examples[rows].condition))
    assert same_context(frozen(frozen.select(computed[rows].condition)), live)


def test_equal_conditions_are_encoded_once_and_rows_are_the_first_ones() -> None:
    frozen, examples = Frozen(tower()), batch(12)
    ids: torch.Tensor = examples.condition["caption"]  # type: ignore[assignment]
    ids[3], ids[9] = ids[0], ids[0]
    encoded = list[int]()
    frozen.conditioner.register_forward_hook(lambda _, arguments, __: encoded.append(len(arguments[0])))
    computed = frozen.precompute(examples, name="caption", batch=5, rows=10)
    assert encoded == [4, 4] and len(computed) == 10
    context = frozen(computed[torch.arange(10)].condition["caption"])
    assert same_context(context, frozen(ids[:10]))


def test_errors_of_precompute() -> None:
    with pytest.raises(
        ConfigError, match="the examples lack 'source'; their conditions: label, caption, sketch"
    ):
        Frozen(tower()).precompute(batch(4))
    with pytest.raises(ConfigError, match=r"use ConditionDropout\(Frozen\(\.\.\.\)\)"):
        Frozen(ConditionDropout(tower())).precompute(batch(4), name="caption")
