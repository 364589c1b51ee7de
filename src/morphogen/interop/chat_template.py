r"""Chat templates: how a model was taught that a conversation is written, as a program in Jinja that its file carries.

The program is a stranger's, so it runs in Jinja's sandbox, which reaches no file and no code, and its loops, products and output have
bounds. And what a person says is text: a control word in it (`<|im_end|>`) is spelled letter by letter, so that nobody ends another's
turn by writing so.

    >>> template = ChatTemplate("{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{% endfor %}")
    >>> template.render([{"role": "user", "content": "a < b {{ 7 * 7 }}"}])
    '<|user|>a < b {{ 7 * 7 }}'

Reference: Jinja's sandbox (Pallets); the names that a template may use are those of Hugging Face's templates.
"""

__all__ = ["ChatTemplate", "Message"]

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import count
from typing import Any

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment, SecurityError

from morphogen.component import ConfigError

Message = Mapping[str, str]  # role: system, user or assistant; content
LONGEST = 1 << 22  # characters that a template may make, numbers that it may count to
PRIVATE = 0xE000  # where Unicode leaves room for marks of one's own


class ChatTemplate:
    """Messages to the text that the model continues.

    Arguments:
        source: in Jinja.
        bos, eos: the words that begin and end a text, for templates that write them.

    Raises:
        ConfigError: where the source is no template.
    """

    def __init__(self, source: str, bos: str = "", eos: str = ""):
        self.source, self.bos, self.eos = source, bos, eos
        environment = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
        environment.filters["tojson"] = _to_json
        environment.globals |= {"raise_exception": _refuse, "strftime_now": lambda form: datetime.now().strftime(form)}
        try:
            self._template = environment.from_string(source)
        except (TemplateError, RecursionError) as error:
            raise ConfigError(f"the chat template cannot be read ({_reason(error)}); give another one") from error

    def render(self, messages: Sequence[Message], reply: bool = True) -> str:
        """The conversation as text; `reply`: up to where the model's turn begins. Errors: ConfigError with the template's own words."""
        given = {"messages": [dict(message) for message in messages], "bos_token": self.bos, "eos_token": self.eos}
        made, length = [], 0
        try:
            for piece in self._template.generate(**given, add_generation_prompt=reply, range=_bounded_range()):
                made.append(piece)
                length += len(piece)
                if length > LONGEST:
                    raise SecurityError(f"makes more than {LONGEST} characters")
        except Exception as error:  # a stranger's program may fail in any way
            raise ConfigError(f"the chat template does not take this conversation ({_reason(error)})") from error
        return "".join(made)

    def ids(
        self, messages: Sequence[Message], spell: Callable[[str], list[int]], control: Mapping[str, int], reply: bool = True
    ) -> list[int]:
        """The conversation as ids.

        Arguments:
            messages: of the conversation.
            spell: a text to its ids, none of which steers (`Text.ids`).
            control: the words that only the template may say, and their ids.
            reply: up to where the model's turn begins.
        """
        mark = next(chr(c) for c in count(PRIVATE) if not any(chr(c) in message["content"] for message in messages))
        spelled = [dict(message) | {"content": _mark(message["content"], control, mark)} for message in messages]
        words = sorted(control, key=len, reverse=True)
        found: list[int] = []
        for piece in re.split("|".join(f"({re.escape(word)})" for word in words), self.render(spelled, reply)):
            if piece:
                found += [control[piece]] if piece in control else spell(piece.replace(mark, ""))
        return found


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, in which no text is multiplied into a full memory."""

    intercepted_binops = frozenset(["*", "**"])

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if operator == "**" and not (numbers and abs(left) <= LONGEST and abs(right) <= 8):
            raise SecurityError("raises to too high a power")
        if operator == "*" and not numbers and not (_size(left) * _size(right) <= LONGEST):
            raise SecurityError("multiplies a text too often")
        return super().call_binop(context, operator, left, right)


def _size(value: Any) -> int:
    return max(0, value) if isinstance(value, int) else len(value)


def _bounded_range() -> Callable[..., range]:
    """`range`, over all loops of one rendering no longer than LONGEST."""
    left = LONGEST

    def bounded(*ends: int) -> range:
        nonlocal left
        asked = range(*ends)
        left -= len(asked)
        if left < 0:
            raise SecurityError(f"counts further than {LONGEST}")
        return asked

    return bounded


def _mark(text: str, control: Iterable[str], mark: str) -> str:
    """The text with a mark inside every control word, so that it is none."""
    for word in control:
        text = text.replace(word, word[:1] + mark + word[1:])
    return text


def _refuse(message: str) -> None:
    raise TemplateError(message)


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)  # Jinja's own would write < for HTML


def _reason(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
