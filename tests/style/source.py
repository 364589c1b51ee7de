"""Our Python as a text with a structure: pages, what they define, what their docstrings say of arguments."""

__all__ = [
    "Check", "Checks", "Function", "Page", "annotations", "arguments", "constructor", "described", "faults", "functions", "mutant", "ours",
    "package",
]  # fmt: skip

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path, PurePath
from textwrap import dedent

ROOT = Path(__file__).parents[2]
PACKAGE = PurePath("src", "morphogen")
Function = ast.FunctionDef | ast.AsyncFunctionDef
Check = Callable[["Page"], Iterator[str]]
Checks = dict[Check, tuple[Callable[[], Sequence["Page"]], Sequence["Page"]]]  # of which pages it must hold, and mutants it kills


@dataclass(frozen=True)
class Page:
    """One file: where it stands, below the root of the repository, and what it says."""

    path: PurePath
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> Sequence[ast.AST]:
        """All of the tree."""
        return list(ast.walk(self.tree))

    @property
    def floor(self) -> str:
        """Of the house: the package, or the page itself, that stands directly in morphogen."""
        return (self.path.relative_to(PACKAGE) if self.path.is_relative_to(PACKAGE) else self.path).parts[0]

    @property
    def docstring(self) -> str:
        return ast.get_docstring(self.tree) or ""


@cache
def ours() -> Sequence[Page]:
    """Every page that we wrote: the package, its tests, benchmarks and examples."""
    files = [file for folder in ("src", "tests", "benchmarks", "examples") for file in sorted((ROOT / folder).rglob("*.py"))]
    return [Page(file.relative_to(ROOT), file.read_text(encoding="utf8")) for file in files]


@cache
def package() -> Sequence[Page]:
    """The pages of morphogen."""
    return [page for page in ours() if page.path.is_relative_to(PACKAGE)]


def faults(check: Check, pages: Sequence[Page]) -> list[str]:
    """What a check finds, each with its file."""
    return [f"{page.path}: {fault}" for page in pages for fault in check(page)]


def mutant(text: str, path: str = "families/gan/mutant.py") -> Page:
    """A page that breaks a rule."""
    return Page(PACKAGE / path, dedent(text).lstrip("\n"))


def functions(tree: ast.AST) -> Iterator[tuple[Function, ast.ClassDef | None]]:
    """The public functions of a page and of its public classes, those that Python calls among them, with the class they are of."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function) and (not node.name.startswith("_") or node.name.startswith("__")):
            yield node, tree if isinstance(tree, ast.ClassDef) else None
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from functions(node)


def constructor(cls: ast.ClassDef) -> Function | None:
    return next((node for node in cls.body if isinstance(node, Function) and node.name == "__init__"), None)


def annotations(function: Function) -> dict[str, ast.expr | None]:
    """Arguments and what each is annotated with, in order; without the `self` or `cls` of a method."""
    of = function.args
    taken = [*of.posonlyargs, *of.args, *([of.vararg] if of.vararg else []), *of.kwonlyargs, *([of.kwarg] if of.kwarg else [])]
    bound = bool(of.args) and of.args[0].arg in ("self", "cls")
    return {argument.arg: argument.annotation for argument in taken[bound:]}


def arguments(node: ast.ClassDef | Function) -> list[str] | None:
    """What a call takes: the constructor's arguments, a dataclass's fields; None: that stands in another class."""
    if isinstance(node, Function):
        return list(annotations(node))
    if (init := constructor(node)) is not None:
        return list(annotations(init))
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        return [field.target.id for field in node.body if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)]
    return None


def described(docstring: str) -> dict[str, str] | None:
    """Names under "Arguments:" and what is said of each; `a, b: ...` is of both. None: there is no such section."""
    if (section := re.search(r"^( *)Arguments:\n((?:\1 +.*\n?)+)", docstring, re.M)) is None:
        return None
    found: dict[str, str] = {}
    for line in section[2].splitlines():
        if entry := re.match(rf"{section[1]}    ((?:\w+, )*\w+):(.*)", line):
            found |= dict.fromkeys(entry[1].split(", "), entry[2])
        else:  # the text above goes on
            found |= {name: f"{text} {line.strip()}" for name, text in [*found.items()][-1:]}
    return found
