"""The command: names, lines of JSON, exit codes, records."""

import json
import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import benches, record
from benchmarks.figure import Duel, figure
from benchmarks.goals import FIGURES, GOALS, Goal
from benchmarks.names import UnknownName, parse
from benchmarks.pairs import Pair

KEYS = ["name", "ours", "peer", "ratio", "unit", "config", "pairs", "memory_mib"]
HELD = {"ours": 100.0, "peer": 200.0}
IDLE = Duel(lambda: None, lambda: None, (3, 6), "things/s", {"of": "nothing"})
CLEAN = [Pair(0.5, 1.0)] * 6 + [Pair(0.5, 100.0)]


class Beside(nullcontext["Beside"]):
    """Idle peers in this process."""

    def __enter__(self) -> "Beside":
        return self

    def ready(self) -> None:
        pass

    def peer(self, duel: int) -> Callable[[], object]:
        return IDLE.peer

    def seconds(self) -> float:
        return 0.0

    def memory_mib(self) -> dict[str, float]:
        return HELD


def test_a_line_has_its_keys_and_above_one_is_faster() -> None:
    found = json.loads(figure("a vs-best", IDLE, CLEAN, HELD).line())
    assert list(found) == KEYS and found["pairs"] == 7 and found["config"] == {"of": "nothing"} and found["memory_mib"] == HELD
    assert (found["ours"], found["peer"], found["ratio"]) == (6.0, 6.0, 1.0)  # half the work in half the time


def test_seconds_are_told_as_seconds_and_above_one_is_faster_too() -> None:
    found = figure("a vs-best", replace(IDLE, work=None, unit="s"), CLEAN, HELD)
    assert (found.ours, found.peer, found.ratio) == (0.5, 1.0, 2.0)


def test_without_a_clean_pair_there_is_no_figure() -> None:
    found = json.loads(figure("a vs-best", IDLE, [], HELD).line())
    assert found["ours"] is found["ratio"] is None and found["pairs"] == 0


@pytest.mark.parametrize("name", GOALS)
def test_every_name_is_understood_and_has_a_home(name: str) -> None:
    found = parse(name.split())
    assert found.bench in benches._HOME and found.best == name.endswith("vs-best")
    assert (found.rows is not None) == (" b1" in name) and (found.precision == "bf16") == ("bf16" in name)


@pytest.mark.parametrize("words", [["vae"], ["vae-train"], ["vae-train", "vs-worst"], ["startup", "b4", "vs-default"], ["all", "vs-best"]])
def test_an_unknown_name_is_answered_in_a_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UnknownName):
        parse(words)
    assert command.main(words) == 2
    said = capsys.readouterr()
    assert not said.out and said.err.count("\n") == 1 and repr(" ".join(words)) in said.err


def test_without_a_name_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([]) == 0
    assert all(name in capsys.readouterr().out for name in list(GOALS)[:1]) and len(GOALS) > 10


@pytest.mark.parametrize(("foreign", "code", "count"), [(0.0, 0, 7), (1.0, 1, 0)])
def test_too_few_clean_pairs_are_said_and_are_a_failure(
    foreign: float, code: int, count: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    used = iter(foreign * reading for reading in range(10_000))
    monkeypatch.setattr(command, "foreign_seconds", lambda: next(used))
    monkeypatch.setattr(command, "Apart", lambda words: Beside())
    monkeypatch.setattr(benches, "open_bench", lambda name: [IDLE])
    monkeypatch.setattr(command, "SECONDS", 0.2)
    assert command.main(["vae-train", "vs-default"]) == code
    said = capsys.readouterr()
    assert json.loads(said.out)["pairs"] == count and json.loads(said.out)["name"] == "vae-train vs-default"
    assert said.err.count("\n") == (code == 1)


def test_every_figure_of_a_bench_has_its_goal() -> None:
    labels = [duel.label for duel in benches.open_bench(parse(["startup", "vs-default"]))]
    assert all(" ".join(["startup", "vs-default", *label]) in FIGURES for label in labels)


@pytest.mark.parametrize(
    ("goal", "ours", "ratio", "met"), [(Goal(1.5), 9, 1.5, True), (Goal(1.5), 9, 1.49, False), (Goal(seconds=0.2), 0.3, 9, False)]
)
def test_a_goal_is_met_or_not(goal: Goal, ours: float, ratio: float, met: bool) -> None:
    assert goal.met(ours, ratio) == met and Goal().met(ours, ratio)


def test_a_goal_may_be_of_memory_too() -> None:
    goal = Goal(1.5, memory=1)
    assert goal.met(9, 1.5, memory=1.0) and not goal.met(9, 1.5, memory=1.01) and not goal.met(9, 1.4, memory=0.5)
    assert (str(goal), str(Goal(seconds=0.2)), str(Goal())) == ("1.5 times and 1 of the memory", "0.2 s", "no goal")


def test_a_figure_measured_again_takes_the_place_of_the_older(tmp_path: Path) -> None:
    slow = figure("vae-train vs-default", IDLE, [Pair(1.0, 1.0)], HELD)
    other = figure("startup vs-default help", IDLE, [], HELD)
    record.store([slow.line(), other.line()], tmp_path / "results")
    path = record.store([figure("vae-train vs-default", IDLE, [Pair(1.0, 9.0)], HELD).line()], tmp_path / "results")
    kept = json.loads(path.read_text())
    assert {f["name"]: f["met"] for f in kept["figures"]} == {"startup vs-default help": False, "vae-train vs-default": True}
    assert kept["hardware"]["machine"] and kept["versions"]["torch"] and not math.isnan(kept["figures"][1]["ratio"])
