"""`--condition label=3`: conditions by name, in words."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from morphogen.cli.arguments import choose_conditions
from morphogen.cli.errors import BadArgument
from morphogen.conditioning.specs import Classes
from morphogen.contract import ConditionSpec
from morphogen.representations.text import Bytes
from morphogen.run import Run

RUN = Run(Path("runs/toy-001"), {"settings": {}})
LABEL: Mapping[str, ConditionSpec] = {"label": Classes(("cat", "dog", "label=2", "a=b"))}
BOTH = {**LABEL, "caption": Bytes(16)}


@pytest.mark.parametrize(
    ("text", "label"),
    [("dog", 1), ("label=dog", 1), ("index:1", 1), ("label=index:0", 0), ("a=b", 3), ("label=a=b", 3)],
)
def test_one_condition_needs_no_name(text: str, label: int) -> None:
    chosen = choose_conditions(RUN, LABEL, [text])
    assert chosen.keys() == {"label"} and int(chosen["label"]) == label


def test_a_class_named_like_an_option_is_given_with_the_name() -> None:
    assert int(choose_conditions(RUN, LABEL, ["label=label=2"])["label"]) == 2
    assert int(choose_conditions(RUN, LABEL, ["label=index:2"])["label"]) == 2


def test_several_conditions_in_any_order() -> None:
    for texts in (["label=cat", "caption=a = b"], ["caption=a = b", "label=cat"]):
        chosen = choose_conditions(RUN, BOTH, texts)
        assert int(chosen["label"]) == 0 and bytes(chosen["caption"].tolist()) == b"a = b"
    assert choose_conditions(RUN, BOTH, ["caption="])["caption"].shape == (0,)
    assert choose_conditions(RUN, BOTH, []) == {}


@pytest.mark.parametrize(
    ("specs", "texts", "message"),
    [
        (BOTH, ["dog"], "--condition dog: runs/toy-001 takes 2 conditions: write label=... or caption=..."),
        (
            BOTH,
            ["hue=3"],
            "--condition hue=3: runs/toy-001 takes 2 conditions: write label=... or caption=...",
        ),
        ({}, ["3"], "--condition 3: runs/toy-001 was trained without conditions: leave it out"),
        (LABEL, ["cat", "label=dog"], "--condition label=dog: label is given twice; give it once"),
        (
            LABEL,
            ["hue=3"],
            "--condition hue=3: runs/toy-001: no class 'hue=3'; the classes are cat, dog, label=2, a=b "
            "(index:0 to index:3)",
        ),
    ],
)
def test_errors_are_one_line(specs: Mapping[str, ConditionSpec], texts: list[str], message: str) -> None:
    with pytest.raises(BadArgument) as error:
        choose_conditions(RUN, specs, texts)
    assert str(error.value).replace("\\", "/") == message
