"""The console of tables and progress: cells, titles and names are text, never rich's markup."""

__all__ = ["PlainConsole"]

from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from morphogen.cli.echo import discard_output
from morphogen.terminal import printable


class PlainConsole(Console):
    """A rich console that prints `length [cm]`, `:smile:` and control characters as they are written."""

    def __init__(self, **options: Any):
        super().__init__(**{"markup": False, "emoji": False} | options)

    def render_str(self, text: str, **options: Any) -> Text:
        """A line, cell, heading or title as text."""
        return super().render_str(printable(text), **options)

    def on_broken_pipe(self) -> None:
        """End the command, because the reader of its output has."""
        raise typer.Exit(discard_output())
