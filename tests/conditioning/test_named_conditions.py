"""Conditions as a person gives them: with or without a name, one for all rows or one each."""

from typing import Any

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.conditioning.label import Label
from morphogen.conditioning.named import name_conditions, names_of, sole_name
from morphogen.conditioning.specs import Classes
from morphogen.contract import ConditionSpec


@pytest.mark.parametrize(
    "given",
    [3, torch.tensor(3), torch.tensor([3]), torch.tensor([3, 3]), [3, 3], {"label": 3}, {"label": [3]}],
)
def test_one_condition_for_all_rows_or_one_each(given: Any) -> None:
    named = name_conditions(["label"], given, 2)
    assert named.keys() == {"label"} and named["label"].tolist() == [3, 3]


def test_trees_and_several_conditions() -> None:
    caption = {"ids": torch.arange(6).view(1, 6), "mask": torch.ones(1, 6)}
    named = name_conditions(["label", "caption"], {"caption": caption, "label": 1}, 3)
    assert named["caption"]["ids"].shape == (3, 6) and named["label"].tolist() == [1, 1, 1]
    assert name_conditions(["label", "caption"], {"label": 1}, 3).keys() == {"label"}
    assert name_conditions(["label"], None, 3) == {} == name_conditions([], {}, 3)


@pytest.mark.parametrize(
    ("names", "given", "message"),
    [
        (["label", "caption"], 3, "condition 3: the model takes label, caption: give one by name"),
        ([], 3, "condition 3: the model takes no condition: omit it"),
        (["label"], {"colour": 3, "hue": 1}, "condition colour, hue: the model takes label"),
        ([], {"colour": 3}, "condition colour: the model takes no conditions"),
        (["label"], [1, 2, 3], "condition 'label' has 3 rows, not 5: give one for all rows, or one each"),
    ],
)
def test_errors_name_the_condition(names: list[str], given: Any, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        name_conditions(names, given, 5)
    assert str(error.value) == message


def test_names_of_a_conditioner() -> None:
    assert names_of(None) == () and names_of(Label(3, 4)) == ("label",)


def test_the_only_required_condition_needs_no_name_and_is_read_as_with_one_condition() -> None:
    specs = {"label": Classes(("0", "2", "5"))}
    for names in (["label"], ["label", "cells"]):
        named = name_conditions(names, 2, 3, specs=specs, sole="label")
        assert named.keys() == {"label"} and named["label"].tolist() == [1, 1, 1]
        with pytest.raises(ConfigError, match="a tensor of labels, where the classes are 0, 2, 5"):
            name_conditions(names, torch.tensor([2]), 3, specs=specs, sole="label")
    assert sole_name(Label(3, 4)) == "label" and sole_name(None) is None


class _Cells(ConditionSpec):
    """Two columns, given as {column: value}."""

    plural, parts = "cells", ("age", "label")

    def read(self, given):
        return torch.tensor([float(given.get(part, "nan")) for part in self.parts])[None]


def test_the_name_of_a_part_stands_for_itself():
    """A mapping of columns is the condition that has them; a condition of the same name comes first."""
    names, specs = ("label", "cells"), {"cells": _Cells()}
    bare = name_conditions(names, {"age": 30, "label": torch.tensor([1])}, 2, specs=specs)
    whole = name_conditions(names, {"cells": {"age": 30}, "label": torch.tensor([1])}, 2, specs=specs)
    assert bare.keys() == whole.keys() == {"label", "cells"}
    assert all(torch.equal(bare[name], whole[name]) or name == "cells" for name in names)
    assert bare["cells"][:, 0].tolist() == [30, 30] == whole["cells"][:, 0].tolist()
    with pytest.raises(ConfigError, match="condition has 'age' beside 'cells': give 'age' inside 'cells'"):
        name_conditions(names, {"cells": {"label": 1}, "age": 30}, 2, specs=specs)
    with pytest.raises(ConfigError, match="condition sex: the model takes label, cells, and the columns age"):
        name_conditions(names, {"sex": 1}, 2, specs=specs)
