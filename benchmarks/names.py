"""A name says what is measured: `BENCH [PRECISION] [compiled] [bN] vs-default|vs-best`, its words given apart.

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
    """No bench is called so; one line with the nearest name."""


@dataclass(frozen=True)
class Name:
    """A name, taken apart.

    Arguments:
        bench: what is measured.
        precision: that ours is to multiply in where the hardware does so natively; "auto": its own choice.
        rows: of one batch; None: the bench's own number.
        best: whether the peer has all that its user may switch on.
        compiled: whether our steps are.
    """

    bench: str
    precision: Literal["auto", "fp32", "bf16", "int8"]
    rows: int | None
    best: bool
    compiled: bool = False


def parse(words: Sequence[str]) -> Name:
    """The name in its parts. Errors: UnknownName."""
    asked = " ".join(words)
    if asked not in GOALS:
        near = get_close_matches(asked, GOALS, 1, 0.0)[0]
        raise UnknownName(f"no benchmark is called {asked!r}; the nearest is {near!r}, and without a name all are listed")
    bench, *options, against = asked.split()
    rows = next((int(word[1:]) for word in options if re.fullmatch(r"b\d+", word)), None)
    precision = next((word for word in options if word in ("fp32", "bf16", "int8")), "auto")
    return Name(bench, precision, rows, against == "vs-best", "compiled" in options)  # type: ignore[arg-type]
