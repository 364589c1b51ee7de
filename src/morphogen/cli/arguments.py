"""How words of the command line become values."""

__all__ = [
    "BadArgument", "changes", "choose_class", "choose_device", "choose_indices", "choose_sampler", "choose_weights",
    "open_file", "seconds",
]  # fmt: skip

import difflib
import inspect
import json
import math
import re
import sys
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


def choose_sampler(default: Any, name: str | None, guidance: float, **options: Any) -> Any:
    """A sampler by its name (any case), with those of `options` that were given; None: the objective's own."""
    from morphogen.component import Component
    from morphogen.conditioning.guidance import Guided
    from morphogen.contract import Sampler

    given = {k: v for k, v in options.items() if v is not None}
    for option, value in (given | {"guidance": guidance}).items():
        if not math.isfinite(value) or (option == "steps" and value < 1) or (option == "temperature" and value < 0):
            least = {"steps": "a whole number above 0", "temperature": "a number of 0 or more"}.get(option, "a number; 1 is off")
            raise BadArgument(f"--{option} {value}: give {least}")
    classes = {n.lower(): c for n, c in Component.table.items() if issubclass(c, Sampler) and not inspect.isabstract(c)}
    cls = type(default) if name is None else classes.get(name.lower())
    if cls is None:
        near = difflib.get_close_matches(str(name).lower(), classes, cutoff=0.4) or sorted(classes)
        raise BadArgument(f"--sampler {name}: unknown; did you mean {', '.join(near)}?")
    known = set(inspect.signature(cls).parameters)
    if unknown := sorted(given.keys() - known):
        raise BadArgument(f"{cls.__name__} takes no {', '.join(unknown)}; it takes {', '.join(sorted(known)) or 'nothing'}")
    sampler = default if name is None and not given else cls(**(default.arguments if cls is type(default) else {}) | given)
    return sampler if guidance == 1 else Guided(sampler, guidance)


def choose_class(run: "Run", text: str) -> int:
    """A class by its name, else by its number; `index:7` is class number 7 even where another is called 7."""
    classes = [str(known) for known in run.record["settings"].get("classes") or ()]
    word, colon, number = text.partition(":")
    if not colon or word != "index" or text in classes:
        return run.label(text)
    if not number.isdecimal() or int(number) >= len(classes):
        raise BadArgument(
            f"--condition {text}: {run.directory} has {len(classes)} classes; write index:0 to index:{max(0, len(classes) - 1)}"
        )
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
