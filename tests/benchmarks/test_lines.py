"""The benchmark command: names, JSON lines, exit codes, records."""

import json
import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import benches, record
from benchmarks.figure import Comparison, figure
from benchmarks.goals import FIGURES, GOALS, Goal
from benchmarks.names import UnknownName, parse
from benchmarks.pairs import Pair

KEYS = ["name", "ours", "peer", "ratio", "unit", "config", "pairs", "memory_mib"]
MEMORY = {"ours": 100.0, "peer": 200.0}
IDLE = Comparison(lambda: None, lambda: None, (3, 6), "things/s", {"of": "nothing"})
CLEAN = [Pair(0.5, 1.0)] * 6 + [Pair(0.5, 100.0)]


class IdlePeers(nullcontext["IdlePeers"]):
    """Peers in this process that do nothing."""

    def __enter__(self) -> "IdlePeers":
        return self

    def ready(self) -> None:
        pass

    def peer(self, index: int) -> Callable[[], object]:
        return IDLE.peer

    def seconds(self) -> float:
        return 0.0

    def memory_mib(self) -> dict[str, float]:
        return MEMORY


def test_a_line_has_all_keys_and_a_ratio_above_one_means_faster() -> None:
    found = json.loads(figure("a vs-best", IDLE, CLEAN, MEMORY).line())
    assert (
        list(found) == KEYS
        and found["pairs"] == 7
        and found["config"] == {"of": "nothing"}
        and found["memory_mib"] == MEMORY
    )
    assert (found["ours"], found["peer"], found["ratio"]) == (6.0, 6.0, 1.0)  # half the work in half the time


def test_a_ratio_of_seconds_above_one_also_means_faster() -> None:
    found = figure("a vs-best", replace(IDLE, work=None, unit="s"), CLEAN, MEMORY)
    assert (found.ours, found.peer, found.ratio) == (0.5, 1.0, 2.0)


def test_figures_without_a_clean_pair_are_null() -> None:
    found = json.loads(figure("a vs-best", IDLE, [], MEMORY).line())
    assert found["ours"] is found["ratio"] is None and found["pairs"] == 0


@pytest.mark.parametrize("name", GOALS)
def test_every_name_parses_and_has_a_module(name: str) -> None:
    parsed = parse(name.split())
    assert parsed.bench in benches._MODULES and parsed.best == name.endswith("vs-best")
    assert (parsed.rows is not None) == (" b1" in name) and (parsed.precision == "bf16") == ("bf16" in name)


@pytest.mark.parametrize(
    "words",
    [["vae"], ["vae-train"], ["vae-train", "vs-worst"], ["startup", "b4", "vs-default"], ["all", "vs-best"]],
)
def test_an_unknown_name_is_a_one_line_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UnknownName):
        parse(words)
    assert command.main(words) == 2
    output = capsys.readouterr()
    assert not output.out and output.err.count("\n") == 1 and repr(" ".join(words)) in output.err


def test_without_a_name_all_names_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([]) == 0
    assert all(name in capsys.readouterr().out for name in list(GOALS)[:1]) and len(GOALS) > 10


@pytest.mark.parametrize(("foreign", "code", "count"), [(0.0, 0, 7), (1.0, 1, 0)])
def test_too_few_clean_pairs_are_a_failure_with_a_message(
    foreign: float, code: int, count: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    used = iter(foreign * reading for reading in range(10_000))
    monkeypatch.setattr(command, "foreign_seconds", lambda: next(used))
    monkeypatch.setattr(command, "PeerProcess", lambda words: IdlePeers())
    monkeypatch.setattr(benches, "open_bench", lambda name: [IDLE])
    monkeypatch.setattr(command, "SECONDS", 0.2)
    assert command.main(["vae-train", "vs-default"]) == code
    output = capsys.readouterr()
    line = json.loads(output.out)
    assert line["pairs"] == count and line["name"] == "vae-train vs-default"
    assert output.err.count("\n") == (code == 1)


def test_every_figure_has_a_goal() -> None:
    labels = [comparison.label for comparison in benches.open_bench(parse(["startup", "vs-default"]))]
    assert all(" ".join(["startup", "vs-default", *label]) in FIGURES for label in labels)


@pytest.mark.parametrize(
    ("goal", "ours", "ratio", "met"),
    [(Goal(1.5), 9, 1.5, True), (Goal(1.5), 9, 1.49, False), (Goal(seconds=0.2), 0.3, 9, False)],
)
def test_goals_bound_the_ratio_or_the_seconds(goal: Goal, ours: float, ratio: float, met: bool) -> None:
    assert goal.met(ours, ratio) == met and Goal().met(ours, ratio)


def test_a_goal_can_bound_the_memory() -> None:
    goal = Goal(1.5, memory=1)
    assert (
        goal.met(9, 1.5, memory=1.0)
        and not goal.met(9, 1.5, memory=1.01)
        and not goal.met(9, 1.4, memory=0.5)
    )
    assert (str(goal), str(Goal(seconds=0.2)), str(Goal())) == (
        "1.5 times and 1 of the memory",
        "0.2 s",
        "no goal",
    )


def test_a_goal_can_bound_the_rate() -> None:
    goal = Goal(500, rate=24_000)
    assert goal.met(24_000, 500) and not goal.met(23_999, 900) and not goal.met(30_000, 499)
    assert str(goal) == "500 times and 24000 per second"


def test_a_repeated_figure_replaces_the_older_one(tmp_path: Path) -> None:
    slow = figure("vae-train vs-default", IDLE, [Pair(1.0, 1.0)], MEMORY)
    other = figure("startup vs-default help", IDLE, [], MEMORY)
    record.store([slow.line(), other.line()], tmp_path / "results")
    path = record.store(
        [figure("vae-train vs-default", IDLE, [Pair(1.0, 9.0)], MEMORY).line()], tmp_path / "results"
    )
    kept = json.loads(path.read_text())
    assert {f["name"]: f["met"] for f in kept["figures"]} == {
        "startup vs-default help": False,
        "vae-train vs-default": True,
    }
    assert (
        kept["hardware"]["machine"]
        and kept["versions"]["torch"]
        and not math.isnan(kept["figures"][1]["ratio"])
    )
