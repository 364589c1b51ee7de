"""How a person says how symbols are to be decoded: by the names of transformers' GenerationConfig, where it has one."""

__all__ = [
    "BeamWidth", "Expression", "MaxNewTokens", "MinP", "NoRepeat", "Penalty", "Schema", "StopStrings", "TopK", "TopP", "choose_rules",
]  # fmt: skip

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

if TYPE_CHECKING:
    from morphogen.families.autoregressive import Rule

TopK = Annotated[int | None, Option(help="only the k most likely symbols; 0: all")]
TopP = Annotated[float | None, Option(help="only the fewest symbols whose probability reaches p")]
MinP = Annotated[float | None, Option(help="only symbols at least p times as likely as the most likely one")]
Penalty = Annotated[float | None, Option(help="above 1: what stands already becomes less likely")]
NoRepeat = Annotated[int | None, Option("--no-repeat-ngram", help="no n symbols in a row stand twice")]
BeamWidth = Annotated[int | None, Option(help="beam search of this width: the likeliest texts instead of drawn ones")]
StopStrings = Annotated[list[str] | None, Option(help="end a text behind this string; may be given several times")]
MaxNewTokens = Annotated[int | None, Option("--max-new", help="new symbols at most")]
Schema = Annotated[Path | None, Option("--json-schema", help="a file: every text is JSON of its schema")]
Expression = Annotated[str | None, Option(help="every text matches this regular expression")]

NUMBERS = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "no_repeat_ngram_size")


def choose_rules(asked: Mapping[str, Any], text: Any) -> tuple["Rule", ...]:
    """The rules that options ask for, in the order in which they apply.

    Arguments:
        asked: options by name: the `NUMBERS`, `max_new`, `stop`, `regex`, `json_schema`; those that were not given are left out.
        text: the representation of what is drawn.
    """
    from morphogen.families.autoregressive import JsonSchema, MaxNew, Regex, Rule, Stop, rules_of

    rules: list[Rule] = []
    if "max_new" in asked:
        rules.append(MaxNew(asked["max_new"]))
    if "stop" in asked:
        rules.append(Stop(tuple(asked["stop"]), text))
    if "regex" in asked:
        rules.append(Regex(asked["regex"], text))
    if "json_schema" in asked:
        rules.append(JsonSchema(_schema(asked["json_schema"]), text))
    return (*rules, *rules_of(**{name: asked[name] for name in NUMBERS if name in asked}))


def _schema(path: Path) -> str:
    from morphogen.cli.arguments import BadArgument

    try:
        return path.read_text(encoding="utf8")
    except UnicodeDecodeError:
        raise BadArgument(f"--json-schema {path}: is no text; give a file of JSON") from None
