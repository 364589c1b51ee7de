"""Lines of a conversation, typed in a terminal with editing and history, or piped."""

__all__ = ["history_file", "piped_lines", "typed_lines"]

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from morphogen.cli.echo import complain, echo

PROMPT = "> "
HISTORY = 1000  # lines kept


def typed_lines() -> Iterator[str]:
    """Lines from a terminal until Ctrl-D; Ctrl-C discards the line that is being typed."""
    with _history():
        while True:
            try:
                line = input(PROMPT)
            except EOFError:
                echo("")
                return
            except KeyboardInterrupt:
                echo("")
                continue
            except UnicodeDecodeError as error:
                complain(f"the line is skipped: {_invalid(error)}")
                continue
            yield line


def piped_lines(lines: Iterable[bytes], encoding: str = "utf8") -> Iterator[str]:
    """The lines of a stream of bytes; a line that is not valid in the encoding is named and skipped."""
    for number, raw in enumerate(lines, 1):
        try:
            line = raw.decode(encoding)
        except UnicodeDecodeError as error:
            complain(f"line {number} of the input is skipped: {_invalid(error)}")
            continue
        yield line.rstrip("\r\n")


def history_file() -> Path:
    """The file of typed lines, in the user's folder for state (XDG Base Directory Specification)."""
    state = os.environ.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser()
    return Path(state) / "morphogen" / "chat_history"


@contextmanager
def _history() -> Iterator[None]:
    """Line editing with the history of earlier conversations, where Python has readline."""
    try:
        import readline
    except ImportError:  # Python on Windows, or built without it: plain input
        yield
        return
    path = history_file()
    readline.set_auto_history(True)
    with suppress(OSError):
        readline.read_history_file(path)
    try:
        yield
    finally:
        readline.set_history_length(HISTORY)
        with suppress(OSError):  # a home that cannot be written to
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)
            readline.write_history_file(path)


def _invalid(error: UnicodeDecodeError) -> str:
    byte = error.object[error.start]
    return f"byte 0x{byte:02x} at position {error.start} is not {error.encoding}; convert it to UTF-8"
