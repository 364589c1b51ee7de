"""Prompts: padded batches of ids, templates and few-shot prompts."""

import pytest
import torch

from morphogen.component import ConfigError, from_config, to_config
from morphogen.conditioning.prefix import Prefix, pad_prompts
from morphogen.conditioning.template import KShot, Template

SUM = Template("{a} + {b} = {sum}")
EXAMPLES = tuple({"a": str(a), "b": "1", "sum": str(a + 1)} for a in range(3))


def test_ragged_prompts_are_padded_on_the_right() -> None:
    assert pad_prompts([[1, 2], [], [3]]).tolist() == [[1, 2], [-1, -1], [3, -1]]
    assert pad_prompts([[], []]).shape == (2, 0) and Prefix()(pad_prompts([[1]])).prefix is not None
    for bad in ([], [[1, -1]]):
        with pytest.raises(ConfigError, match="prompts"):
            pad_prompts(bad)


def test_templates_are_filled_and_cut_at_the_first_field_without_a_value() -> None:
    assert SUM(a="1", b="2", sum="3") == "1 + 2 = 3" and SUM.fields == ["a", "b", "sum"]
    assert SUM.prompt(a="1", b="2") == "1 + 2 ="
    assert SUM.prompt(a="1") == "1 +"
    assert Template("{{{x}}}")(x="a{b}") == "{a{b}}", "values are not parsed as templates"


def test_examples_precede_the_question() -> None:
    assert KShot(SUM, EXAMPLES, 0)(a="7", b="2") == "7 + 2 ="
    assert KShot(SUM, EXAMPLES, 2, "\n")(a="7", b="2") == "0 + 1 = 1\n1 + 1 = 2\n7 + 2 ="
    again = from_config(to_config(KShot(SUM, EXAMPLES, 2)))
    assert again(a="7", b="2") == KShot(SUM, EXAMPLES, 2)(a="7", b="2")


BAD = {
    "open": (lambda: Template("{a"), "write fields as"),
    "nameless": (lambda: Template("a {} b"), "is not a plain name"),
    "numbered": (lambda: Template("{0}"), "is not a plain name"),
    "an attribute": (lambda: Template("{a.__class__}"), "is not a plain name"),
    "an item": (lambda: Template("{a[0]}"), "is not a plain name"),
    "a format": (lambda: Template("{a:>9}"), "is not a plain name"),
    "a conversion": (lambda: Template("{a!r}"), "is not a plain name"),
    "missing": (lambda: SUM(a="1", b="2"), r"missing \['sum'\]"),
    "unknown": (lambda: SUM(a="1", b="2", sum="3", c="4"), r"unknown \['c'\]"),
    "unknown in a prompt": (lambda: SUM.prompt(a="1", b="2", c="4"), r"unknown \['c'\]"),
    "after the answer": (lambda: SUM.prompt(a="1", sum="3"), "sum comes after"),
    "nothing to complete": (lambda: SUM.prompt(a="1", b="2", sum="3"), "leave out the one"),
    "too many": (lambda: KShot(SUM, EXAMPLES, 4), "k=4 of 3"),
    "too few": (lambda: KShot(SUM, EXAMPLES, -1), "k=-1 of 3"),
}


@pytest.mark.parametrize("what", BAD)
def test_invalid_templates_and_values_raise(what: str) -> None:
    make, message = BAD[what]
    with pytest.raises(ConfigError, match=message):
        make()


def test_id_0_differs_from_padding() -> None:
    assert torch.equal(pad_prompts([[0, 0], [0]]), torch.tensor([[0, 0], [0, -1]]))
