"""The command line: one file a verb, each one call of the public API. torch is imported when a verb runs, not before."""

__all__ = ["main"]

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import typer

from morphogen.cli.advise import advise
from morphogen.cli.chat import chat
from morphogen.cli.compare import compare
from morphogen.cli.data import data
from morphogen.cli.edit import edit
from morphogen.cli.evaluate import evaluate
from morphogen.cli.reproduce import reproduce
from morphogen.cli.sample import sample
from morphogen.cli.steer import steer
from morphogen.cli.systems import systems
from morphogen.cli.train import train
from morphogen.rank import Rank

TOGETHER = ("train", "sample", "evaluate")  # verbs that several processes share

START = """Which generative model fits your data? Three commands to try:

  morphogen compare digits --time 30s       one model per family, equal time, side by side: a table and a picture
  morphogen train ddpm --data digits        train one; it lands in runs/
  morphogen sample --n 16 --condition 3     sixteen threes from the newest run
"""

app = typer.Typer(
    rich_markup_mode=None,  # rich's help costs a third of the start-up time
    add_completion=False,
    pretty_exceptions_enable=False,
)
for verb in (compare, train, sample, edit, steer, evaluate, advise, reproduce, systems, data, chat):
    app.command()(verb)


@app.callback(
    invoke_without_command=True, help="Generative models of every family under one contract: train, sample and measure them on your data."
)
def start(context: typer.Context) -> None:
    """Before every verb; without one, three commands to try."""
    if context.invoked_subcommand is None:
        typer.echo(START)
    elif context.invoked_subcommand not in TOGETHER and Rank.launched().count > 1:
        raise typer.BadParameter(f"{context.invoked_subcommand} works in one process; launch several for {', '.join(TOGETHER)}")


def main() -> None:
    """Run a verb; what a person can mend ends in one line and exit code 2, without a traceback."""
    rank = Rank.launched()
    try:
        with _heard(rank):
            code = app(standalone_mode=False)  # typer raises its own errors then, and returns the code of an Exit
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        from morphogen.cli.errors import remedy, same_everywhere

        if (line := remedy(error)) is None:
            raise
        if rank.first or not same_everywhere(error):
            typer.echo(f"morphogen: {line}", err=True)
        sys.exit(2)
    sys.exit(code or 0)


@contextmanager
def _heard(rank: Rank) -> Iterator[None]:
    """Several processes say the same; the first is heard, and torch's C++ only in need."""
    if rank.count > 1:
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    if rank.first:
        yield
        return
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield
