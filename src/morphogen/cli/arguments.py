"""How words of the command line become values."""

__all__ = ["BadArgument", "changes", "choose_device", "choose_sampler", "seconds"]

import difflib
import inspect
import json
from typing import Any


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
