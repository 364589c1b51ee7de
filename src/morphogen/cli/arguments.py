"""Convert arguments of the command line to values; each error names the option, its value and the remedy."""

__all__ = [
    "budget",
    "changes",
    "check_complete",
    "choose",
    "choose_class",
    "choose_conditions",
    "choose_device",
    "choose_indices",
    "choose_label",
    "choose_precision",
    "choose_sampler",
    "choose_weights",
    "open_file",
    "seconds",
    "table_options",
]

import difflib
import inspect
import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, get_args

from morphogen.cli.bad_argument import BadArgument
from morphogen.similar_names import did_you_mean, list_names

if TYPE_CHECKING:
    from morphogen.contract import ConditionSpec
    from morphogen.numerics.trees import Tree
    from morphogen.run import Run


def seconds(text: str) -> float:
    """The seconds of a duration: `30s`, `10m`, `1h` or a plain number of seconds."""
    unit = {"s": 1, "m": 60, "h": 3600}.get(text[-1:], 1)
    try:
        value = float(text.rstrip("smh")) * unit
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise BadArgument(f"{text!r} is not a duration; write 30s, 10m or 1h")
    return value


def budget(time: str | None, steps: int | None, default: str) -> dict[str, Any]:
    """The training budget, as steps or as time in seconds; the `default` time if neither is given."""
    if time is not None and steps is not None:
        raise BadArgument("--time and --steps exclude each other; give one of them")
    if steps is not None and steps <= 0:
        raise BadArgument(f"--steps {steps}: must be positive")
    return {"steps": steps, "time": None if steps else seconds(default if time is None else time)}


def changes(assignments: list[str]) -> dict[str, Any]:
    """Parse `network.channels=64` into {"network.channels": 64}; values are JSON, or else strings."""
    values = {}
    for assignment in assignments:
        path, equals, value = assignment.partition("=")
        if not equals or not path:
            raise BadArgument(f"--set {assignment}: write it as path=value, for example network.channels=64")
        try:
            values[path] = json.loads(value)
        except json.JSONDecodeError:
            values[path] = value
    return values


def table_options(texts: Sequence[str] | None) -> dict[str, str] | None:
    """The options of a table by name: `decimal=,` is {"decimal": ","}; `load_data` checks them.

    Errors: BadArgument for an option that is given twice.
    """
    options: dict[str, str] = {}
    for name, _, value in (text.partition("=") for text in texts or ()):
        if name in options:
            both = f"--table {name}={options[name]} and {name}={value}"
            raise BadArgument(f"{both}: give it once, with commas between several names")
        options[name] = value
    return options or None


