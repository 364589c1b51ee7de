"""`morphogen chat gguf:smollm2`: converse with a pretrained model from a GGUF file, on this machine."""

__all__ = ["chat"]

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from morphogen.cli.arguments import choose_device, choose_weights
from morphogen.cli.echo import echo
from morphogen.cli.options import Device, Seed

if TYPE_CHECKING:
    from morphogen.inference import Conversation


ModelFile = Annotated[str, Argument(help="gguf:smollm2, or gguf:PATH of a GGUF file")]
Message = Annotated[
    str | None, Option(help="send this message, print the reply and exit (default: interactive)")
]
System = Annotated[str | None, Option(help="system prompt (default: that of the model's chat template)")]
MaxNewOption = Annotated[int, Option(help="maximum length of a reply, in tokens")]
Temperature = Annotated[
    float, Option(help="softmax temperature; 0: the most likely token, 1: the model's own distribution")
]
Weights = Annotated[str, Option(help="format that weight matrices are stored in: fp32, bf16 or int8")]
ContextLength = Annotated[int, Option(help="maximum length of the conversation, in tokens")]


def chat(
    model: ModelFile, message: Message = None, system: System = None, max_new: MaxNewOption = 256,
    temperature: Temperature = 0.7, weights: Weights = "fp32", context: ContextLength = 2048, seed: Seed = 0,
    device: Device = "auto",
) -> None:  # fmt: skip
    """Converse with a pretrained model.

    One turn per line of input; /new starts a new conversation, /quit exits, Ctrl-C stops a reply.
    """
    if max_new < 1 or context < 2:
        raise typer.BadParameter(
            f"--max-new {max_new}, --context {context}: must be at least 1 and at least 2"
        )
    conversation = _open(model, system, temperature, weights, context, seed, device)
    try:
        if message is not None:
            _reply(conversation, message, max_new)
        else:
            _loop(conversation, max_new, sys.stdin.isatty())
    except BrokenPipeError:  # the reader of the output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(141) from None


def _open(
    model: str, system: str | None, temperature: float, weights: str, context: int, seed: int, device: str
) -> "Conversation":
    """Load the model, its chat template and its tokenizer."""
    from morphogen.families.autoregressive.decoding import Ancestral, logits_processors
    from morphogen.inference import Conversation, Quantized, prepack_weights
    from morphogen.interop.gguf import GGUF
    from morphogen.interop.gguf_llama import read_model
    from morphogen.interop.gguf_named import locate
    from morphogen.interop.gguf_tokenizer import control_tokens, read_template

    weight_format = choose_weights(weights)
    decoding = Ancestral(logits_processors(temperature=temperature))
    file = GGUF(locate(model))
    template, control = read_template(file), control_tokens(file)
    language_model = read_model(file, context)
    text: Any = language_model.representation
    packed = (
        prepack_weights(language_model) if weight_format is None else Quantized(language_model, weight_format)
    ).to(choose_device(device))
    return Conversation(packed, lambda turns: template.ids(turns, text.ids, control), decoding, system, seed)


def _loop(conversation: "Conversation", max_new: int, interactive: bool) -> None:
    """Reply to each line of the input until it ends."""
    while True:
        try:
            line = input("> " if interactive else "")
        except EOFError:
            return
        if line.strip() == "/quit":
            return
        if line.strip() == "/new":
            conversation.begin()
        elif line.strip():
            _reply(conversation, line, max_new, interactive)


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
        echo(f"morphogen: {error}", err=True, nl=False)
    finally:
        reply.close()  # type: ignore[attr-defined]
    echo("")
