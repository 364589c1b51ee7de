"""How words of the command line become values."""

__all__ = [
    "BadArgument", "budget", "changes", "choose_class", "choose_device", "choose_indices", "choose_precision",
    "choose_sampler", "choose_weights", "open_file", "seconds",
]  # fmt: skip

import difflib
import inspect
import json
import math
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from morphogen.run import Run


class BadArgument(ValueError):
    """A word of the command line that means nothing here; the message names it and the remedy."""


def seconds(text: str) -> float:
    """`30s`, `10m`, `1h` or a plain number of seconds."""
    unit = {"s": 1, "m": 60, "h": 3600}.get(text[-1:], 1)
    try:
        value = float(text.rstrip("smh")) * unit
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise BadArgument(f"{text!r} is no duration; write 30s, 10m or 1h")
    return value


def budget(time: str | None, steps: int | None, default: str) -> dict[str, Any]:
    """Seconds or steps, one of the two, as a person gave them; a `default` time if neither."""
    if time is not None and steps is not None:
        raise BadArgument("--time and --steps: give one of them")
    if steps is not None and steps <= 0:
        raise BadArgument(f"--steps {steps}: must be positive")
    return {"steps": steps, "time": None if steps else seconds(default if time is None else time)}


def changes(assignments: list[str]) -> dict[str, Any]:
    """`network.channels=64` to {"network.channels": 64}; values are JSON where they can be."""
    found = {}
    for assignment in assignments:
        path, equals, value = assignment.partition("=")
        if not equals or not path:
            raise BadArgument(f"--set {assignment}: write it as path=value, for example network.channels=64")
        try:
            found[path] = json.loads(value)
        except json.JSONDecodeError:
            found[path] = value
    return found


def choose_device(name: str) -> str:
    """A device torch has here; auto: the GPU if there is one."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError):
        raise BadArgument(f"--device {name}: not here; use cpu or auto") from None
    return name


def choose_precision(name: str) -> Any:
    """In how many digits to train. Errors: BadArgument for another name."""
    if name not in ("auto", "fp32", "bf16"):
        raise BadArgument(f"--precision {name}: unknown; use fp32, bf16 or auto")
    return name


def choose_sampler(
    model: Any, name: str | None, guidance: float, numbers: Mapping[str, Any], words: Mapping[str, Any], own: Any = None
) -> Any:
    """A sampler by its name (any case), with those of the options that were given; None: the model's own, or a beam if one is asked.

    Arguments:
        model: whose samples are drawn.
        name, guidance: as the person gave them.
        numbers, words: the other options by name, None where the person gave none; those that are numbers, and those that are not.
        own: the model's sampler for what is asked; None: the objective's.
    """
    from morphogen.cli.decoding import choose_rules
    from morphogen.conditioning.guidance import Guided

    given = {k: v for k, v in {**numbers, **words}.items() if v is not None}
    _check_numbers({k: given[k] for k in numbers if k in given} | {"guidance": guidance})
    default = model.objective.sampler() if own is None else own
    cls = _sampler(default, name or ("beam" if "beam" in given else None))
    known = set(inspect.signature(cls).parameters)
    options = {"width": given.pop("beam")} if "beam" in given and "width" in known else {}
    if "rules" in known:  # a decoder: what is no number of its own is a rule
        rules = choose_rules({k: given.pop(k) for k in [*given] if k not in ("steps", "beam")}, model.representation)
        options |= {"rules": rules} if rules else {}
    if unknown := sorted(given.keys() - known):
        takes = sorted((known - {"rules", "width"}) | ({"temperature", "top_k", "top_p", "..."} if "rules" in known else set()))
        raise BadArgument(f"{cls.__name__} takes no {', '.join(unknown)}; it takes {', '.join(takes) or 'nothing'}")
    options |= given
    unasked = name is None and cls is type(default) and not options
    sampler: Any = default if unasked else cls(**_own(default, cls) | options)
    return sampler if guidance == 1 else Guided(sampler, guidance)


def choose_class(run: "Run", text: str, option: str = "--condition") -> int:
    """A class by its name, else by its number; `index:7` is class number 7 even where another is called 7."""
    classes = [str(known) for known in run.record["settings"].get("classes") or ()]
    word, colon, number = text.partition(":")
    if not colon or word != "index" or text in classes:
        return run.label(text)
    if not number.isdecimal() or int(number) >= len(classes):
        raise BadArgument(f"{option} {text}: {run.directory} has {len(classes)} classes; write index:0 to index:{max(0, len(classes) - 1)}")
    return int(number)


def choose_weights(name: str) -> Any:
    """How matrices are held: fp32 (None), bf16 or int8."""
    from morphogen.inference import BFloat16, Int8

    kinds = {"fp32": None, "bf16": BFloat16(), "int8": Int8()}
    if name not in kinds:
        raise BadArgument(f"--weights {name}: there are {', '.join(kinds)}")
    return kinds[name]


def choose_indices(n: int | None, text: str | None) -> list[int]:
    """Which samples of the stream: the first n, or those of `3`, `3,7,12`, `0-15`, each once."""
    if text is None:
        if n is not None and n <= 0:
            raise BadArgument(f"--n {n}: must be positive")
        return list(range(16 if n is None else n))
    found: dict[int, None] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,9})(?:-(\d{1,9}))?\s*", part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise BadArgument(f"--indices {text}: {part.strip()!r} is no number or range; write 3, or 3,7,12, or 0-15")
        found |= dict.fromkeys(range(int(match[1]), int(match[2] or match[1]) + 1))
    if n is not None and n != len(found):
        raise BadArgument(f"--indices {text} are {len(found)} samples, --n {n}: give one of the two")
    return list(found)


def open_file(path: Path) -> None:
    """Show a file in the desktop's viewer."""
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


def _check_numbers(given: Mapping[str, Any]) -> None:
    """Errors: BadArgument for what is no number, or too small a one."""
    least = {"steps": (1, "a whole number above 0"), "temperature": (0, "a number of 0 or more"), "beam": (1, "a whole number above 0")}
    for option, value in given.items():
        low, what = least.get(option, (-math.inf, "a number; 1 is off" if option == "guidance" else "a number"))
        if not math.isfinite(value) or value < low:
            raise BadArgument(f"--{option.replace('_', '-')} {value}: give {what}")


def _sampler(default: Any, name: str | None) -> Any:
    """The class of that name. Errors: BadArgument with those that are like it."""
    from morphogen.component import Component
    from morphogen.contract import Sampler

    if name is None:
        return type(default)
    classes = {n.lower(): c for n, c in Component.table.items() if issubclass(c, Sampler) and not inspect.isabstract(c) and _complete(c)}
    if (found := classes.get(name.lower())) is None:
        near = difflib.get_close_matches(name.lower(), classes, cutoff=0.4) or sorted(classes)
        raise BadArgument(f"--sampler {name}: unknown; did you mean {', '.join(near)}?")
    return found


def _complete(cls: type) -> bool:
    """Whether it can be made without a word: a sampler around another cannot."""
    return all(parameter.default is not parameter.empty for parameter in inspect.signature(cls).parameters.values())


def _own(default: Any, cls: Any) -> dict[str, Any]:
    """The numbers of the objective's own sampler, if it is of that class."""
    return default.arguments if cls is type(default) else {}
