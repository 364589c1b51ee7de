"""The command line: one file per command, a thin layer over the public API; torch is imported on demand."""

__all__ = ["main"]

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import morphogen
from morphogen.caller import on_the_command_line
from morphogen.cli.advise import advise
from morphogen.cli.anomalies import anomalies
from morphogen.cli.chat import chat
from morphogen.cli.compare import compare
from morphogen.cli.data import data
from morphogen.cli.doctor import doctor
from morphogen.cli.echo import complain, discard_output, echo, only_our_warnings
from morphogen.cli.edit import edit
from morphogen.cli.evaluate import evaluate
from morphogen.cli.latent import latent
from morphogen.cli.reproduce import reproduce
from morphogen.cli.restore import restore
from morphogen.cli.sample import sample
from morphogen.cli.systems import systems
from morphogen.cli.train import train
from morphogen.cli.train_classifier import train_classifier
from morphogen.cli.vary import vary
from morphogen.rank import Rank
from morphogen.terminal import tolerate

MULTIPROCESS = ("train", "sample", "evaluate")  # commands that several processes can share

START = """Which generative model fits your data? Three commands to try:

  morphogen compare digits --time 30s       train one model per family for equal time; a table and a picture
  morphogen train ddpm --data digits        train one model; it is saved in runs/
  morphogen sample --n 16 --condition 3     draw sixteen threes from the newest run
"""


class _Interruptible(TyperGroup):
    """The commands; one that Ctrl-C ends without a line of its own ends with `morphogen: stopped`."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            complain("stopped")
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=_Interruptible,
    rich_markup_mode=None,  # rich's help takes a third of the start-up time
    add_completion=False,
    pretty_exceptions_enable=False,
)
COMMANDS = (
    compare,
    train,
    sample,
    edit,
    restore,
    vary,
    train_classifier,
    evaluate,
    latent,
    anomalies,
    advise,
    reproduce,
    systems,
    data,
    doctor,
    chat,
)
for command in COMMANDS:
    app.command()(command)


@app.callback(
    invoke_without_command=True,
    help="Train, sample and evaluate generative models of every family on your data.",
)
def start(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="print the version and exit")] = False,
) -> None:
    """Run before every command; without a command, print three to try."""
    if version:
        echo(f"morphogen {morphogen.__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        echo(START)
    elif context.invoked_subcommand not in MULTIPROCESS and Rank.launched().count > 1:
        shared = ", ".join(MULTIPROCESS)
        raise typer.BadParameter(
            f"{context.invoked_subcommand} runs in one process; launch several only for {shared}"
        )


def main() -> None:
    """Run a command; an error that the user can fix ends in one line and exit code 2, without a traceback."""
    rank = Rank.launched()
    tolerate(sys.stdout, sys.stderr)
    try:
        with _silent_unless_first(rank), only_our_warnings(), on_the_command_line():
            code = app(standalone_mode=False)  # raises typer's errors, and returns the code of an Exit
        sys.stdout.flush()
    except BrokenPipeError:
        sys.exit(discard_output())
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        from morphogen.cli.errors import is_shared, remedy

        if (line := remedy(error)) is None:
            raise
        if rank.is_first or not is_shared(error):
            complain(line)
        sys.exit(2)
    sys.exit(code or 0)


@contextmanager
def _silent_unless_first(rank: Rank) -> Iterator[None]:
    """Of several processes only the first prints; warnings of torch's C++ code are silenced in all."""
    if rank.count > 1:
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    if rank.is_first:
        yield
        return
    with open(os.devnull, "w") as null, redirect_stdout(null), redirect_stderr(null):
        yield
