"""What commands print, here or with `PlainConsole`, is text: control characters in it are made visible."""

__all__ = ["complain", "discard_output", "echo", "only_our_warnings"]

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from morphogen.terminal import printable


def echo(text: Any = "", nl: bool = True, err: bool = False) -> None:
    """Print a text; control characters in it are replaced by visible ones.

    Arguments:
        text: what to print.
        nl: whether a line end follows.
        err: whether to print to standard error.
    """
    try:
        # not typer.echo, which writes UTF-8 to a stream of ASCII
        print(
            printable(str(text)), end="\n" if nl else "", file=sys.stderr if err else sys.stdout, flush=True
        )
    except BrokenPipeError:
        raise typer.Exit(discard_output()) from None


def complain(line: Any) -> None:
    """Print a line to standard error, as `morphogen: LINE`."""
    echo(f"morphogen: {line}", err=True)


def discard_output() -> int:
    """After its reader has closed the output, as `head -1` does: write nowhere; returns SIGPIPE's code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 141


@contextmanager
def only_our_warnings() -> Iterator[None]:
    """Print warnings of morphogen as one line, and those of libraries not at all (python -W shows them)."""
    with warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.simplefilter("default")
            warnings.showwarning = _show  # type: ignore[assignment]  # restored by catch_warnings
        yield


def _show(message: Any, category: type, *place: Any) -> None:
    if category.__module__.partition(".")[0] == "morphogen":
        complain(message)
