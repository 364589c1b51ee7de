"""A comparison of our implementation with a peer's, and its result as one line of JSON."""

__all__ = ["Comparison", "Figure", "figure"]

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
class Comparison:
    """Our implementation and a peer's of the same work.

    Arguments:
        ours, peer: run one repetition each, of about a second.
        work: units of work per repetition of each side; None: one repetition is the unit, and the figure is
            its seconds.
        unit: unit of the figure.
        config: what was run, for the record.
        label: distinguishes the figure from others of the benchmark.
        setup: called once in our process before the timing: compilation, or a check that both sides compute
            the same.
    """

    ours: Callable[[], object]
    peer: Callable[[], object]
    work: tuple[float, float] | None
    unit: str
    config: Mapping[str, Any]
    label: tuple[str, ...] = ()
    setup: Callable[[], object] = _nothing


@dataclass(frozen=True)
class Figure:
    """Result of a comparison: the medians of both sides, the median speed-up and the peak memory of each."""

    name: str
    ours: float
    peer: float
    ratio: float
    unit: str
    config: Mapping[str, Any]
    pairs: int
    memory_mib: Mapping[str, float]

    def line(self) -> str:
        """One line of JSON; figures without a clean pair are null."""
        return json.dumps({key: _null_if_nan(value) for key, value in asdict(self).items()})


def figure(
    name: str, comparison: Comparison, clean: Sequence[Pair], memory_mib: Mapping[str, float]
) -> Figure:
    """Result of the clean pairs of a comparison and the peak memory (MiB) of both sides."""
    memory_mib = {side: _rounded(peak) for side, peak in memory_mib.items()}
    unit, config = comparison.unit, comparison.config
    if not clean:
        return Figure(name, math.nan, math.nan, math.nan, unit, config, 0, memory_mib)
    ours = statistics.median(pair.ours for pair in clean)
    peer = statistics.median(pair.peer for pair in clean)
    ratio = statistics.median(pair.ratio for pair in clean)
    if comparison.work is not None:
        our_work, peer_work = comparison.work
        ours, peer, ratio = our_work / ours, peer_work / peer, ratio * our_work / peer_work
    return Figure(name, _rounded(ours), _rounded(peer), _rounded(ratio), unit, config, len(clean), memory_mib)


def _rounded(value: float) -> float:
    """Four significant digits."""
    return float(f"{value:.4g}")


def _null_if_nan(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
