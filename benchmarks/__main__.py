"""The command `python -m benchmarks [NAME | all]`; see the package."""

import subprocess
import sys
import time
import warnings
from collections.abc import Sequence

from benchmarks.goals import GOALS
from benchmarks.names import UnknownName, parse
from benchmarks.pairs import ENOUGH, foreign_seconds, pairs
from benchmarks.peer_process import PeerProcess

SECONDS = 115.0  # time limit of one benchmark with its imports; no repetition starts that would exceed it


def main(words: Sequence[str]) -> int:
    """Run a benchmark; returns 0 if every figure has enough pairs, 1 if not, 2 for an unknown name."""
    if not words:
        for name, goals in GOALS.items():
            print(f"{name:32} {'; '.join(f'{peer} {goal}'.strip() for peer, goal in goals.items())}")
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
    """Run one benchmark; its figures share the time that is left."""
    warnings.filterwarnings("ignore")
    with PeerProcess(words) as peers:
        from benchmarks.benches import open_bench
        from benchmarks.figure import figure

        comparisons, fewest = open_bench(parse(words)), ENOUGH
        for comparison in comparisons:
            comparison.setup()
        peers.ready()
        for i, comparison in enumerate(comparisons):
            now = time.monotonic()
            until = now + (deadline - now) / (len(comparisons) - i)
            clean = pairs(comparison.ours, peers.peer(i), until, lambda: foreign_seconds() - peers.seconds())
            name = " ".join([*words, *comparison.label])
            print(figure(name, comparison, clean, peers.memory_mib()).line(), flush=True)
            fewest = min(fewest, len(clean))
    if fewest < ENOUGH:
        print(
            f"benchmarks: {fewest} clean pairs, {ENOUGH} are required: other processes used the cores "
            "or time ran out; run again on an idle machine",
            file=sys.stderr,
        )
    return 0 if fewest >= ENOUGH else 1


def _all() -> int:
    """Run every benchmark in its own process, so that memory and threads are not shared, and store each."""
    from benchmarks.record import store

    worst = 0
    for name in GOALS:
        command = [sys.executable, "-m", "benchmarks", *name.split()]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        print(done.stdout, end="", flush=True)
        store(done.stdout.splitlines())
        worst = max(worst, done.returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
