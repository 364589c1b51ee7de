"""What data can be conditioned on: classes by name, numbers among them."""

from typing import Any

import numpy as np
import pytest
import torch

from morphogen.component import ConfigError, from_config, to_config
from morphogen.conditioning.named import name_conditions
from morphogen.conditioning.specs import Classes, Sketches
from morphogen.representations.text import Bytes

PLAIN, NUMBERED, ODD = Classes(("cat", "dog")), Classes(("7", "3", "1")), Classes(("a=b", "index:1", "x"))
PADDED = Classes(("01", "02", "03"))


@pytest.mark.parametrize(
    ("classes", "text", "label"),
    [
        (PLAIN, "dog", 1),
        (PLAIN, "index:1", 1),
        (NUMBERED, "3", 1),  # a name takes precedence over a number
        (NUMBERED, "index:0", 0),
        (NUMBERED, "index:2", 2),
        (PADDED, "1", 0),  # the class named 01, not the place
        (PADDED, "02", 1),
        (PADDED, "3.0", 2),
        (PADDED, "index:1", 1),
        (Classes(("1", "01")), "01", 1),
        (Classes(("a", "2019")), "2019", 1),
        (Classes(("-1.5", "0")), "-1.50", 0),
        (Classes(("cafe\u0301", "the")), "caf\u00e9", 0),  # Unicode in another form
        (Classes(("caf\u00e9", "the")), "cafe\u0301", 0),
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


@pytest.mark.parametrize("given", ["1", 1, [1, 1], True])
def test_a_number_is_no_place_among_words(given: Any) -> None:
    with pytest.raises(ConfigError, match=r"no class '(1|True)'; the classes are cat, dog"):
        PLAIN.read(given)
    with pytest.raises(ConfigError, match=r"write 'index:1' for 'dog'$"):
        PLAIN.parse("1")


@pytest.mark.parametrize("text", ["0", "2", "007"])
def test_a_number_among_names_that_are_numbers_is_never_a_place(text: str) -> None:
    with pytest.raises(ConfigError, match=f"no class '{text}'; the classes are 8, 3, 1 "):
        Classes(("8", "3", "1")).parse(text)
    with pytest.raises(ConfigError, match="no class '0'; the classes are a, 7"):
        Classes(("a", "7")).parse("0")


def test_a_number_that_equals_several_names_is_refused() -> None:
    with pytest.raises(ConfigError, match="'001' can be 1 or 01: the classes are 1, 01, 2"):
        Classes(("1", "01", "2")).parse("001")


def test_names_for_several_rows() -> None:
    assert PLAIN.read(["dog", "cat"]).tolist() == PLAIN.read(np.array(["dog", "index:0"])).tolist() == [1, 0]
    assert PLAIN.read("dog").tolist() == 1
    assert Classes(10).read([3, "4", 5.0]).tolist() == [3, 4, 5]
    assert Classes(("False", "True")).read([True, np.bool_(False)]).tolist() == [1, 0]
    assert Classes(("1", "x")).read(np.array([[1.0], [1.0]])).tolist() == [0, 0]
    assert Bytes(8).read(["ab", "c"]).tolist() == [[97, 98], [99, -1]]


@pytest.mark.parametrize("given", [2, [2], 2.0, np.array([2]), np.array([[2.0]]), "2", ["02"]])
def test_a_number_is_a_name_in_any_container(given: Any) -> None:
    assert PADDED.read(given).reshape(-1).tolist() == [1]


def test_labels_in_a_tensor_are_taken_where_names_and_places_are_the_same() -> None:
    labels = torch.tensor([2, 1])
    assert Classes(3).read(labels) is labels
    for classes in (PLAIN, NUMBERED, PADDED, Classes(("1", "0"))):
        with pytest.raises(ConfigError, match=r'give a list of names, or {"label": tensor} for places, as b'):
            classes.read(labels)
    named = name_conditions(["label"], {"label": labels}, 2, specs={"label": PADDED})
    assert named["label"] is labels  # as batches have them


def test_config_round_trip() -> None:
    for classes in (PLAIN, Classes(3)):
        assert from_config(to_config(classes)).names == classes.names
    with pytest.raises(ConfigError, match='sketch="FILE"'):
        Sketches().parse("a cat")
