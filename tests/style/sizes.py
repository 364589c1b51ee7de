"""Checks of size: files, functions and classes are short, and a system fits on a page.

All lines count: decorators, signature, docstring, comments and blank lines.
"""

__all__ = ["CHECKS"]

import ast
from collections.abc import Iterable, Iterator

from .source import Checks, Function, SourceFile, mutant, package_files, project_files

FILE, SYSTEM, FUNCTION, CLASS = 400, 120, 40, 150


def files_are_short(file: SourceFile) -> Iterator[str]:
    if (lines := len(file.text.splitlines())) > FILE:
        yield f"{lines} lines; the limit is {FILE}"


def systems_are_pages(file: SourceFile) -> Iterator[str]:
    if file.subpackage == "systems" and (lines := len(file.text.splitlines())) > SYSTEM:
        yield f"{lines} lines; the limit of a system is {SYSTEM}"


def functions_are_short(file: SourceFile) -> Iterator[str]:
    yield from _longer_than(FUNCTION, (node for node in file.nodes if isinstance(node, Function)))


def classes_are_short(file: SourceFile) -> Iterator[str]:
    yield from _longer_than(CLASS, (node for node in file.nodes if isinstance(node, ast.ClassDef)))


CHECKS: Checks = {
    files_are_short: (project_files, [mutant("x = 1\n" * 401)]),
    systems_are_pages: (package_files, [mutant("x = 1\n" * 121, "systems/mutant.py")]),
    functions_are_short: (
        project_files,
        [mutant("@cache\ndef f():\n    return (\n" + "        1 +\n" * 36 + "        1\n    )\n")],
    ),
    classes_are_short: (project_files, [mutant('class A:\n    """Of 151 lines."""\n' + "\n    x = 1" * 149)]),
}


def _longer_than(most: int, nodes: Iterable[Function | ast.ClassDef]) -> Iterator[str]:
    for node in nodes:
        first = min(part.lineno for part in (node, *node.decorator_list))
        if (lines := (node.end_lineno or first) - first + 1) > most:
            yield f"{node.name} has {lines} lines; the limit is {most}"
