"""How an option is written where the caller is: in Python, or on the command line.

    option("resolution", 32)               resolution=32                     --resolution 32
    setting("table", "decimal", ",")       table={"decimal": ","}            --table decimal=,
    setting("changes", "plan.batch", 16)   changes={"plan.batch": 16}        --set plan.batch=16

So a remedy in an error or a note can be typed as it is. The command line says once, around every command,
that it is the caller (`on_the_command_line`).
"""

__all__ = ["on_the_command_line", "option", "setting", "settings"]

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from shlex import quote
from typing import Any

FLAGS = {
    "changes": "--set",
    "max_new_tokens": "--max-new",
    "no_repeat_ngram_size": "--no-repeat-ngram",
}  # options that have another name there
_callers = ["Python"]  # the last one is the present one


@contextmanager
def on_the_command_line() -> Iterator[None]:
    """Context manager: options are written as on the command line."""
    _callers.append("command line")
    try:
        yield
    finally:
        _callers.pop()


def option(name: str, value: Any = None) -> str:
    """An option with its value, or its name alone.

    >>> option("resolution", 32), option("condition", "Kind of wine"), option("length")
    ('resolution=32', 'condition="Kind of wine"', 'length')
    >>> with on_the_command_line():
    ...     option("resolution", 32), option("condition", "Kind of wine"), option("length")
    ('--resolution 32', "--condition 'Kind of wine'", '--length')
    """
    if _callers[-1] == "Python":
        return name if value is None else f"{name}={_literal(value)}"
    return _flag(name) if value is None else f"{_flag(name)} {quote(str(value))}"


def setting(name: str, key: str, value: Any) -> str:
    """One of the values of an option that has several by name.

    >>> setting("table", "decimal", ",")
    'table={"decimal": ","}'
    >>> with on_the_command_line():
    ...     setting("table", "decimal", ",")
    '--table decimal=,'
    """
    return settings(name, {key: value})


def settings(name: str, values: Mapping[str, Any]) -> str:
    """Several of the values of an option that has several by name; see `setting`."""
    if _callers[-1] == "Python":
        return f"{name}={_literal(values)}"
    return " ".join(f"{_flag(name)} {quote(f'{key}={value}')}" for key, value in values.items())


def _flag(name: str) -> str:
    return FLAGS.get(name, f"--{name.replace('_', '-')}")


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
