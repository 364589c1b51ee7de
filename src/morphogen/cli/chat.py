"""`morphogen chat gguf:smollm2`: converse with a pretrained model from a GGUF file, on this machine."""

__all__ = ["chat"]

import io
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from morphogen.cli import decoding
from morphogen.cli.arguments import choose_device, choose_weights
from morphogen.cli.bad_argument import BadArgument
from morphogen.cli.chat_commands import Commands, Leave
from morphogen.cli.chat_input import piped_lines, typed_lines
from morphogen.cli.echo import complain, echo
from morphogen.cli.options import Device, Seed

if TYPE_CHECKING:
    from morphogen.inference import Conversation

DEFAULT_CONTEXT = 2048  # tokens
ModelFile = Annotated[str, Argument(help="gguf:smollm2, or the path of a GGUF file")]
Message = Annotated[
    str | None, Option(help="send this message, print the reply and exit (default: interactive)")
]
System = Annotated[str | None, Option(help="system prompt (default: that of the model's chat template)")]
MaxNewOption = Annotated[int, Option(help="maximum length of a reply, in tokens")]
Temperature = Annotated[
    float, Option(help="softmax temperature; 0: the most likely token, 1: the model's own distribution")
]
Weights = Annotated[
    str | None,
    Option(
        help="format that weight matrices are stored in: fp32, bf16, int8, int4, or exact: the smallest that "
        "has the file's values, often blocks of 4 or 8 bits (default: exact, or fp32 without our kernels)"
    ),
]
ContextLength = Annotated[
    int | None,
    Option(help="maximum length of the conversation, in tokens (default: 2048, or the model's if shorter)"),
]


def chat(
    model: ModelFile, message: Message = None, system: System = None, max_new: MaxNewOption = 256,
    temperature: Temperature = 0.7, top_k: decoding.TopK = None, top_p: decoding.TopP = None,
    min_p: decoding.MinP = None, repetition_penalty: decoding.Penalty = None,
    no_repeat_ngram_size: decoding.NoRepeat = None, stop: decoding.StopOption = None,
    json_schema: decoding.Schema = None, regex: decoding.Expression = None, weights: Weights = None,
    context: ContextLength = None, seed: Seed = 0, device: Device = "auto",
) -> None:  # fmt: skip
    """Converse with a pretrained model.

    One turn per line of input; /help lists the commands, Ctrl-C stops a reply, Ctrl-D or /exit leaves.
    """
    if max_new < 1:
        raise BadArgument(f"--max-new {max_new}: must be at least 1")
    if context is not None and context < 2:
        raise BadArgument(f"--context {context}: must be at least 2")
    if message is not None and not message.strip():
        raise BadArgument(f"--message {message!r}: give a text, or leave --message out to type one")
    if stop and "" in stop:
        raise BadArgument("--stop '': give a string that is not empty")
    options: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p}
    options |= {"repetition_penalty": repetition_penalty, "no_repeat_ngram_size": no_repeat_ngram_size}
    options |= {"json_schema": json_schema, "regex": regex}
    given = {name: value for name, value in options.items() if value is not None}
    conversation = _open(model, system, given, stop or [], weights, context, seed, device)
    if message is not None:
        _reply(conversation, message, max_new)
    else:
        _converse(conversation, Commands(conversation, model), max_new, sys.stdin.isatty())


