"""What is compared, and the line that says how it came out."""

__all__ = ["Duel", "Figure", "figure"]

import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.pairs import Pair


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Duel:
    """Ours and a peer's way to do the same work.

    Arguments:
        ours, peer: one repetition each, of about a second.
        work: how many units a repetition of each does; None: a repetition is the unit, told in seconds.
        unit: of the work.
        config: what ran, for the record.
        label: tells it from the bench's other figures.
        first: once before all else, where ours is measured: a compilation, the proof that both sides do the same.
    """

    ours: Callable[[], object]
    peer: Callable[[], object]
    work: tuple[float, float] | None
    unit: str
    config: Mapping[str, Any]
    label: tuple[str, ...] = ()
    first: Callable[[], object] = _nothing


@dataclass(frozen=True)
class Figure:
    """The outcome: medians of both, the median over the pairs of how many times faster we are, and the most memory that each side held."""

    name: str
    ours: float
    peer: float
    ratio: float
    unit: str
    config: Mapping[str, Any]
    pairs: int
    memory_mib: Mapping[str, float]

    def line(self) -> str:
        """One line of JSON; a figure that nothing clean stands behind is null."""
        return json.dumps({key: None if isinstance(value, float) and math.isnan(value) else value for key, value in asdict(self).items()})


def figure(name: str, duel: Duel, clean: Sequence[Pair], memory: Mapping[str, float]) -> Figure:
    """Of the clean pairs of a duel, and the memory (MiB) of the two sides."""
    memory = {side: _shortened(peak) for side, peak in memory.items()}
    if not clean:
        return Figure(name, math.nan, math.nan, math.nan, duel.unit, duel.config, 0, memory)
    ours, peer = statistics.median(pair.ours for pair in clean), statistics.median(pair.peer for pair in clean)
    ratio = statistics.median(pair.ratio for pair in clean)
    if duel.work is not None:
        done, done_by_peer = duel.work
        ours, peer, ratio = done / ours, done_by_peer / peer, ratio * done / done_by_peer
    return Figure(name, _shortened(ours), _shortened(peer), _shortened(ratio), duel.unit, duel.config, len(clean), memory)


def _shortened(value: float) -> float:
    return float(f"{value:.4g}")
