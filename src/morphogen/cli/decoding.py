"""Options of text decoding, named as in transformers' GenerationConfig where it has them."""

__all__ = [
    "BeamWidth",
    "Expression",
    "MaxNewOption",
    "MinP",
    "NoRepeat",
    "Penalty",
    "Schema",
    "StopOption",
    "TopK",
    "TopP",
    "accepted_options",
    "announce_cropping",
    "choose_processors",
    "flags",
    "unescape",
]

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from morphogen.caller import option
from morphogen.cli.bad_argument import BadArgument
from morphogen.cli.echo import complain

if TYPE_CHECKING:
    from morphogen.families.autoregressive import LogitsProcessor

TopK = Annotated[int | None, Option(help="text: sample from the k most likely tokens (default: 0, all)")]
TopP = Annotated[
    float | None,
    Option(help="text: sample from the fewest tokens whose probabilities sum to p (default: 1, all)"),
]
MinP = Annotated[
    float | None,
    Option(help="text: sample from tokens at least p times as likely as the most likely (default: 0, all)"),
]
Penalty = Annotated[
    float | None, Option(help="text: above 1, tokens that have occurred become less likely (default: 1)")
]
NoRepeat = Annotated[
    int | None,
    Option("--no-repeat-ngram", help="text: no n consecutive tokens occur twice (default: 0, off)"),
]
BeamWidth = Annotated[
    int | None,
    Option(help="text: beam search with this many beams, which returns likely texts instead of samples"),
]
StopOption = Annotated[
    list[str] | None,
    Option(
        help=r"text: end before this string, which is left out; \n, \t, \r and \\ are a line end, a tab, a "
        "carriage return and a backslash; may be given several times"
    ),
]
MaxNewOption = Annotated[
    int | None,
    Option(
        "--max-new",
        help="text: maximum number of new tokens; beyond the model's window, the oldest tokens are dropped "
        "(default: to the end of the window)",
    ),
]
Schema = Annotated[
    Path | None, Option("--json-schema", help="text: file of a JSON schema that every text satisfies")
]
Expression = Annotated[str | None, Option(help="text: regular expression that every text matches")]

SAMPLING = ("temperature", "top_k", "top_p", "min_p")
PENALTIES = ("repetition_penalty", "no_repeat_ngram_size")
NUMERIC = (*SAMPLING, *PENALTIES)
OWN = {
    "steps": "steps",
    "beam": "width",
    "temperature": "temperature",
}  # options that are arguments of samplers
OF_TEXT = ("max_new", "stop", "regex", "json_schema")


def choose_processors(options: Mapping[str, Any], text: Any) -> tuple["LogitsProcessor", ...]:
    """The logits processors of the options, in the order in which they are applied.

    Arguments:
        options: the options that were given, by name: those of `NUMERIC`, `max_new`, `stop`, `regex`,
            `json_schema`.
        text: the representation of the texts.
    """
    from morphogen.families.autoregressive import (
        JsonSchema,
        LogitsProcessor,
        MaxNewTokens,
        Regex,
        StopStrings,
        logits_processors,
    )

    processors: list[LogitsProcessor] = []
    if "max_new" in options:
        processors.append(MaxNewTokens(options["max_new"]))
    if "stop" in options:
        processors.append(StopStrings(tuple(map(unescape, options["stop"])), text))
    if "regex" in options:
        processors.append(Regex(options["regex"], text))
    if "json_schema" in options:
        schema = JsonSchema(_read_schema(options["json_schema"]), text)
        processors.append(schema)
        for note in schema.notes:
            complain(f"--json-schema {options['json_schema']}: {note}")
    numeric = {name: options[name] for name in NUMERIC if name in options}
    return (*processors, *logits_processors(**numeric))


def accepted_options(sampler: Any, representation: Any) -> str:
    """The options that a class of samplers accepts, for a remedy; "": none.

    Arguments:
        sampler: the class; a decoding method takes logits processors, and refuses those of sampling if it
            does not sample.
        representation: of the samples; texts have further options.
    """
    from morphogen.component import ConfigError
    from morphogen.families.autoregressive import Temperature
    from morphogen.media.text import TEXT

    parameters = signature(sampler).parameters
    names = [name for name, parameter in OWN.items() if parameter in parameters]
    if "processors" in parameters:
        with suppress(ConfigError):
            sampler(processors=(Temperature(2.0),))
            names += SAMPLING
        names += (*PENALTIES, *(OF_TEXT if representation.medium is TEXT else ()))
    return f"; it accepts {flags(names)}" if names else ""


def flags(names: Iterable[str]) -> str:
    """Options by name, as they are typed."""
    return ", ".join(map(option, names))


def announce_cropping(window: int, prompt: int, max_new: int | None) -> None:
    """Say that a text exceeds the model's window, so that its beginning is dropped.

    Arguments:
        window: number of tokens that the model sees.
        prompt: number of tokens of the prompt.
        max_new: maximum number of new tokens; None: to the end of the window.

    Raises:
        BadArgument: if the prompt fills the window, and nothing else is asked for.
    """
    if max_new is None and prompt >= window:
        raise BadArgument(
            f"--prompt: its {prompt} tokens fill the model's window of {window}, so that nothing would be "
            "generated; shorten it, or add --max-new 100 to continue beyond the window"
        )
    if max_new is not None and prompt + max_new > window:
        complain(
            f"{prompt + max_new} tokens (--max-new {max_new}) exceed the model's window of {window}: "
            f"beyond it, the model sees the newest {window - max(1, window // 2)} to {window - 1} tokens"
        )


def unescape(text: str) -> str:
    r"""The text with a line end, tab, carriage return and backslash for \n, \t, \r and \."""
    escapes = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
    return re.sub(r"\\([ntr\\])", lambda found: escapes[found[1]], text)


def _read_schema(path: Path) -> str:
    try:
        return path.read_text(encoding="utf8")
    except UnicodeDecodeError:
        raise BadArgument(f"--json-schema {path}: is not a text file; give a file of JSON") from None
