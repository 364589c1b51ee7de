r"""How a GGUF file writes a conversation: its template, its control tokens and the tokens that end a turn.

A reply ends at any token that the file names (eos, eot, eom), that the template writes after a reply, or that
is a well-known end of a turn: files often name the end of a *text* as their eos, which a chat model never
generates. A template that writes the start token, as most do, replaces the one that the network would add.

Reference: llama.cpp's "end of generation" tokens (Gerganov and others, 2023).
"""

__all__ = ["ChatFormat", "read_chat_format", "read_template"]

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from morphogen.component import ConfigError
from morphogen.interop.chat_template import ChatTemplate, Message
from morphogen.interop.gguf import GGUF
from morphogen.interop.gguf_tokenizer import (
    ENDS,
    USER,
    control_tokens,
    special_token_id,
    start_token,
    tokens_of_type,
)

BRACKETS = re.compile(r"<[|\uff5c].*[|\uff5c]>")


@dataclass(frozen=True)
class ChatFormat:
    """A template with the special tokens of its model.

    Arguments:
        template: formats the turns.
        control: the control tokens, which only the template may produce, and their ids.
        ends: ids that end a reply.
        hidden: ids that are never shown; the ends are among them.
        stops: strings that end a reply, for ends that are not tokens of the model.
        start: id that the network puts before every text; None: none.
    """

    template: ChatTemplate
    control: Mapping[str, int]
    ends: frozenset[int]
    hidden: frozenset[int]
    stops: tuple[str, ...]
    start: int | None

    def ids(self, turns: Sequence[Message], encode: Callable[[str], list[int]]) -> list[int]:
        """The ids that the reply to the turns follows; arguments as for `ChatTemplate.ids`."""
        ids = self.template.ids(turns, encode, self.control)
        return ids[1:] if ids and ids[0] == self.start else ids


def read_chat_format(file: GGUF) -> ChatFormat:
    """The chat format of a file. Errors: those of `read_template`, and ConfigError for damaged metadata."""
    template, control = read_template(file), control_tokens(file)
    size = len(file.get("tokenizer.ggml.tokens", list))
    named = [special_token_id(file, name, size) for name in ("eos", "eot", "eom")]
    ends = {token_id for token_id in named if token_id is not None}
    ends |= {token_id for token, token_id in control.items() if token in ENDS}
    closing = template.closing().strip()
    ends |= {token_id for token, token_id in control.items() if closing.startswith(token)}
    stops = tuple(word for word in sorted(ENDS - control.keys()) if closing.startswith(word))
    plain = {token for token in tokens_of_type(file, USER) if not BRACKETS.fullmatch(token)}
    hidden = {token_id for token, token_id in control.items() if token not in plain}
    return ChatFormat(template, control, frozenset(ends), frozenset(hidden | ends), stops, start_token(file))


def read_template(file: GGUF) -> ChatTemplate:
    """The chat template. Errors: ConfigError if the file has none, as is usual for base models."""
    if "tokenizer.chat_template" not in file.metadata:
        raise ConfigError(f"{file.path}: no chat template in the file; use an instruction-tuned model")
    tokens = file.get("tokenizer.ggml.tokens", list)
    ids = (special_token_id(file, name, len(tokens)) for name in ("bos", "eos"))
    bos, eos = ("" if token_id is None else tokens[token_id] for token_id in ids)
    try:
        return ChatTemplate(file.get("tokenizer.chat_template", str), bos, eos)
    except ConfigError as error:
        raise ConfigError(f"{file.path}: {str(error).removeprefix(f'{file.path}: ')}") from error