def _open(
    model: str, system: str | None, options: dict[str, Any], stop: list[str], weights: str | None,
    context: int | None, seed: int, device: str,
) -> "Conversation":  # fmt: skip
    """Load the model, its chat template and its tokenizer."""
    from morphogen.families.autoregressive import Ancestral, SuppressTokens
    from morphogen.inference import Conversation, Quantized, prepack_weights
    from morphogen.interop.gguf import GGUF
    from morphogen.interop.gguf_chat import read_chat_format
    from morphogen.interop.gguf_llama import context_length, read_model
    from morphogen.interop.gguf_named import locate

    place, _ = choose_device(device), choose_weights(weights or "fp32")
    numeric = {name: value for name, value in options.items() if name in decoding.NUMERIC}
    Ancestral(decoding.choose_processors(numeric, None))  # a wrong number is refused before the model is read
    file = GGUF(locate(model))
    form = read_chat_format(file)
    language_model, longest = read_model(file, context or DEFAULT_CONTEXT), context_length(file)
    if context is not None and context > longest:
        complain(f"--context {context}: the model's context is {longest} tokens; {longest} is used")
    text: Any = language_model.representation
    weight_format = choose_weights(weights or _default_weights(place))
    packed = (
        prepack_weights(language_model) if weight_format is None else Quantized(language_model, weight_format)
    ).to(place)
    processors = decoding.choose_processors(options, text)
    if "regex" in options or "json_schema" in options:  # a control token is no text, and may end the reply
        processors = (SuppressTokens(tuple(sorted(form.hidden - {text.end}))), *processors)
    return Conversation(
        packed,
        lambda turns: form.ids(turns, text.ids),
        Ancestral(processors),
        system,
        seed,
        form.ends,
        form.hidden,
        (*map(decoding.unescape, stop), *form.stops),
        longest,
    )


def _default_weights(device: str) -> str:
    """The file's own blocks where our kernels multiply them; expanded for each token they would be slow."""
    from morphogen.native.kernels import available

    return "exact" if device == "cpu" and available("decoder") and available("linear") else "fp32"


def _converse(conversation: "Conversation", commands: Commands, max_new: int, interactive: bool) -> None:
    """Reply to each line of the input until it ends."""
    for line in typed_lines() if interactive else _piped():
        text = line.strip()
        if text.startswith("/") and not text.startswith("//"):
            try:
                echo(_run(commands, text), err=True)
            except Leave:
                return
        elif text:
            _reply(conversation, text[1:] if text.startswith("//") else line, max_new, interactive)


def _piped() -> Iterator[str]:
    raw = getattr(sys.stdin, "buffer", None)
    if raw is None:  # a stream of text, without bytes behind it
        return piped_lines(io.BytesIO(sys.stdin.read().encode("utf8")))
    return piped_lines(raw, sys.stdin.encoding)


def _run(commands: Commands, line: str) -> str:
    """The output of a command, or the error that the user can fix."""
    from morphogen.cli.errors import remedy

    try:
        return commands.run(line)
    except (BadArgument, OSError) as error:
        return f"morphogen: {remedy(error) or error}"


def _reply(conversation: "Conversation", message: str, max_new: int, interactive: bool = False) -> None:
    """Print a reply as it is generated; if interactive, Ctrl-C and errors end only this reply."""
    from morphogen.component import ConfigError

    reply = conversation.say(message, max_new)
    try:
        for piece in reply:
            echo(piece, nl=False)
    except KeyboardInterrupt:
        if not interactive:
            raise
    except ConfigError as error:
        if not interactive:
            raise
        complain(error)
        return
    finally:
        reply.close()  # type: ignore[attr-defined]
    echo("")
    if (status := _status(conversation, interactive and sys.stderr.isatty())) is not None:
        echo(status, err=True)


def _status(conversation: "Conversation", terminal: bool) -> str | None:
    """A line about the last reply: what cut it, and on a terminal its length and speed."""
    if (reply := conversation.reply) is None:
        return None
    end = "context, --context" if conversation.extensible else f"model's context of {conversation.length}"
    causes = {"length": "--max-new", "window": f"the end of the {end}", "interrupt": "Ctrl-C"}
    facts = [f"cut after {reply.tokens} tokens by {causes[reply.cut]}"] if reply.cut else []
    if terminal:
        facts = [
            *(facts or [f"{reply.tokens} tokens"]),
            *([f"{reply.speed:.1f} tokens/s"] if reply.speed else []),
        ]
    return f"[{', '.join(facts)}]" if facts else None
