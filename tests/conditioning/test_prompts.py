"""Prompts as ids and as objects."""

import pytest
import torch

from morphogen.component import ConfigError, build, describe
from morphogen.conditioning.prefix import Prefix, ragged
from morphogen.conditioning.template import KShot, Template

SUM = Template("{a} + {b} = {sum}")
EXAMPLES = tuple({"a": str(a), "b": "1", "sum": str(a + 1)} for a in range(3))


def test_ragged_prompts_are_padded_on_the_right() -> None:
    assert ragged([[1, 2], [], [3]]).tolist() == [[1, 2], [-1, -1], [3, -1]]
    assert ragged([[], []]).shape == (2, 0) and Prefix()(ragged([[1]])).prefix is not None
    for bad in ([], [[1, -1]]):
        with pytest.raises(ConfigError, match="prompts"):
            ragged(bad)


def test_a_template_is_filled_and_opened() -> None:
    assert SUM(a="1", b="2", sum="3") == "1 + 2 = 3" and SUM.gaps == ["a", "b", "sum"]
    assert SUM.opening(a="1", b="2") == "1 + 2 ="
    assert SUM.opening(a="1") == "1 +"
    assert Template("{{{x}}}")(x="a{b}") == "{a{b}}", "a value is no template"


def test_shots_stand_before_the_question() -> None:
    assert KShot(SUM, EXAMPLES, 0)(a="7", b="2") == "7 + 2 ="
    assert KShot(SUM, EXAMPLES, 2, "\n")(a="7", b="2") == "0 + 1 = 1\n1 + 1 = 2\n7 + 2 ="
    again = build(describe(KShot(SUM, EXAMPLES, 2)))
    assert again(a="7", b="2") == KShot(SUM, EXAMPLES, 2)(a="7", b="2")


BAD = {
    "open": (lambda: Template("{a"), "write gaps as"),
    "nameless": (lambda: Template("a {} b"), "is no name"),
    "numbered": (lambda: Template("{0}"), "is no name"),
    "an attribute": (lambda: Template("{a.__class__}"), "is no name"),
    "an item": (lambda: Template("{a[0]}"), "is no name"),
    "a format": (lambda: Template("{a:>9}"), "is no name"),
    "a conversion": (lambda: Template("{a!r}"), "is no name"),
    "missing": (lambda: SUM(a="1", b="2"), r"missing \['sum'\]"),
    "unknown": (lambda: SUM(a="1", b="2", sum="3", c="4"), r"unknown \['c'\]"),
    "unknown in an opening": (lambda: SUM.opening(a="1", b="2", c="4"), r"unknown \['c'\]"),
    "behind the answer": (lambda: SUM.opening(a="1", sum="3"), "sum stands behind"),
    "nothing to answer": (lambda: SUM.opening(a="1", b="2", sum="3"), "leave out the one"),
    "too many": (lambda: KShot(SUM, EXAMPLES, 4), "k=4 of 3"),
    "too few": (lambda: KShot(SUM, EXAMPLES, -1), "k=-1 of 3"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_does_not_fit_is_refused(what: str) -> None:
    make, said = BAD[what]
    with pytest.raises(ConfigError, match=said):
        make()


def test_the_padding_is_no_id() -> None:
    assert torch.equal(ragged([[0, 0], [0]]), torch.tensor([[0, 0], [0, -1]]))
