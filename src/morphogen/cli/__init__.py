"""The command line: one file a verb, each one call of the public API. torch is imported when a verb runs, not before."""

__all__ = ["main"]

import sys

import typer

from morphogen.cli.advise import advise
from morphogen.cli.compare import compare
from morphogen.cli.data import data
from morphogen.cli.evaluate import evaluate
from morphogen.cli.sample import sample
from morphogen.cli.systems import systems
from morphogen.cli.train import train

START = """Which generative model fits your data? Three commands to try:

  morphogen compare digits --time 30s       one model per family, equal time, side by side: a table and a picture
  morphogen train ddpm --data digits        train one; it lands in runs/
  morphogen sample --n 16 --condition 3     sixteen threes from the newest run
"""

app = typer.Typer(
    help="Generative models of every family under one contract: train, sample and measure them on your data.",
    rich_markup_mode=None,  # rich's help costs a third of the start-up time
    add_completion=False,
    pretty_exceptions_enable=False,
)
for verb in (compare, train, sample, evaluate, advise, systems, data):
    app.command()(verb)


@app.callback(invoke_without_command=True)
def start(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(START)


def main() -> None:
    """Run a verb; what a person can mend ends in one line and exit code 2, without a traceback."""
    try:
        code = app(standalone_mode=False)  # typer raises its own errors then, and returns the code of an Exit
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        from morphogen.cli.errors import remedy

        if (line := remedy(error)) is None:
            raise
        typer.echo(f"morphogen: {line}", err=True)
        sys.exit(2)
    sys.exit(code or 0)
