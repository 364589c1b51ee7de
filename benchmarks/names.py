"""Benchmark names: `BENCH [PRECISION] [compiled] [bN] vs-default|vs-best`, one argument per word.

>>> parse(["gpt-train", "bf16", "vs-best"])
Name(bench='gpt-train', precision='bf16', rows=None, best=True, compiled=False)
>>> parse(["pixelcnn-sample", "b16", "vs-default"]).rows
16
"""

__all__ = ["Name", "UnknownName", "parse"]

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from benchmarks.goals import GOALS


class UnknownName(ValueError):
    """An unknown benchmark; the message is one line that suggests the closest name."""


@dataclass(frozen=True)
class Name:
    """A parsed name.

    Arguments:
        bench: the benchmark.
        precision: precision of our side, where the hardware has it natively; "auto": our default.
        rows: batch size; None: the benchmark's own.
        best: whether the peer uses all that its user can enable.
        compiled: whether our decoding or sampling steps are compiled.
    """

    bench: str
    precision: Literal["auto", "fp32", "bf16", "int8", "int4"]
    rows: int | None
    best: bool
    compiled: bool = False


def parse(words: Sequence[str]) -> Name:
    """Parse a name. Errors: UnknownName."""
    name = " ".join(words)
    if name not in GOALS:
        nearest = get_close_matches(name, GOALS, 1, 0.0)[0]
        raise UnknownName(
            f"no benchmark is named {name!r}; did you mean {nearest!r}? (python -m benchmarks lists all)"
        )
    bench, *options, against = name.split()
    rows = next((int(word[1:]) for word in options if re.fullmatch(r"b\d+", word)), None)
    precision = next((word for word in options if word in ("fp32", "bf16", "int8", "int4")), "auto")
    return Name(bench, precision, rows, against == "vs-best", "compiled" in options)  # type: ignore[arg-type]
