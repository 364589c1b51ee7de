"""Interleaved pairs of repetitions (ours, peer, peer, ours, ...) that other processes did not disturb.

    foreign = (busy seconds of all cores - CPU seconds of both sides and their children) / wall seconds

A pair is dropped if other processes used more than 0.08 of a core during one of its repetitions. Time taken
by the hypervisor (steal) counts as foreign. The kernel counts busy time in ticks, so a repetition should take
at least half a second for this fraction to be measurable.
"""

__all__ = ["ENOUGH", "Pair", "foreign_seconds", "pairs"]

import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ENOUGH = 7  # pairs
MOST_FOREIGN = 0.08  # of one core
PAUSE = 0.5  # seconds to wait after a disturbed pair
TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Pair:
    """Wall seconds of one repetition of each side, measured one right after the other."""

    ours: float
    peer: float

    @property
    def ratio(self) -> float:
        """Speed-up over the peer."""
        return self.peer / self.ours


def pairs(
    ours: Callable[[], object],
    peer: Callable[[], object],
    deadline: float,
    foreign: Callable[[], float] | None = None,
) -> list[Pair]:
    """Measure `ENOUGH` clean pairs, or as many as possible by `deadline`, after one warm-up of each side.

    Arguments:
        ours, peer: run one repetition each.
        deadline: a time of `time.monotonic`; no pair starts that would end later.
        foreign: returns the CPU seconds used by other processes until now; None: `foreign_seconds`.
    """
    foreign = foreign if foreign is not None else foreign_seconds
    longest = _warm_up(ours) + _warm_up(peer)
    clean: list[Pair] = []
    ours_first = True
    while len(clean) < ENOUGH and time.monotonic() + longest < deadline:
        start = time.monotonic()
        order = (ours, peer) if ours_first else (peer, ours)
        measured = [_measure(work, foreign) for work in order]
        if all(fraction <= MOST_FOREIGN for _, fraction in measured):
            first, second = (seconds for seconds, _ in measured)
            clean.append(Pair(first, second) if ours_first else Pair(second, first))
            ours_first = not ours_first
        else:
            time.sleep(min(PAUSE, max(0.0, deadline - time.monotonic())))
        longest = max(longest, time.monotonic() - start)
    return clean


def foreign_seconds() -> float:
    """CPU seconds used by all processes but this one and its children since the machine started."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    user, nice, system, _, _, irq, soft, steal = (int(n) for n in fields)
    own = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    own_seconds = sum(used.ru_utime + used.ru_stime for used in own)
    return (user + nice + system + irq + soft + steal) * TICK - own_seconds


def _warm_up(work: Callable[[], object]) -> float:
    start = time.monotonic()
    work()
    return time.monotonic() - start


def _measure(work: Callable[[], object], foreign: Callable[[], float]) -> tuple[float, float]:
    """Wall seconds, and the cores that other processes used meanwhile.

    Three ticks are subtracted, since the two processes are counted separately and rounded to ticks.
    """
    foreign_before, start = foreign(), time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    return seconds, max(0.0, foreign() - foreign_before - 3 * TICK) / seconds
