r"""Python values of a pandas column as JSON, so that a saved column gives them back.

    text, True, 3, 2.5       as they are
    others                   {"kind": ...}: dates, times, durations, periods, intervals, Decimals, bytes

A value of another type is not given back: samples have its text, and the data have a note.
"""

__all__ = ["from_json", "plain", "text_of", "to_json"]

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """A scalar of NumPy as one of Python: 0.1 of float32 is 0.1."""
    if isinstance(value, np.floating) and value.itemsize < 8:
        return float(str(value))
    return value.item() if isinstance(value, np.bool_ | np.number | np.str_) else value


def text_of(value: Any) -> str:
    """A value as text without white space around it."""
    return str(plain(value)).strip()


def to_json(value: Any) -> Any:
    """A value as JSON; None if it has none."""
    import pandas as pd

    value = plain(value)
    if type(value) in (str, bool, int, float):
        return value
    if isinstance(value, pd.Interval):
        ends = to_json(value.left), to_json(value.right)
        return None if None in ends else {"kind": "interval", "ends": list(ends), "closed": value.closed}
    if isinstance(value, pd.Period):
        return {"kind": "period", "text": str(value), "freq": value.freqstr}
    kind, written = next(
        ((kind, write(value)) for kind, (type_, write) in WRITERS.items() if isinstance(value, type_)),
        (None, ""),
    )
    return kind and {"kind": kind, "text": written}


def from_json(written: Any) -> Any:
    """The value that `to_json` wrote."""
    import pandas as pd

    if not isinstance(written, Mapping):
        return written
    if written["kind"] == "interval":
        return pd.Interval(*map(from_json, written["ends"]), closed=written["closed"])
    if written["kind"] == "period":
        return pd.Period(written["text"], freq=written["freq"])
    if written["kind"] in ("timestamp", "timedelta"):
        return getattr(pd, written["kind"].capitalize())(written["text"])
    return READERS[written["kind"]](written["text"])


def _iso(value: Any) -> str:
    return str(value.isoformat())


WRITERS: dict[str, tuple[type, Callable[[Any], str]]] = {  # a datetime is a date, too
    "timestamp": (datetime, _iso),
    "date": (date, _iso),
    "time": (time, _iso),
    "timedelta": (timedelta, lambda value: str(value)),
    "decimal": (Decimal, str),
    "bytes": (bytes, bytes.hex),
}
READERS: dict[str, Callable[[str], Any]] = {
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "decimal": Decimal,
    "bytes": bytes.fromhex,
}
