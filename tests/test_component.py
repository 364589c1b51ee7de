"""The constructor signature is the config: what is described is built again, shared parts stay shared."""

import pytest
from torch import nn

from morphogen.component import Component, ConfigError, build, describe, set_path


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


def test_what_is_described_is_built_again():
    box = ToyBox(ToyGear(8), ToyGear(9, 0.25), ("x", "y"), third=ToyGear(3))
    again = build(describe(box))
    assert describe(again) == describe(box) and again.others["third"].teeth == 3


def test_a_shared_part_stays_one_part():
    gear = ToyGear(8)
    again = build(describe(ToyBox(gear, gear)))
    assert again.first is again.second


def test_an_argument_that_is_not_kept_is_refused_by_name():
    with pytest.raises(ConfigError, match="lost"):
        describe(ToyForgetful(1, 2))


@pytest.mark.parametrize("config", [{"part": "Nothing"}, {"part": "ToyGear", "cogs": 3}, {"part": "ToyGear", "teeth": {"ref": "away"}}])
def test_an_unknown_part_or_argument_is_refused(config):
    with pytest.raises(ConfigError):
        build(config)


def test_no_code_comes_from_a_file():
    with pytest.raises(ConfigError, match=r"os\.system"):
        build({"part": "os.system", "command": "true"})


def test_a_part_without_a_constructor_takes_nothing():
    assert build(describe(ToyPlain())).arguments == {}


def test_set_path_finds_the_one_place_and_refuses_two():
    config = describe(ToyBox(ToyGear(8), ToyGear(9)))
    set_path(config, "second.teeth", 10)
    assert build(config).second.teeth == 10
    with pytest.raises(ConfigError, match=r"first\.teeth.*second\.teeth"):
        set_path(config, "teeth", 11)
    with pytest.raises(ConfigError, match="names nothing"):
        set_path(config, "third.teeth", 11)


def test_two_parts_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="two parts are named ToyGear"):
        type("ToyGear", (Component,), {"__module__": "elsewhere"})
