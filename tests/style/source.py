"""The project's Python files as syntax trees, with their definitions and documented arguments."""

__all__ = [
    "Check",
    "Checks",
    "Function",
    "SourceFile",
    "annotations",
    "arguments",
    "constructor",
    "documented_arguments",
    "faults",
    "functions",
    "mutant",
    "package_files",
    "project_files",
]

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
Check = Callable[["SourceFile"], Iterator[str]]
# by check: the files that it applies to, and mutants that it must reject
Checks = dict[Check, tuple[Callable[[], Sequence["SourceFile"]], Sequence["SourceFile"]]]


@dataclass(frozen=True)
class SourceFile:
    """A Python file: its path relative to the repository, and its text."""

    path: PurePath
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> Sequence[ast.AST]:
        """All nodes of the tree."""
        return list(ast.walk(self.tree))

    @property
    def subpackage(self) -> str:
        """The top-level package or module of morphogen that contains the file."""
        path = self.path.relative_to(PACKAGE) if self.path.is_relative_to(PACKAGE) else self.path
        return path.parts[0]

    @property
    def docstring(self) -> str:
        return ast.get_docstring(self.tree) or ""


@cache
def project_files() -> Sequence[SourceFile]:
    """All Python files of the project: package, tests, benchmarks and examples."""
    folders = [ROOT / name for name in ("src", "tests", "benchmarks", "examples")]
    paths = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    return [SourceFile(path.relative_to(ROOT), path.read_text(encoding="utf8")) for path in paths]


@cache
def package_files() -> Sequence[SourceFile]:
    """The files of the package."""
    return [file for file in project_files() if file.path.is_relative_to(PACKAGE)]


def faults(check: Check, files: Sequence[SourceFile]) -> list[str]:
    """The faults that a check finds, each with its file."""
    return [f"{file.path}: {fault}" for file in files for fault in check(file)]


def mutant(text: str, path: str = "families/gan/mutant.py") -> SourceFile:
    """A file that violates a check."""
    return SourceFile(PACKAGE / path, dedent(text).lstrip("\n"))


def functions(tree: ast.AST) -> Iterator[tuple[Function, ast.ClassDef | None]]:
    """Public functions and methods, dunder methods included, each with its class."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function) and (not node.name.startswith("_") or node.name.startswith("__")):
            yield node, tree if isinstance(tree, ast.ClassDef) else None
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from functions(node)


def constructor(cls: ast.ClassDef) -> Function | None:
    return next((node for node in cls.body if isinstance(node, Function) and node.name == "__init__"), None)


def annotations(function: Function) -> dict[str, ast.expr | None]:
    """Annotations of the arguments in order, without `self` and `cls`."""
    signature = function.args
    arguments = [
        *signature.posonlyargs,
        *signature.args,
        *([signature.vararg] if signature.vararg else []),
        *signature.kwonlyargs,
        *([signature.kwarg] if signature.kwarg else []),
    ]
    is_method = bool(signature.args) and signature.args[0].arg in ("self", "cls")
    return {argument.arg: argument.annotation for argument in arguments[is_method:]}


def arguments(node: ast.ClassDef | Function) -> list[str] | None:
    """Arguments of a call: of the constructor, or a dataclass's fields; None: inherited."""
    if isinstance(node, Function):
        return list(annotations(node))
    if (init := constructor(node)) is not None:
        return list(annotations(init))
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        return [
            field.target.id
            for field in node.body
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        ]
    return None


def documented_arguments(docstring: str) -> dict[str, str] | None:
    """Documented arguments and their text; `a, b: ...` documents both. None if there is no section."""
    if (section := re.search(r"^( *)Arguments:\n((?:\1 +.*\n?)+)", docstring, re.M)) is None:
        return None
    documented: dict[str, str] = {}
    for line in section[2].splitlines():
        if entry := re.match(rf"{section[1]}    ((?:\w+, )*\w+):(.*)", line):
            documented |= dict.fromkeys(entry[1].split(", "), entry[2])
        else:  # a continuation line
            documented |= {name: f"{text} {line.strip()}" for name, text in [*documented.items()][-1:]}
    return documented
