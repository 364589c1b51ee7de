"""Interleaved pairs: ours, the peer, the peer, ours, ... each repetition watched for what other processes did to the cores meanwhile.

    foreign = (busy seconds of all cores - CPU seconds of this process, its children and the peer) / wall seconds

A repetition with more than 0.08 of a core foreign says little of the code and much of the neighbours: its pair is dropped. Time that
the hypervisor gave to others (steal) counts as theirs. The kernel counts busy time in ticks, so that half a second is the least
that such a share can be read off.
"""

__all__ = ["ENOUGH", "Pair", "foreign_seconds", "pairs"]

import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ENOUGH = 7
MOST_FOREIGN = 0.08  # of one core
PAUSE = 0.5  # seconds, after a repetition that others disturbed
TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Pair:
    """Wall seconds of one repetition of each, side by side in time."""

    ours: float
    peer: float

    @property
    def ratio(self) -> float:
        """How many times faster we were."""
        return self.peer / self.ours


def pairs(
    ours: Callable[[], object], peer: Callable[[], object], deadline: float, foreign: Callable[[], float] | None = None
) -> list[Pair]:
    """`ENOUGH` clean pairs, or as many as come by `deadline` (of `time.monotonic`); each side runs once before, unmeasured.

    Arguments:
        foreign: CPU seconds of all processes but the two so far; None: but this one.
    """
    foreign = foreign if foreign is not None else foreign_seconds
    longest = _warm(ours) + _warm(peer)
    clean: list[Pair] = []
    ours_first = True
    while len(clean) < ENOUGH and time.monotonic() + longest < deadline:
        begun = time.monotonic()
        order = (ours, peer) if ours_first else (peer, ours)
        found = [_measured(work, foreign) for work in order]
        if all(share <= MOST_FOREIGN for _, share in found):
            first, second = (seconds for seconds, _ in found)
            clean.append(Pair(first, second) if ours_first else Pair(second, first))
            ours_first = not ours_first
        else:
            time.sleep(min(PAUSE, max(0.0, deadline - time.monotonic())))
        longest = max(longest, time.monotonic() - begun)
    return clean


def foreign_seconds() -> float:
    """CPU seconds that all processes but this one and its children have used since the machine started."""
    user, nice, system, _, _, irq, soft, steal = (int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9])
    mine = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return (user + nice + system + irq + soft + steal) * TICK - sum(used.ru_utime + used.ru_stime for used in mine)


def _warm(work: Callable[[], object]) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def _measured(work: Callable[[], object], foreign: Callable[[], float]) -> tuple[float, float]:
    """Wall seconds, and the cores that others used meanwhile (three ticks may be rounding: the two processes are counted apart)."""
    before, begun = foreign(), time.perf_counter()
    work()
    seconds = time.perf_counter() - begun
    return seconds, max(0.0, foreign() - before - 3 * TICK) / seconds
