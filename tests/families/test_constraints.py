"""Whatever the model would say, what it writes is of the language; what cannot be met is refused in one line."""

import json
import re
import sys

import jsonschema
import pytest
import torch

from morphogen.component import ConfigError, build, describe
from morphogen.conditioning.prefix import ragged
from morphogen.contract import Context, Unsupported
from morphogen.families.autoregressive import Ancestral, Autoregressive, Beam, Greedy, JsonSchema, PromptLookup, Regex, rules_of
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
    """Eight symbols, one of them of two letters, the last the end."""

    vocabulary, end, pieces = 8, 7, (b"a", b"b", b"c", b"ab", b"1", b"2", b"!", b"")


def law(vocabulary: int = 256, end: int | None = None) -> Autoregressive:
    torch.manual_seed(0)
    return Autoregressive(gpt2(vocabulary, LENGTH, 16, 1, 2), end).eval()


def written(x: torch.Tensor, skip: int = 0) -> list[str]:
    return [bytes(i for i in row[skip:] if i >= 0).decode() for row in x.tolist()]


def two_hundred_of_two_hundred_are_valid() -> None:
    schema = json.loads(SCHEMA)
    x = Ancestral((JsonSchema(SCHEMA, TEXT), *rules_of(top_p=0.95)))(law(), (LENGTH,), None, Rng(0, 200))
    texts = written(x)
    assert len(set(texts)) > 150
    for text in texts:
        jsonschema.validate(json.loads(text), schema)


def test_200_of_200_texts_of_a_random_model_are_json_of_the_schema() -> None:
    two_hundred_of_two_hundred_are_valid()


def test_texts_match_a_regular_expression_behind_a_free_prompt() -> None:
    pattern = r"(yes|no), [0-9]{2,4}(st|nd)\."
    for sampler in (Ancestral((Regex(pattern, TEXT),)), Greedy((Regex(pattern, TEXT),)), Beam(3, rules=(Regex(pattern, TEXT),))):
        x = sampler(law(), (LENGTH,), Context(prefix=ragged([list(b"Well: "), list(b"Hm ")])), Rng(0, 2))
        assert re.fullmatch(pattern, written(x[:1], 6)[0]) and re.fullmatch(pattern, written(x[1:], 3)[0])


def test_a_row_is_what_it_is_alone_and_looked_up_guesses_change_nothing() -> None:
    rules = (Regex("(ab|ba){3}x?y", TEXT),)
    together = Ancestral(rules)(law(), (LENGTH,), None, Rng(0, 8))
    assert torch.equal(Ancestral(rules)(law(), (LENGTH,), None, Rng(0, torch.tensor([5]))), together[5:6])
    assert torch.equal(PromptLookup(Ancestral(rules))(law(), (LENGTH,), None, Rng(0, 8)), together)


def test_an_end_symbol_ends_where_the_text_is_complete() -> None:
    """Symbols of several letters, and an end: a+ b* may end after any letter."""
    objective = law(8, 7)
    x = Ancestral((Regex("a(b|1)*", Alphabet(LENGTH)),))(objective, (LENGTH,), None, Rng(0, 60))
    lengths = set()
    for row in x.tolist():
        text = b"".join(Alphabet.pieces[i] for i in row if i >= 0).decode()
        assert re.fullmatch("a(b|1)*", text)
        lengths.add(len(text))
    assert (x == 7).any(1).all() and len(lengths) > 4 and (x == 3).any()


def test_a_constraint_can_be_written_down_and_built_again() -> None:
    again = build(describe(JsonSchema(SCHEMA, TEXT)))
    assert again.json_schema == SCHEMA and again.text.length == LENGTH


IMPOSSIBLE = {
    "no JSON": (lambda: JsonSchema("{", TEXT), "no JSON"),
    "no schema": (lambda: JsonSchema("3", TEXT), "give an object"),
    "unknown type": (lambda: JsonSchema('{"type": "strin"}', TEXT), "strin"),
    "empty range": (lambda: JsonSchema('{"type": "integer", "minimum": 5, "maximum": 1}', TEXT), "minimum"),
    "lost reference": (lambda: JsonSchema('{"$ref": "#/nowhere"}', TEXT), "nowhere"),
    "bad pattern": (lambda: JsonSchema('{"type": "string", "pattern": "("}', TEXT), "regex"),
    "open class": (lambda: Regex("[a-z", TEXT), "unclosed character class"),
    "look-around": (lambda: Regex("a(?!b)", TEXT), "look-around"),
    "nothing": (lambda: Regex(r"[^\s\S]", TEXT), "cannot"),
    "not in the alphabet": (lambda: Regex("x+", Alphabet(LENGTH)), "cannot write it"),
    "no text": (lambda: Regex("x+", 3), "representation of a text"),
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_what_cannot_be_met_is_refused_in_one_line(what: str) -> None:
    make, said = IMPOSSIBLE[what]
    with pytest.raises(ConfigError, match=said) as refused:
        make()
    assert len(str(refused.value).splitlines()) == 1


def test_without_the_library_the_line_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llguidance", None)
    with pytest.raises(Unsupported, match=r"pip install 'morphogen\[constraints\]'"):
        Regex("a", TEXT)
