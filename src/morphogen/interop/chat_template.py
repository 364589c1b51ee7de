r"""Chat templates: Jinja programs that format a conversation as the text the model was trained on.

A template is stored in the model's file and is untrusted code. It runs in Jinja's sandbox, which can reach no
file and no Python code, and its loops, products and output are bounded. Message contents are plain text: a
control token such as `<|im_end|>` in them is encoded character by character, so that no message can end a
turn.

    >>> template = ChatTemplate("{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{% endfor %}")
    >>> template.render([{"role": "user", "content": "a < b {{ 7 * 7 }}"}])
    '<|user|>a < b {{ 7 * 7 }}'

Reference: Jinja's sandbox (Pallets); the variables and functions of a template are those of Hugging Face's
templates.
"""

__all__ = ["ChatTemplate", "Message"]

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import count
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment, SecurityError

from morphogen.component import ConfigError

Message = Mapping[str, str]  # role (system, user or assistant) and content
MAX_SIZE = 1 << 22  # bound on the output in characters, on loop iterations and on numbers
PRIVATE_USE = 0xE000  # first code point of Unicode's private use area
MAX_INDENT = 32
CONTENT = "\uf8ff"  # stands for the content of a reply


class ChatTemplate:
    """Formats messages as the prompt that the model continues.

    Arguments:
        source: the template, in Jinja.
        bos, eos: the tokens that begin and end a text, available to the template.

    Raises:
        ConfigError: if the source is not a valid template.
    """

    def __init__(self, source: str, bos: str = "", eos: str = ""):
        self.source, self.bos, self.eos = source, bos, eos
        environment = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=EXTENSIONS)
        environment.filters["tojson"] = _to_json
        environment.globals |= {
            "raise_exception": _raise_exception,
            "strftime_now": lambda form: datetime.now().strftime(form),
        }
        try:
            self._template = environment.from_string(source)
        except (TemplateError, RecursionError) as error:
            raise ConfigError(
                f"the chat template is invalid ({_first_line(error)}); use a model with a valid one"
            ) from error

    def render(self, messages: Sequence[Message], add_generation_prompt: bool = True) -> str:
        """The conversation as text, with the start of the assistant's turn if `add_generation_prompt`.

        Errors: ConfigError with the template's message, if it rejects the conversation or fails.
        """
        variables = {
            "messages": [dict(message) for message in messages],
            "bos_token": self.bos,
            "eos_token": self.eos,
            "add_generation_prompt": add_generation_prompt,
            "range": _bounded_range(),
        }
        pieces, length = [], 0
        try:
            for piece in self._template.generate(**variables):
                pieces.append(piece)
                length += len(piece)
                if length > MAX_SIZE:
                    raise SecurityError(f"output exceeds {MAX_SIZE} characters")
        except Exception as error:  # an untrusted program may fail in any way
            raise ConfigError(
                f"the chat template failed on this conversation ({_first_line(error)})"
            ) from error
        return "".join(pieces)

    def closing(self) -> str:
        """What the template writes after a reply; "" if it cannot be found out."""
        turns = [{"role": "user", "content": "question"}, {"role": "assistant", "content": CONTENT}]
        try:
            return self.render(turns, add_generation_prompt=False).partition(CONTENT)[2]
        except ConfigError:  # a template may reject any conversation
            return ""

    def ids(
        self,
        messages: Sequence[Message],
        encode: Callable[[str], list[int]],
        control: Mapping[str, int],
        add_generation_prompt: bool = True,
    ) -> list[int]:
        """The conversation as token ids.

        Arguments:
            messages: of the conversation.
            encode: encodes a text without producing control tokens.
            control: the control tokens, which only the template may produce, and their ids.
            add_generation_prompt: whether to append the start of the assistant's turn.
        """
        mark = next(
            chr(c)
            for c in count(PRIVATE_USE)
            if not any(chr(c) in message["content"] for message in messages)
        )
        marked = [
            dict(message) | {"content": _mark(message["content"], control, mark)} for message in messages
        ]
        tokens = sorted(control, key=len, reverse=True)
        pattern = "|".join(f"({re.escape(token)})" for token in tokens)
        ids: list[int] = []
        for piece in re.split(pattern, self.render(marked, add_generation_prompt)):
            if piece:
                ids += [control[piece]] if piece in control else _encode(piece, encode, control, mark)
        return ids


class _Generation(Extension):
    """The block {% generation %}, which marks replies for training; its content is rendered as it is."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


EXTENSIONS: Sequence[str | type[Extension]] = ("jinja2.ext.loopcontrols", _Generation)


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox with bounded products and powers, so that no string can exhaust the memory."""

    intercepted_binops = frozenset(["*", "**"])

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if operator == "**" and not (numbers and abs(left) <= MAX_SIZE and abs(right) <= 8):
            raise SecurityError("power is too large")
        if operator == "*" and not numbers and not (_size(left) * _size(right) <= MAX_SIZE):
            raise SecurityError("repeated text is too long")
        return super().call_binop(context, operator, left, right)


def _size(value: Any) -> int:
    return max(0, value) if isinstance(value, int) else len(value)


def _bounded_range() -> Callable[..., range]:
    """A `range` whose calls in one rendering have at most MAX_SIZE elements together."""
    remaining = MAX_SIZE

    def bounded(*ends: int) -> range:
        nonlocal remaining
        requested = range(*ends)
        remaining -= len(requested)
        if remaining < 0:
            raise SecurityError(f"loops exceed {MAX_SIZE} iterations")
        return requested

    return bounded


def _mark(text: str, control: Iterable[str], mark: str) -> str:
    """The text with a mark inside every control token, so that it is not recognised as one."""
    for token in control:
        text = text.replace(token, token[:1] + mark + token[1:])
    return text


def _encode(
    text: str, encode: Callable[[str], list[int]], control: Mapping[str, int], mark: str
) -> list[int]:
    """The ids of a text with marks; cut at the marks if a control token is among the ids of the whole."""
    ids = encode(text.replace(mark, ""))
    if not set(control.values()).isdisjoint(ids):  # a word without punctuation may be a token of the text
        return [token_id for part in text.split(mark) for token_id in encode(part)]
    return ids


def _raise_exception(message: str) -> None:
    raise TemplateError(message)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """The filter "tojson" of Hugging Face's templates; Jinja's own escapes < for HTML."""
    if indent is not None and not 0 <= indent <= MAX_INDENT:
        raise TemplateError(f"indent must be in 0 .. {MAX_INDENT}, got {indent}")
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
