"""Constrained texts of untrained models close within their tokens, for any schema, budget and vocabulary."""

import json
import re
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from morphogen.component import ConfigError
from morphogen.conditioning.prefix import pad_prompts
from morphogen.contract import Context
from morphogen.families.autoregressive import (
    Ancestral,
    Autoregressive,
    Beam,
    Greedy,
    JsonSchema,
    MaxNewTokens,
    PromptLookup,
    Regex,
    constraints,
)
from morphogen.networks.decoders import gpt2
from morphogen.numerics.randomness import Rng
from morphogen.representations.text import Bytes, Characters

WINDOW = 32
BYTES = Bytes(WINDOW)
NAME_AND_TAGS = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}}},
    "required": ["name", "tags"],
    "additionalProperties": False,
}


class WithEnd(Bytes):
    """Bytes, longer pieces and an end token."""

    vocabulary, end = 262, 261
    pieces = (*Bytes.pieces, b'{"', b'":', b'","', b'"]}', b"aaaa", b"<end>")


ALPHABET = Characters("".join(sorted(set('{}[]",:0123456789-abcdeilnorstufm é'))), WINDOW)
TEXTS: list[Any] = [BYTES, WithEnd(WINDOW), ALPHABET]
MODELS = {}


def model_of(text: Any, seed: int = 0) -> Autoregressive:
    if (text.vocabulary, seed) not in MODELS:
        torch.manual_seed(seed)
        network = gpt2(text.vocabulary, WINDOW, 8, 1, 2)
        for p in network.parameters():
            p.data += 0.5 * torch.randn_like(p)
        MODELS[text.vocabulary, seed] = Autoregressive(network, text.end).eval()
    return MODELS[text.vocabulary, seed]


LEAVES = st.one_of(
    st.sampled_from([{"type": "string"}, {"type": "integer"}, {"type": "boolean"}, {"type": "null"}]),
    st.builds(lambda n: {"type": "string", "minLength": n}, st.integers(0, 9)),
    st.builds(lambda n: {"type": "string", "maxLength": n}, st.integers(0, 4)),
    st.builds(lambda n: {"type": "integer", "minimum": n}, st.integers(-5, 2000)),
    st.just({"enum": ["red", "blue", "a rose"]}),
    st.just({"type": "string", "pattern": "^[a-e]{3}$"}),
)


