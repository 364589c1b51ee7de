"""Checks of citations and measured figures.

Classes of families, networks and conditioning, and functions of evaluation, cite author and year in their
docstring or in that of their file, or state "No paper:" and a reason. Systems cite too, and state their
result: a figure with its unit, the record that contains it, or "not measured".
"""

__all__ = ["CHECKS"]

import ast
import re
from collections.abc import Iterator

from .source import PACKAGE, ROOT, Checks, SourceFile, functions, mutant, package_files

CITED = re.compile(
    r"\b[A-Z]\w[\w\-]*(?:[\s,&]+(?:et\s+al\.|and|de|den|van|[A-Z][\w\-]+))*,?\s+"  # authors
    r"\(?(?:1[789]|20)\d\d[a-z]?\b"  # year
    r"|No paper: \w"
)
MEASURED = re.compile(
    r"\d\s?(?:\+- [\d.]+ )?(?:bits/dim|bits/byte|bits a cell|nats)"
    r"|Frechet \d|SDMetrics 0\.\d|\bnot measured\b"
)
RECORD = re.compile(r"recipes/results/[\w.-]+\.json")


def papers_are_cited(file: SourceFile) -> Iterator[str]:
    if file.subpackage not in ("families", "networks", "conditioning", "evaluation"):
        return
    if CITED.search(file.docstring):
        return
    kinds = ast.ClassDef | ast.FunctionDef if file.subpackage == "evaluation" else ast.ClassDef
    for node in file.tree.body:
        if not isinstance(node, kinds) or node.name.startswith("_"):
            continue
        if not CITED.search(ast.get_docstring(node) or ""):
            yield f"{node.name} has no citation; give author and year, or 'No paper:' and a reason"


def systems_are_cited(file: SourceFile) -> Iterator[str]:
    if file.subpackage == "systems" and file.path.stem != "__init__" and not CITED.search(_words(file)):
        yield "has no citation; give author and year"


def systems_are_measured(file: SourceFile) -> Iterator[str]:
    if file.subpackage != "systems" or file.path.stem == "__init__":
        return
    records = RECORD.findall(_words(file))
    if lost := [record for record in records if not (ROOT / PACKAGE / record).exists()]:
        yield f"refers to missing records {', '.join(lost)}"
    if not records and not MEASURED.search(_words(file)):
        yield 'states no figure and no record; if there is none, write "not measured"'


CHECKS: Checks = {
    papers_are_cited: (
        package_files,
        [
            mutant('"""A page of 2017."""\nclass A:\n    """Draws, in 1999 too."""'),
            mutant(
                '"""Intervals."""\ndef proportion(rows):\n    """The proportion of rows."""',
                "evaluation/mutant.py",
            ),
        ],
    ),
    systems_are_cited: (
        package_files,
        [mutant('"""A system."""\ndef f(pixels):\n    """1.2 bits/dim."""', "systems/mutant.py")],
    ),
    systems_are_measured: (
        package_files,
        [
            mutant(
                '"""A system (Ho et al. 2020)."""\ndef f(pixels):\n    """Good, in 2 sizes."""',
                "systems/mutant.py",
            ),
            mutant(
                '"""A system."""\ndef f(pixels):\n    """Of recipes/results/nothing.json."""',
                "systems/mutant.py",
            ),
        ],
    ),
}


def _words(file: SourceFile) -> str:
    """All docstrings of a file."""
    return "\n".join(
        [file.docstring, *(ast.get_docstring(function) or "" for function, _ in functions(file.tree))]
    )
