r"""Text for terminals: what people, files and models wrote is shown, and never controls the terminal.

    ESC, BEL, ... (C0)                       their pictures: ␛, ␇, ...
    C1 controls, bidirectional overrides     escapes: \x9b, \u202e
    outside the encoding of the stream       ASCII where there is a usual form (≤ is <=), else an escape

Line ends, tabs, joiners and marks stay, because scripts need them. Files keep every character.
"""

__all__ = ["SUBSTITUTE", "printable", "substitute", "tolerate"]

import codecs
import re
from typing import Any

SUBSTITUTE = "morphogen.substitute"  # name of the error handler of streams
ASCII = {
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
    "×": "x",
    "±": "+-",
    "−": "-",
    "→": "->",
    "·": ".",
    "•": "*",
    "–": "-",
    "—": "-",
    "…": "...",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "\u00a0": " ",
    "━": "-",
    "╸": "-",
    "╺": "-",
    "─": "-",
    "│": "|",
    "█": "#",
    **{chr(0x2400 + code): f"\\x{code:02x}" for code in range(32)},
    "\u2421": "\\x7f",
}
CONTROL = re.compile(
    "\r\n|[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u206f\ufff9-\ufffb\ud800-\udfff]"
)


def printable(text: str) -> str:
    r"""The text with control characters replaced by visible ones.

    >>> printable("\x1b[31mred\x07\nnext \u202eline")
    '␛[31mred␇\nnext \\u202eline'
    """
    return CONTROL.sub(lambda found: _visible(found[0]), text)


def substitute(error: UnicodeError) -> tuple[str, int]:
    """Error handler of a stream: ASCII for the characters that its encoding lacks."""
    assert isinstance(error, UnicodeEncodeError)
    missing = error.object[error.start : error.end]
    return "".join(ASCII.get(character) or _escape(character) for character in missing), error.end


def tolerate(*streams: Any) -> None:
    """Let text streams write substitutes for the characters that their encoding lacks."""
    codecs.register_error(SUBSTITUTE, substitute)
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=SUBSTITUTE)


def _visible(control: str) -> str:
    if control == "\r\n":
        return "\n"
    code = ord(control)
    return chr(0x2400 + code) if code < 32 else "\u2421" if code == 127 else _escape(control)


def _escape(character: str) -> str:
    return character.encode("ascii", "backslashreplace").decode()
