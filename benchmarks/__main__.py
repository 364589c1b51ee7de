"""`python -m benchmarks [NAME | all]`: see the package."""

import subprocess
import sys
import time
import warnings
from collections.abc import Sequence

from benchmarks.apart import Apart
from benchmarks.goals import GOALS
from benchmarks.names import UnknownName, parse
from benchmarks.pairs import ENOUGH, foreign_seconds, pairs

SECONDS = 115.0  # of one bench, imports and figures and all; no repetition begins that would not end by then


def main(words: Sequence[str]) -> int:
    """0: every figure has its pairs; 1: not; 2: no such bench."""
    if not words:
        print(
            "\n".join(f"{name:32} {'; '.join(f'{peer} {goal}'.strip() for peer, goal in goals.items())}" for name, goals in GOALS.items())
        )
        return 0
    if list(words) == ["all"]:
        return _all()
    try:
        parse(words)
    except UnknownName as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return _run(words, time.monotonic() + SECONDS)


def _run(words: Sequence[str], deadline: float) -> int:
    """One bench, its figures sharing the time."""
    warnings.filterwarnings("ignore")
    with Apart(words) as peers:
        from benchmarks.benches import open_bench
        from benchmarks.figure import figure

        duels, fewest = open_bench(parse(words)), ENOUGH
        for duel in duels:
            duel.first()
        peers.ready()
        for i, duel in enumerate(duels):
            now = time.monotonic()
            until = now + (deadline - now) / (len(duels) - i)
            clean = pairs(duel.ours, peers.peer(i), until, lambda: foreign_seconds() - peers.seconds())
            print(figure(" ".join([*words, *duel.label]), duel, clean, peers.memory_mib()).line(), flush=True)
            fewest = min(fewest, len(clean))
    if fewest < ENOUGH:
        print(f"benchmarks: {fewest} clean pairs, {ENOUGH} are needed: other processes used the cores, or time ran out", file=sys.stderr)
    return 0 if fewest >= ENOUGH else 1


def _all() -> int:
    """Every bench in a process of its own, so that none inherits another's memory or threads; stored as they come."""
    from benchmarks.record import store

    worst = 0
    for name in GOALS:
        done = subprocess.run([sys.executable, "-m", "benchmarks", *name.split()], stdout=subprocess.PIPE, text=True)
        print(done.stdout, end="", flush=True)
        store(done.stdout.splitlines())
        worst = max(worst, done.returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
