"""Commands of a conversation, lines that begin with a slash: /help, /system, /reset, /save, /exit."""

__all__ = ["Commands", "Leave"]

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from morphogen.cli.bad_argument import BadArgument

if TYPE_CHECKING:
    from morphogen.inference import Conversation

HELP = """\
/help           print this help
/system [TEXT]  start a new conversation with a system prompt; without a text, print the present one
/reset          start a new conversation with the same system prompt
/save FILE      write the conversation to a file, as JSON; a file of its own is written again
/exit           leave; so does Ctrl-D. Ctrl-C stops a reply
//TEXT          send a text that begins with a slash"""


class Leave(Exception):
    """The user leaves the conversation."""


class Commands:
    """Runs the commands of a conversation.

    Arguments:
        conversation: to act on.
        model: name of the model, for saved files.
    """

    def __init__(self, conversation: "Conversation", model: str):
        self.conversation, self.model = conversation, model
        self._written: set[Path] = set()
        self._commands: dict[str, Callable[[str], str]] = {
            "/help": self._help,
            "/system": self._system,
            "/reset": self._reset,
            "/new": self._reset,
            "/save": self._save,
            "/exit": self._exit,
            "/quit": self._exit,
        }

    def run(self, line: str) -> str:
        """Run a line that begins with a slash and return the text to print.

        Errors: Leave for /exit; BadArgument for an unknown command or an invalid argument; OSError if a file
        cannot be written.
        """
        word, _, argument = line.strip().partition(" ")
        if word not in self._commands:
            raise BadArgument(
                f"{word[:40]}: unknown command; /help lists the commands, and /{word[:40]} sends it as text"
            )
        return self._commands[word](argument.strip())

    def _help(self, argument: str) -> str:
        return textwrap.dedent(HELP)

    def _system(self, argument: str) -> str:
        if not argument:
            return f"system prompt: {self.conversation.system or 'that of the chat template'}"
        self.conversation.system = argument
        return self._reset("")

    def _reset(self, argument: str) -> str:
        self.conversation.begin()
        self._written.clear()  # its files are those of a conversation that has ended
        return "new conversation"

    def _save(self, argument: str) -> str:
        from morphogen.files import write_json

        path = Path(_unquoted(argument)).expanduser()
        if not argument or path.is_dir():
            command = f"/save {argument}".strip()
            raise BadArgument(f"{command}: give the name of a file, such as /save conversation.json")
        if not path.parent.is_dir():
            raise BadArgument(f"/save {path}: the folder {path.parent} does not exist; create it first")
        if path.exists() and path.resolve() not in self._written:
            raise BadArgument(f"/save {path}: the file exists; choose another name")
        again = " again, with all turns so far" if path.exists() else ""
        write_json(path, {"model": self.model, "messages": self.conversation.turns})
        self._written.add(path.resolve())
        return f"saved{again}: {path}"

    def _exit(self, argument: str) -> str:
        raise Leave


def _unquoted(name: str) -> str:
    """The name without the quotes around it, as a shell takes them."""
    quoted = len(name) > 2 and name[0] == name[-1] and name[0] in "\"'"
    return name[1:-1] if quoted else name
