"""Nothing is longer than a reader can hold.

Lines are counted as they stand in the file, every one: decorators, signature, docstring, comments and blanks. That is the strictest
way to count, and it asks for a signature that fits and a docstring that comes to the point.
"""

__all__ = ["CHECKS"]

import ast
from collections.abc import Iterable, Iterator

from .source import Checks, Function, Page, mutant, ours, package

FILE, SYSTEM, FUNCTION, CLASS = 400, 120, 40, 150


def files_are_short(page: Page) -> Iterator[str]:
    if (lines := len(page.text.splitlines())) > FILE:
        yield f"{lines} lines; {FILE} at the most"


def systems_are_pages(page: Page) -> Iterator[str]:
    if page.floor == "systems" and (lines := len(page.text.splitlines())) > SYSTEM:
        yield f"{lines} lines; a system is a page of {SYSTEM} at the most"


def functions_are_short(page: Page) -> Iterator[str]:
    yield from _longer_than(FUNCTION, (node for node in page.nodes if isinstance(node, Function)))


def classes_are_short(page: Page) -> Iterator[str]:
    yield from _longer_than(CLASS, (node for node in page.nodes if isinstance(node, ast.ClassDef)))


CHECKS: Checks = {
    files_are_short: (ours, [mutant("x = 1\n" * 401)]),
    systems_are_pages: (package, [mutant("x = 1\n" * 121, "systems/mutant.py")]),
    functions_are_short: (ours, [mutant("@cache\ndef f():\n    return (\n" + "        1 +\n" * 36 + "        1\n    )\n")]),
    classes_are_short: (ours, [mutant('class A:\n    """Of 151 lines."""\n' + "\n    x = 1" * 149)]),
}


def _longer_than(most: int, nodes: Iterable[Function | ast.ClassDef]) -> Iterator[str]:
    for node in nodes:
        first = min(part.lineno for part in (node, *node.decorator_list))
        if (lines := (node.end_lineno or first) - first + 1) > most:
            yield f"{node.name} has {lines} lines; {most} at the most"
