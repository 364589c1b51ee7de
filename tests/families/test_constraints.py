"""Constrained decoding: every text satisfies its constraint; invalid constraints are refused in one line."""

import json
import re
import sys

import jsonschema
import pytest
import torch

from morphogen.component import ConfigError, from_config, to_config
from morphogen.conditioning.prefix import pad_prompts
from morphogen.contract import Context, Unsupported
from morphogen.families.autoregressive import (
    Ancestral,
    Autoregressive,
    Beam,
    Greedy,
    JsonSchema,
    PromptLookup,
    Regex,
    logits_processors,
)
from morphogen.networks.decoders import gpt2
from morphogen.numerics.randomness import Rng
from morphogen.representations.text import Bytes

LENGTH = 96
SCHEMA = json.dumps({
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 8, "pattern": "^[a-zé]+$"},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "tags": {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "maxItems": 2},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
})  # fmt: skip
TEXT = Bytes(LENGTH)


class Alphabet(Bytes):
    """Eight tokens, one of two letters; the last is the end token."""

    vocabulary, end, pieces = 8, 7, (b"a", b"b", b"c", b"ab", b"1", b"2", b"!", b"")


def random_model(vocabulary: int = 256, end: int | None = None) -> Autoregressive:
    torch.manual_seed(0)
    return Autoregressive(gpt2(vocabulary, LENGTH, 16, 1, 2), end).eval()


def texts_of(x: torch.Tensor, skip: int = 0) -> list[str]:
    return [bytes(i for i in row[skip:] if i >= 0).decode() for row in x.tolist()]


def check_all_samples_satisfy_the_schema() -> None:
    schema = json.loads(SCHEMA)
    x = Ancestral((JsonSchema(SCHEMA, TEXT), *logits_processors(top_p=0.95)))(
        random_model(), (LENGTH,), None, Rng(0, 200)
    )
    texts = texts_of(x)
    assert len(set(texts)) > 150
    for text in texts:
        jsonschema.validate(json.loads(text), schema)


def test_all_200_samples_of_a_random_model_satisfy_the_json_schema() -> None:
    check_all_samples_satisfy_the_schema()


def test_text_after_a_prompt_matches_a_regular_expression() -> None:
    pattern = r"(yes|no), [0-9]{2,4}(st|nd)\."
    for sampler in (
        Ancestral((Regex(pattern, TEXT),)),
        Greedy((Regex(pattern, TEXT),)),
        Beam(3, processors=(Regex(pattern, TEXT),)),
    ):
        x = sampler(
            random_model(), (LENGTH,), Context(prefix=pad_prompts([list(b"Well: "), list(b"Hm ")])), Rng(0, 2)
        )
        assert re.fullmatch(pattern, texts_of(x[:1], 6)[0]) and re.fullmatch(pattern, texts_of(x[1:], 3)[0])


def test_samples_do_not_depend_on_the_batch_or_on_speculation() -> None:
    processors = (Regex("(ab|ba){3}x?y", TEXT),)
    together = Ancestral(processors)(random_model(), (LENGTH,), None, Rng(0, 8))
    assert torch.equal(
        Ancestral(processors)(random_model(), (LENGTH,), None, Rng(0, torch.tensor([5]))), together[5:6]
    )
    assert torch.equal(
        PromptLookup(Ancestral(processors))(random_model(), (LENGTH,), None, Rng(0, 8)), together
    )


def test_the_end_token_is_allowed_where_the_text_is_complete() -> None:
    """With an end token and tokens of several letters, a(b|1)* may end after any letter."""
    objective = random_model(8, 7)
    x = Ancestral((Regex("a(b|1)*", Alphabet(LENGTH)),))(objective, (LENGTH,), None, Rng(0, 60))
    lengths = set()
    for row in x.tolist():
        text = b"".join(Alphabet.pieces[i] for i in row if i >= 0).decode()
        assert re.fullmatch("a(b|1)*", text)
        lengths.add(len(text))
    assert (x == 7).any(1).all() and len(lengths) > 4 and (x == 3).any()


def test_a_constraint_survives_a_config_round_trip() -> None:
    restored = from_config(to_config(JsonSchema(SCHEMA, TEXT)))
    assert restored.json_schema == SCHEMA and restored.text.length == LENGTH


INVALID = {
    "not JSON": (lambda: JsonSchema("{", TEXT), "not valid JSON"),
    "not a schema": (lambda: JsonSchema("3", TEXT), "use an object"),
    "unknown type": (lambda: JsonSchema('{"type": "strin"}', TEXT), "strin"),
    "empty range": (lambda: JsonSchema('{"type": "integer", "minimum": 5, "maximum": 1}', TEXT), "minimum"),
    "unresolved reference": (lambda: JsonSchema('{"$ref": "#/nowhere"}', TEXT), "nowhere"),
    "bad pattern": (lambda: JsonSchema('{"type": "string", "pattern": "("}', TEXT), "regex"),
    "open class": (lambda: Regex("[a-z", TEXT), "unclosed character class"),
    "look-around": (lambda: Regex("a(?!b)", TEXT), "look-around"),
    "empty language": (lambda: Regex(r"[^\s\S]", TEXT), "cannot"),
    "not in the alphabet": (lambda: Regex("x+", Alphabet(LENGTH)), "can begin such a text"),
    "not a text representation": (lambda: Regex("x+", 3), "text representation"),
}


@pytest.mark.parametrize("what", INVALID)
def test_invalid_constraints_are_refused_in_one_line(what: str) -> None:
    make, message = INVALID[what]
    with pytest.raises(ConfigError, match=message) as error:
        make()
    assert len(str(error.value).splitlines()) == 1


def test_a_missing_library_error_names_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llguidance", None)
    with pytest.raises(Unsupported, match=r"pip install 'morphogen\[constraints\]'"):
        Regex("a", TEXT)