def choose_device(name: str) -> str:
    """A device that torch can use on this machine; auto: the GPU if there is one."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError):
        raise BadArgument(f"--device {name}: not available on this machine; use cpu or auto") from None
    return name


def choose(option: str, name: str, names: Any) -> Any:
    """One of the names of a `Literal`, such as `Precision`."""
    *first, last = get_args(names)
    if name not in (*first, last):
        raise BadArgument(f"{option} {name}: unknown; use {', '.join(first)} or {last}")
    return name


def choose_precision(name: str) -> Any:
    """The numerical precision."""
    from morphogen.numerics.precision import Precision

    return choose("--precision", name, Precision)


def choose_sampler(
    model: Any,
    name: str | None,
    guidance: float,
    numeric: Mapping[str, Any],
    other: Mapping[str, Any],
    default: Any = None,
) -> Any:
    """A sampler with the options that were given; of a cascade that is only guided, one for each stage.

    Arguments:
        model: the model to sample.
        name: class name of the sampler, in any case; None: beam search if `beam` is given, else the default.
        guidance: scale of classifier-free guidance; 1: off.
        numeric: numeric options by name; None for those that were not given.
        other: the remaining options by name, likewise.
        default: the default sampler; None: the objective's.
    """
    from morphogen.conditioning.guidance import Guided
    from morphogen.model import generative
    from morphogen.staged import Cascade, guided_samplers

    given = {option: value for option, value in {**numeric, **other}.items() if value is not None}
    _check_numbers({option: given[option] for option in numeric if option in given} | {"guidance": guidance})
    if not given and guidance != 1 and isinstance(model, Cascade) and default is None:
        return guided_samplers(model, guidance)
    default = generative(model.objective).default_sampler() if default is None else default
    inner = default.arguments.get("decoding")  # of a sampler of latents, which the options are for
    chosen = _with_options(model, default if inner is None else inner, name, given)
    if inner is not None:
        chosen = type(default)(**default.arguments | {"decoding": chosen})
    return chosen if guidance == 1 else Guided(chosen, guidance)


def choose_conditions(
    run: "Run", specs: Mapping[str, "ConditionSpec"], texts: Sequence[str], option: str = "--condition"
) -> "dict[str, Tree]":
    """Conditions by name, from `name=value`; a model with one condition needs no name.

    A label may be named by the column that it was read from, as in `--condition kind=Merlot`, and a cell by
    any other column of a table.

    Arguments:
        run: of the model.
        specs: the conditions that the model takes.
        texts: the values of the option, in a person's words.
        option: its name.
    """
    from morphogen.component import ConfigError

    chosen, where, column = {}, run.where, run.record["settings"].get("condition")
    for text, given in _joined(specs, texts, column).items():
        name, equals, value = text.partition("=")
        name = "label" if name == column else name
        is_named = bool(equals) and name in specs
        if not is_named:
            whole = [known for known, spec in specs.items() if not spec.parts] or [*specs]
            name, value = next(iter(whole), ""), text
            if len(whole) != 1:
                words = ["COLUMN=..." if spec.parts else f"{known}=..." for known, spec in specs.items()]
                takes = f"write {' or '.join(words)}" if specs else "leave it out"
                kind = f"takes {len(specs)} conditions" if specs else "was trained without conditions"
                raise BadArgument(f"{option} {given}: {where} {kind}: {takes}")
        try:
            parsed = specs[name].parse(value)
        except ConfigError as error:
            why = error if is_named else _unknown(specs, text, column) or error
            raise BadArgument(f"{option} {given}: {where}: {why}") from None
        if name in chosen:
            raise BadArgument(f"{option} {given}: {name} is given twice; give it once")
        chosen[name] = parsed
    return chosen


def check_complete(
    run: "Run",
    model: Any,
    specs: Mapping[str, "ConditionSpec"],
    chosen: Mapping[str, Any],
    texts: Sequence[str],
) -> None:
    """Errors: BadArgument if some conditions are given, but not the classes that the model requires too."""
    required = () if model.conditioner is None or not chosen else model.conditioner.required
    for name in required:
        if name not in chosen and (names := getattr(specs.get(name), "names", ())):
            column = run.record["settings"].get("condition") or name
            raise BadArgument(
                f"--condition {' '.join(texts)}: {run.where} needs the class too: "
                f"add --condition {quote(f'{column}={names[0]}')} (or {list_names(names[1:])})"
            )


def choose_class(run: "Run", text: str, option: str = "--condition") -> int:
    """The place of a class given by name; `index:7` is the place 7."""
    return int(choose_label(run, text, option)["label"])


def choose_label(run: "Run", text: str, option: str = "--condition") -> dict[str, Any]:
    """The condition that is a class given by name, {"label": its place}."""
    label = {name: spec for name, spec in run.conditions.items() if name == "label"}
    return choose_conditions(run, label, [text], option)


def choose_weights(name: str) -> Any:
    """The format of weight matrices: fp32 (None), bf16, int8, int4, or the smallest exact one."""
    from morphogen.inference import BFloat16, Exact, Int4, Int8

    formats = {"fp32": None, "bf16": BFloat16(), "int8": Int8(), "int4": Int4(), "exact": Exact()}
    if name not in formats:
        raise BadArgument(f"--weights {name}: unknown; use {', '.join(formats)}")
    return formats[name]


def choose_indices(n: int | None, text: str | None) -> list[int]:
    """Indices of the samples to draw: the first n, or the distinct ones of `3`, `3,7,12` or `0-15`."""
    if text is None:
        if n is not None and n <= 0:
            raise BadArgument(f"--n {n}: must be positive")
        return list(range(16 if n is None else n))
    indices: dict[int, None] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,9})(?:-(\d{1,9}))?\s*", part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise BadArgument(
                f"--indices {text}: {part.strip()!r} is not a number or range; write 3, or 3,7,12, or 0-15"
            )
        indices |= dict.fromkeys(range(int(match[1]), int(match[2] or match[1]) + 1))
    if n is not None and n != len(indices):
        raise BadArgument(f"--indices {text} selects {len(indices)} samples, --n {n}: give one of the two")
    return list(indices)


def open_file(path: Path) -> None:
    """Open a file in the desktop's viewer."""
    import os
    import shutil
    import subprocess

    if sys.platform == "win32":
        os.startfile(path)
        return
    name = "open" if sys.platform == "darwin" else "xdg-open"
    program = shutil.which(name)
    if program is None:
        raise BadArgument(f"--open: {name} is not installed; the picture is {path}")
    done = subprocess.run([program, str(path)], capture_output=True, text=True, check=False)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[0]
        raise BadArgument(f"--open: {name} failed ({why}); the picture is {path}")


