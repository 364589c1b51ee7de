"""Components: configs are read from constructor signatures, and shared parts stay shared when rebuilt."""

import pytest
from torch import nn

from morphogen.component import Component, ConfigError, from_config, set_path, to_config


class ToyGear(Component, nn.Module):
    def __init__(self, teeth: int, ratio: float = 0.5):
        super().__init__()
        self.teeth, self.ratio = teeth, ratio


class ToyBox(Component, nn.Module):
    def __init__(self, first: ToyGear, second: ToyGear, names: tuple[str, ...] = ("a",), **others: ToyGear):
        super().__init__()
        self.first, self.second, self.names, self.others = first, second, names, nn.ModuleDict(others)


class ToyPlain(Component, nn.Module):
    pass


class ToyForgetful(Component):
    def __init__(self, kept: int, lost: int):
        self.kept = kept


def test_a_part_is_rebuilt_from_its_config():
    box = ToyBox(ToyGear(8), ToyGear(9, 0.25), ("x", "y"), third=ToyGear(3))
    again = from_config(to_config(box))
    assert to_config(again) == to_config(box) and again.others["third"].teeth == 3


def test_a_shared_part_stays_one_part():
    gear = ToyGear(8)
    again = from_config(to_config(ToyBox(gear, gear)))
    assert again.first is again.second


def test_an_argument_that_is_not_stored_is_refused_by_name():
    with pytest.raises(ConfigError, match="lost"):
        to_config(ToyForgetful(1, 2))


@pytest.mark.parametrize(
    "config",
    [{"part": "Nothing"}, {"part": "ToyGear", "cogs": 3}, {"part": "ToyGear", "teeth": {"ref": "away"}}],
)
def test_an_unknown_part_or_argument_is_refused(config):
    with pytest.raises(ConfigError):
        from_config(config)


def test_no_code_is_loaded_from_a_config():
    with pytest.raises(ConfigError, match=r"os\.system"):
        from_config({"part": "os.system", "command": "true"})


def test_a_part_without_a_constructor_has_no_arguments():
    assert from_config(to_config(ToyPlain())).arguments == {}


def test_set_path_requires_a_unique_match():
    config = to_config(ToyBox(ToyGear(8), ToyGear(9)))
    set_path(config, "second.teeth", 10)
    assert from_config(config).second.teeth == 10
    with pytest.raises(ConfigError, match=r"first\.teeth.*second\.teeth"):
        set_path(config, "teeth", 11)
    with pytest.raises(ConfigError, match="names nothing"):
        set_path(config, "third.teeth", 11)


def test_two_parts_with_the_same_name_are_refused():
    with pytest.raises(ConfigError, match="two parts are named ToyGear"):
        type("ToyGear", (Component,), {"__module__": "elsewhere"})
