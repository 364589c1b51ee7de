"""morphogen chat gguf:smollm2: converse with a pretrained model that a GGUF file holds, here and on no other machine."""

__all__ = ["chat"]

from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

if TYPE_CHECKING:
    from morphogen.inference import Conversation


def chat(
    model: Annotated[str, Argument(help="gguf:smollm2, or gguf:PATH of a file")],
    message: Annotated[str | None, Option(help="say this, print the reply and end")] = None,
    system: Annotated[str | None, Option(help="what the model is told before all else")] = None,
    max_new: Annotated[int, Option(help="tokens of a reply at most")] = 256,
    temperature: Annotated[float, Option(help="0: always the likeliest word; 1: the model's own law")] = 0.7,
    weights: Annotated[str, Option(help="how matrices are held: fp32, bf16 or int8")] = "fp32",
    context: Annotated[int, Option(help="tokens of a conversation at most")] = 2048,
    seed: int = 0,
    device: Annotated[str, Option(help="cpu, cuda or auto")] = "auto",
) -> None:
    """Converse with a pretrained model. A pipe's lines are turns; /new begins anew, /quit ends, Ctrl-C stops a reply."""
    import os
    import sys

    import typer

    if max_new < 1 or context < 2:
        raise typer.BadParameter(f"--max-new {max_new}, --context {context}: give numbers above 0 and 1")
    conversation = _open(model, system, temperature, weights, context, seed, device)
    try:
        if message is not None:
            _reply(conversation, message, max_new)
        else:
            _turns(conversation, max_new, sys.stdin.isatty())
    except BrokenPipeError:  # who reads has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(141) from None


def _open(model: str, system: str | None, temperature: float, weights: str, context: int, seed: int, device: str) -> "Conversation":
    """The model, its template and how it is to speak."""
    from morphogen.cli.arguments import choose_device, choose_weights
    from morphogen.families.autoregressive.decoding import Ancestral, rules_of
    from morphogen.inference import Conversation, Quantized, lay_out
    from morphogen.interop.gguf import GGUF
    from morphogen.interop.gguf_llama import read_model
    from morphogen.interop.gguf_named import locate
    from morphogen.interop.gguf_tokenizer import control_words, read_template

    held, decoding, file = choose_weights(weights), Ancestral(rules_of(temperature=temperature)), GGUF(locate(model))
    template, control = read_template(file), control_words(file)
    found = read_model(file, context)
    text: Any = found.representation
    light = (lay_out(found) if held is None else Quantized(found, held)).to(choose_device(device))
    return Conversation(light, lambda turns: template.ids(turns, text.ids, control), decoding, system, seed)


def _turns(conversation: "Conversation", max_new: int, at_a_terminal: bool) -> None:
    """One turn a line, until the lines end."""
    while True:
        try:
            line = input("> " if at_a_terminal else "")
        except EOFError:
            return
        if line.strip() == "/quit":
            return
        if line.strip() == "/new":
            conversation.begin()
        elif line.strip():
            _reply(conversation, line, max_new, keep_on=at_a_terminal)


def _reply(conversation: "Conversation", message: str, max_new: int, keep_on: bool = False) -> None:
    """Print the reply as it comes; `keep_on`: Ctrl-C, and what cannot be answered, end this reply alone."""
    import typer

    from morphogen.component import ConfigError

    reply = conversation.say(message, max_new)
    try:
        for piece in reply:
            typer.echo(piece, nl=False)
    except KeyboardInterrupt:
        if not keep_on:
            raise
    except ConfigError as error:
        if not keep_on:
            raise
        typer.echo(f"morphogen: {error}", err=True, nl=False)
    finally:
        reply.close()  # type: ignore[attr-defined]
    typer.echo("")