def containers(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    arrays = st.builds(
        lambda items, least: {"type": "array", "items": items, "minItems": least}, parts, st.integers(0, 2)
    )
    objects = st.builds(
        lambda named, required: {
            "type": "object", "properties": named, "required": [n for n in named if n in required],
            "additionalProperties": False,
        },
        st.dictionaries(st.sampled_from(["a", "id", "items"]), parts, max_size=3),
        st.sets(st.sampled_from(["a", "id"])),
    )  # fmt: skip
    return arrays | objects | st.builds(lambda a, b: {"anyOf": [a, b]}, parts, parts)


SCHEMAS = st.recursive(LEAVES, containers, max_leaves=4)


def text_of(text: Any, row: list[int]) -> str:
    return b"".join(text.pieces[token] for token in row if token not in (-1, text.end)).decode()


def closes(schema: Any, text: Any, most: int, decoding: Callable[..., Any], seed: int = 0) -> int:
    """The number of samples, all of which are valid; 0 if the budget is refused."""
    try:
        x = decoding((MaxNewTokens(most), JsonSchema(json.dumps(schema), text)))(
            model_of(text, seed), (WINDOW,), None, Rng(seed, 3)
        )
    except ConfigError as error:
        assert "cannot hold" in str(error) or "can begin" in str(error), error
        return 0
    for row in x.tolist():
        assert len([token for token in row if token >= 0]) <= most
        jsonschema.validate(json.loads(text_of(text, row)), schema)
    return len(x)


def check_random_schemas(examples: int) -> None:
    @settings(max_examples=examples, derandomize=True, deadline=None, phases=[Phase.generate])
    @given(SCHEMAS, st.sampled_from(TEXTS), st.integers(1, 60), st.integers(0, 3))
    def check(schema: Any, text: Any, most: int, seed: int) -> None:
        closes(schema, text, most, Ancestral, seed)

    check()


def test_random_schemas_close_within_random_budgets() -> None:
    check_random_schemas(40)


@pytest.mark.slow
def test_a_thousand_random_schemas_close_within_random_budgets() -> None:
    check_random_schemas(1000)


def check_tight_budgets(decoding: Callable[..., Any] = Ancestral) -> None:
    shortest = len('{"name":"","tags":[]}')
    for most in (shortest - 1, shortest, shortest + 1, shortest + 7):
        assert (closes(NAME_AND_TAGS, BYTES, most, decoding) > 0) == (most >= shortest)


@pytest.mark.parametrize(
    "decoding",
    [Ancestral, Greedy, lambda p: PromptLookup(Ancestral(p)), lambda p: Beam(3, processors=p)],
    ids=["ancestral", "greedy", "lookup", "beam"],
)
def test_the_shortest_text_fits_and_less_is_refused(decoding: Callable[..., Any]) -> None:
    check_tight_budgets(decoding)


def test_the_refusal_names_the_shortest_text() -> None:
    sampler = Ancestral((MaxNewTokens(9), JsonSchema(json.dumps(NAME_AND_TAGS), BYTES)))
    with pytest.raises(ConfigError, match=r"9 new tokens cannot hold.*has 21 tokens: raise max_new_tokens, "):
        sampler(model_of(BYTES), (WINDOW,), None, Rng(0, 1))


def test_the_window_is_a_budget_as_well() -> None:
    prompts = [list(b"12345678"), list(b"1")]
    constraint = JsonSchema(json.dumps(NAME_AND_TAGS), BYTES)
    x = Ancestral((constraint,))(
        model_of(BYTES), (WINDOW,), Context(prefix=pad_prompts(prompts)), Rng(0, 2)
    ).tolist()
    for row, prompt in zip(x, prompts, strict=True):
        jsonschema.validate(json.loads(text_of(BYTES, row[len(prompt) :])), NAME_AND_TAGS)


@pytest.mark.parametrize("regex", ["(abc)*", "a{3}|b+c", r"(ab|c{9})d", "[a-e]*q", r"\w+@\w+\.(com|org)"])
@pytest.mark.parametrize("text", TEXTS[:2], ids=["bytes", "end"])
def test_expressions_match_at_the_end_of_every_budget(regex: str, text: Any) -> None:
    for most in range(1, 13):
        try:
            x = Ancestral((MaxNewTokens(most), Regex(regex, text)))(
                model_of(text), (WINDOW,), None, Rng(0, 8)
            )
        except ConfigError as error:
            assert "cannot hold" in str(error)
            continue
        for row in x.tolist():
            assert re.fullmatch(regex, text_of(text, row), re.ASCII), (most, text_of(text, row))


def test_nothing_changes_where_the_budget_is_ample() -> None:
    constraint = JsonSchema('{"type": "string", "maxLength": 6}', BYTES)
    bound = Ancestral((constraint, MaxNewTokens(200)))(model_of(BYTES), (WINDOW,), None, Rng(0, 40))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constraints.Constraint, "within", lambda self, *room: self)
        plain = Ancestral((constraint, MaxNewTokens(200)))(model_of(BYTES), (WINDOW,), None, Rng(0, 40))
    assert torch.equal(bound, plain)


@pytest.mark.slow
def test_long_texts_are_closed_quickly() -> None:
    schema = {"type": "string", "minLength": 60}
    assert closes(schema, BYTES, 64, Ancestral) == 3


def budgets_are_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(constraints.Constraint, "within", lambda self, *room: self)


def one_token_too_many(patch: pytest.MonkeyPatch) -> None:
    remaining = constraints.Constraint._remaining
    patch.setattr(
        constraints.Constraint,
        "_remaining",
        lambda self, *rows: [most + 1 for most in remaining(self, *rows)],
    )


@pytest.mark.parametrize("mutate", [budgets_are_ignored, one_token_too_many])
def test_mutant_is_killed(
    mutate: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(monkeypatch)
    with pytest.raises((AssertionError, ValueError, ConfigError)):
        check_tight_budgets()
