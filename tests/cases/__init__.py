"""Data as people have them: each case is a test with a tiny generated file, and a row of docs/data.md.

    @case("a first line `sep=;`", "the table that follows it, separated as it says", source="csvtk#13")
    def test_a_line_that_names_the_separator(tmp_path: Path) -> None: ...

The first line of a module's docstring is the title of its table; `python docs/hooks/data_page.py` writes it.
"""

__all__ = ["Case", "case", "own_notes", "sections"]

import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar

from morphogen.data import Dataset
from morphogen.data.part_sizes import small_parts

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Case:
    """A row of the page.

    Arguments:
        have: what people have, in Markdown.
        reads: what morphogen makes of it.
        source: a public bug report, "project#number", or "".
    """

    have: str
    reads: str
    source: str = ""


def case(have: str, reads: str, source: str = "") -> Callable[[F], F]:
    """Decorator: the test of a case. A test may have several."""

    def attach(test: F) -> F:
        test.cases = [Case(have, reads, source), *getattr(test, "cases", [])]  # type: ignore[attr-defined]
        return test

    return attach


def own_notes(data: Dataset) -> tuple[str, ...]:
    """The notes on a data set, without those on its small parts, which those of tests have."""
    sizes = small_parts(data)
    return tuple(note for note in data.notes if note not in sizes)


def sections() -> Mapping[str, Sequence[Case]]:
    """The cases of each module by its title; within a module the cases with a source first."""
    modules = [import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    found = {}
    for module in modules:
        title = (module.__doc__ or "").splitlines()[0].rstrip(".")
        tests = [value for name, value in vars(module).items() if name.startswith("test_")]
        cases = [one for test in tests for one in getattr(test, "cases", [])]
        found[title] = sorted(cases, key=lambda one: not one.source)
    return found
