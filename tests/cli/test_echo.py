"""What commands print: text of people, files and models as it is written, on every stream."""

import io
import os
import subprocess
import sys
import warnings
from collections.abc import Callable

import pytest
from rich.table import Table

from morphogen.cli import console as console_module
from morphogen.cli.console import PlainConsole
from morphogen.cli.echo import complain, echo, only_our_warnings
from morphogen.training.checkpoint import DamagedCheckpoint
from morphogen.training.progress import Progress

NAMES = ["length [cm]", "rate [/s]", "[bold red]", "[/]", ":smile:", "\\[x]", "[link=http://x]y[/link]"]


def printed(name: str) -> str:
    """A table of this name, and a line."""
    stream = io.StringIO()
    console = PlainConsole(file=stream, width=100)
    table = Table(title=name)
    table.add_column(name)
    table.add_row(name)
    console.print(table)
    console.print(name, soft_wrap=True)
    return stream.getvalue()


def check_names_are_printed_as_written() -> None:
    for name in NAMES:
        assert printed(name).count(name) == 4, name
    assert "\x1b" not in printed("\x1b]0;title\x07") and "␛]0;title␇" in printed("\x1b]0;title\x07")


def check_echo_shows_control_characters() -> None:
    stream = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        echo("\x1b[2J cleared", err=True)
        complain("\x07")
    assert stream.getvalue() == "␛[2J cleared\nmorphogen: ␇\n"


def test_names_are_printed_as_written() -> None:
    check_names_are_printed_as_written()


def test_echo_shows_control_characters() -> None:
    check_echo_shows_control_characters()


def test_progress_prints_the_title_as_written() -> None:
    stream = io.StringIO()
    bar = Progress(PlainConsole(file=stream, force_terminal=True, width=120))
    bar.start("rate [/s] \x07")
    bar.update(0.5, 1.0, 0.1, 10.0)
    bar.stop()
    assert "rate [/s] ␇" in stream.getvalue()


def test_only_our_warnings_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    before = warnings.showwarning
    with only_our_warnings():
        warnings.warn("of a library", RuntimeWarning, stacklevel=1)
        warnings.warn("checkpoint 7 is damaged", DamagedCheckpoint, stacklevel=1)
    assert (
        capsys.readouterr().err == "morphogen: checkpoint 7 is damaged\n" and warnings.showwarning is before
    )


def test_a_closed_pipe_ends_quietly() -> None:
    command = f"{sys.executable} -m morphogen systems | head -1"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False, env=environment)
    assert done.stdout.count(b"\n") == 1 and not done.stderr


def markup_is_on(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(console_module.PlainConsole, "__init__", console_module.Console.__init__)


def characters_are_not_replaced(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(console_module, "printable", lambda text: text)
    patch.setattr(sys.modules["morphogen.cli.echo"], "printable", lambda text: text)


@pytest.mark.parametrize(
    ("mutate", "check"),
    [
        (markup_is_on, check_names_are_printed_as_written),
        (characters_are_not_replaced, check_names_are_printed_as_written),
        (characters_are_not_replaced, check_echo_shows_control_characters),
    ],
)
def test_mutant_is_killed(
    mutate: Callable[[pytest.MonkeyPatch], None], check: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(monkeypatch)
    with pytest.raises(Exception):  # noqa: B017
        check()
