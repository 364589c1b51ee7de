"""What data can be conditioned on: classes by name or number."""

import pytest

from morphogen.component import ConfigError, from_config, to_config
from morphogen.conditioning.specs import Classes, Sketches

PLAIN, NUMBERED, ODD = Classes(("cat", "dog")), Classes(("7", "3", "1")), Classes(("a=b", "index:1", "x"))


@pytest.mark.parametrize(
    ("classes", "text", "label"),
    [
        (PLAIN, "dog", 1),
        (PLAIN, "0", 0),
        (PLAIN, "index:1", 1),
        (NUMBERED, "3", 1),  # a name takes precedence over a number
        (NUMBERED, "index:0", 0),
        (NUMBERED, "0", 0),
        (NUMBERED, "index:2", 2),
        (Classes(10), "7", 7),
        (ODD, "a=b", 0),
        (ODD, "index:1", 1),
        (ODD, "index:2", 2),
    ],
)
def test_a_class_is_given_by_name_or_number(classes: Classes, text: str, label: int) -> None:
    assert int(classes.parse(text)) == label


@pytest.mark.parametrize("text", ["cow", "2", "-1", "index:", "index:2", "index:dog", "", "1.0", "²"])
def test_other_classes_are_refused_with_their_names(text: str) -> None:
    with pytest.raises(ConfigError, match=r"the classes are cat, dog \(index:0 to index:1\)$"):
        PLAIN.parse(text)


def test_numeric_names_do_not_hide_that_an_index_is_too_large() -> None:
    with pytest.raises(ConfigError, match="no class 'index:7'"):
        NUMBERED.parse("index:7")


def test_config_round_trip() -> None:
    for classes in (PLAIN, Classes(3)):
        assert from_config(to_config(classes)).names == classes.names
    with pytest.raises(ConfigError, match="--sketch FILE"):
        Sketches().parse("a cat")
