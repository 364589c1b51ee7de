"""Whose idea it is, and what it came to here.

A class of a family, a network or a conditioner, and a function of the evaluation, cites who thought of it, by author and year, in its
docstring or in its page's, which is the chapter it stands in; or it says "No paper:" and why. A system cites in its own words, and says
what it was measured at: a figure with its unit, the record that holds it, or "not measured".
"""

__all__ = ["CHECKS"]

import ast
import re
from collections.abc import Iterator

from .source import PACKAGE, ROOT, Checks, Page, functions, mutant, package

CITED = re.compile(r"\b[A-Z]\w[\w\-]*(?:[\s,&]+(?:et\s+al\.|and|de|den|van|[A-Z][\w\-]+))*,?\s+\(?(?:1[789]|20)\d\d[a-z]?\b|No paper: \w")
MEASURED = re.compile(r"\d\s?(?:\+- [\d.]+ )?(?:bits/dim|bits/byte|bits a cell|nats)|Frechet \d|\bnot measured\b")
RECORD = re.compile(r"recipes/results/[\w.-]+\.json")


def papers_are_cited(page: Page) -> Iterator[str]:
    if page.floor not in ("families", "networks", "conditioning", "evaluation") or CITED.search(page.docstring):
        return
    for node in page.tree.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef if page.floor == "evaluation" else ast.ClassDef):
            continue
        if not node.name.startswith("_") and not CITED.search(ast.get_docstring(node) or ""):
            yield f"{node.name} cites no one; name author and year, or say No paper: and why"


def systems_are_cited(page: Page) -> Iterator[str]:
    if page.floor == "systems" and page.path.stem != "__init__" and not CITED.search(_words(page)):
        yield "cites no one; name author and year"


def systems_are_measured(page: Page) -> Iterator[str]:
    if page.floor != "systems" or page.path.stem == "__init__":
        return
    records = RECORD.findall(_words(page))
    if lost := [record for record in records if not (ROOT / PACKAGE / record).exists()]:
        yield f"speaks of {', '.join(lost)}, which is not there"
    if not records and not MEASURED.search(_words(page)):
        yield 'states no figure and no record; where there is none, say "not measured"'


CHECKS: Checks = {
    papers_are_cited: (
        package,
        [
            mutant('"""A page of 2017."""\nclass A:\n    """Draws, in 1999 too."""'),
            mutant('"""How sure."""\ndef share(rows):\n    """The share of rows."""', "evaluation/mutant.py"),
        ],
    ),
    systems_are_cited: (package, [mutant('"""A system."""\ndef f(pixels):\n    """1.2 bits/dim."""', "systems/mutant.py")]),
    systems_are_measured: (
        package,
        [
            mutant('"""A system (Ho et al. 2020)."""\ndef f(pixels):\n    """Good, in 2 sizes."""', "systems/mutant.py"),
            mutant('"""A system."""\ndef f(pixels):\n    """Of recipes/results/nothing.json."""', "systems/mutant.py"),
        ],
    ),
}


def _words(page: Page) -> str:
    """All that a page says of itself."""
    return "\n".join([page.docstring, *(ast.get_docstring(function) or "" for function, _ in functions(page.tree))])