def _joined(specs: "Mapping[str, ConditionSpec]", texts: Sequence[str], column: str | None) -> dict[str, str]:
    """The texts, with what a person wrote; those that give parts of one condition are one text.

    It is `name=PART=VALUE`, with a part a line.
    """
    whole: dict[str, str] = {}
    parts: dict[str, list[str]] = {}
    for text in texts:
        name = text.partition("=")[0]
        owner = next((known for known, spec in specs.items() if name in spec.parts), None)
        if owner is None or name == column or "=" not in text:
            whole[text] = text
        else:
            parts.setdefault(owner, []).append(text)
    return whole | {f"{owner}={chr(10).join(lines)}": " ".join(lines) for owner, lines in parts.items()}


def _unknown(specs: "Mapping[str, ConditionSpec]", text: str, column: str | None) -> str:
    """What is wrong with NAME=VALUE that names neither a column nor a condition; "": it is no NAME=VALUE."""
    name, equals, _ = text.partition("=")
    known = [part for spec in specs.values() for part in spec.parts]
    named = [column or known_name for known_name, spec in specs.items() if not spec.parts]
    if not (equals and known and named):
        return ""
    names = [*named, *known]
    return (
        f"no column is named {name!r}, or it is the same in every row; {did_you_mean(name, names)}"
        f"the columns are {list_names(names)}"
    )


def _check_numbers(values: Mapping[str, Any]) -> None:
    """Errors: BadArgument for a value that is not finite, or too small."""
    least = {
        "steps": (1, "a whole number above 0"),
        "temperature": (0, "a number of 0 or more"),
        "beam": (1, "a whole number above 0"),
        "guidance": (-math.inf, "a number; 1 is off"),
    }
    for option, value in values.items():
        low, valid = least.get(option, (-math.inf, "a number"))
        if not math.isfinite(value) or value < low:
            raise BadArgument(f"--{option.replace('_', '-')} {value}: give {valid}")


def _with_options(model: Any, default: Any, name: str | None, given: dict[str, Any]) -> Any:
    """The sampler of this name, or the default, with the options that were given."""
    from morphogen.cli.decoding import accepted_options, choose_processors, flags

    cls = _sampler_class(default, name or ("beam" if "beam" in given else None))
    parameters = set(inspect.signature(cls).parameters)
    options = {"width": given.pop("beam")} if "beam" in given and "width" in parameters else {}
    if "processors" in parameters:  # a decoder: the other options are logits processors
        names = [option for option in given if option not in ("steps", "beam")]
        processors = choose_processors({option: given.pop(option) for option in names}, model.representation)
        options |= {"processors": processors} if processors else {}
    if unknown := sorted(given.keys() - parameters):
        raise BadArgument(
            f"{cls.__name__} does not accept {', '.join(unknown)}; "
            f"leave {flags(unknown)} out{accepted_options(cls, model.representation)}"
        )
    options |= given
    if name is not None or cls is not type(default) or options:
        default = cls(**(default.arguments if cls is type(default) else {}) | options)
    return default


def _sampler_class(default: Any, name: str | None) -> Any:
    """The sampler class of that name, in any case. Errors: BadArgument with the closest names."""
    from morphogen.component import Component
    from morphogen.contract import Sampler

    if name is None:
        return type(default)
    classes = {
        key.lower(): cls
        for key, cls in Component.registry.items()
        if issubclass(cls, Sampler) and not inspect.isabstract(cls) and _has_defaults(cls)
    }
    if (cls := classes.get(name.lower())) is None:
        near = difflib.get_close_matches(name.lower(), classes, cutoff=0.4) or sorted(classes)
        raise BadArgument(f"--sampler {name}: unknown; did you mean {', '.join(near)}?")
    return cls


def _has_defaults(cls: type) -> bool:
    """Whether the constructor needs no argument, unlike that of a sampler that wraps another."""
    parameters = inspect.signature(cls).parameters.values()
    return all(parameter.default is not parameter.empty for parameter in parameters)
