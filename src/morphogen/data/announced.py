"""Progress of reading many files: a line on the terminal every few seconds, nothing in a pipe."""

__all__ = ["announced"]

import sys
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

SECONDS = 5.0  # between two lines, and before the first

T = TypeVar("T")


def announced(items: Sequence[T], what: str) -> Iterator[T]:
    """The items; while they are used, lines such as "1,200 of 7,873 recordings read" on standard error.

    A reading of less than `SECONDS` prints nothing, nor does one whose standard error is not a terminal.
    """
    last = time.monotonic()
    for i, item in enumerate(items):
        if time.monotonic() - last >= SECONDS and sys.stderr.isatty():
            sys.stderr.write(f"{i:,} of {len(items):,} {what}\n")
            last = time.monotonic()
        yield item
