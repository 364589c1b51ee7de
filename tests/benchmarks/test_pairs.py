"""Only pairs undisturbed by other processes count, and no repetition starts that would end too late."""

import itertools
import math
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import pairs as harness


def nothing() -> None:
    pass


def foreign_readings(*busy: int) -> "itertools.count[float]":
    """Readings before and after each repetition: others use one second during those numbered."""
    used = 0.0
    for reading in itertools.count():
        used += float(reading % 2 == 1 and reading // 2 in busy)
        yield used


def check_a_disturbed_pair_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "PAUSE", 0.0)
    calls: list[str] = []
    used = foreign_readings(0, 5)  # ours in the first pair, the second repetition of the third
    clean = harness.pairs(
        lambda: calls.append("ours"), lambda: calls.append("peer"), math.inf, lambda: next(used)
    )
    assert len(clean) == harness.ENOUGH
    assert len(calls) == 2 * (1 + harness.ENOUGH + 2)


def test_a_disturbed_pair_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    check_a_disturbed_pair_is_dropped(monkeypatch)


def test_the_mutant_that_accepts_disturbed_pairs_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "MOST_FOREIGN", math.inf)
    with pytest.raises(AssertionError):
        check_a_disturbed_pair_is_dropped(monkeypatch)


def check_that_it_ends_in_time() -> None:
    start = time.monotonic()
    clean = harness.pairs(lambda: time.sleep(0.05), lambda: time.sleep(0.05), start + 0.35, lambda: 0.0)
    assert time.monotonic() - start <= 0.35 and 1 <= len(clean) < harness.ENOUGH


def test_it_ends_in_time() -> None:
    check_that_it_ends_in_time()


def test_the_mutant_that_ignores_the_deadline_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "_warm_up", lambda work: -1.0)
    monkeypatch.setattr(harness, "max", lambda *values: -1.0, raising=False)
    with pytest.raises(AssertionError):
        check_that_it_ends_in_time()


def test_pairs_alternate_which_side_runs_first() -> None:
    calls: list[str] = []
    harness.pairs(lambda: calls.append("o"), lambda: calls.append("p"), math.inf, lambda: 0.0)
    assert "".join(calls).startswith("opoppoop")


def test_each_side_is_timed_separately() -> None:
    clean = harness.pairs(lambda: time.sleep(0.002), lambda: time.sleep(0.02), math.inf, lambda: 0.0)
    assert all(pair.ours < pair.peer and pair.ratio > 2 for pair in clean)


def test_only_other_processes_are_foreign() -> None:
    def busy_seconds() -> float:
        return (
            sum(int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:4]) * harness.TICK
        )

    def burn(seconds: float) -> float:
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass
        return seconds

    foreign, busy = harness.foreign_seconds(), busy_seconds()
    burn(0.4)
    assert busy_seconds() - busy - (harness.foreign_seconds() - foreign) > 0.3

    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        _, fraction = harness._measure(lambda: time.sleep(0.6), harness.foreign_seconds)
    finally:
        other.kill()
        other.wait()
    assert fraction > harness.MOST_FOREIGN
