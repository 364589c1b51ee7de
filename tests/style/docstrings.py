"""Checks of docstrings: public definitions have one, arguments match the signature, references exist."""

__all__ = ["CHECKS"]

import ast
import builtins
import keyword
import re
from collections.abc import Iterator
from functools import cache

from .source import (
    PACKAGE,
    ROOT,
    Checks,
    Function,
    SourceFile,
    arguments,
    constructor,
    documented_arguments,
    functions,
    mutant,
    package_files,
)


def public_things_are_documented(file: SourceFile) -> Iterator[str]:
    """Overrides of documented methods, dunder methods and constructors need no docstring."""
    for node in file.tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node):
            yield f"class {node.name} has no docstring"
    for function, cls in functions(file.tree):
        inherited = cls is not None and function.name in _inherited(cls)
        if not inherited and not function.name.startswith("__") and not ast.get_docstring(function):
            yield f"{cls.name + '.' if cls else ''}{function.name} has no docstring"


def arguments_are_those_of_the_signature(file: SourceFile) -> Iterator[str]:
    for node in file.nodes:
        if not isinstance(node, ast.ClassDef | Function):
            continue
        documented, expected = documented_arguments(ast.get_docstring(node) or ""), arguments(node)
        if documented is None or expected is None:
            continue
        if missing := [name for name in expected if name not in documented]:
            yield f"{node.name}: undocumented arguments {', '.join(missing)}"
        if stale := [name for name in documented if name not in expected]:
            yield f"{node.name} has no arguments {', '.join(stale)}"


def constructors_are_documented(file: SourceFile) -> Iterator[str]:
    for node in file.tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and constructor(node) is not None:
            names = arguments(node) or ()
            if len(names) >= 2 and documented_arguments(ast.get_docstring(node) or "") is None:
                yield f"{node.name} takes {', '.join(names)}: document them under Arguments:"


def references_exist(file: SourceFile) -> Iterator[str]:
    """Names in backticks (`Name`, `module.name`, `name(...)`, `file.py`) exist in the package."""
    for node in file.nodes:
        if not isinstance(node, ast.Module | ast.ClassDef | Function):
            continue
        for reference in re.findall(r"`([^`\n]+)`", ast.get_docstring(node) or ""):
            if reference.endswith(".py"):
                known = list((ROOT / PACKAGE).rglob(reference)) or "*" in reference
            else:
                name = re.fullmatch(r"([A-Za-z_][\w.]*)(\(.*\))?", reference)
                known = name is None or set(name[1].split(".")) <= _words() | _used(file)
            if not known:
                yield f"line {getattr(node, 'lineno', 1)}: `{reference}` does not exist"


CHECKS: Checks = {
    public_things_are_documented: (
        package_files,
        [
            mutant("class A: ..."),
            mutant("def f(): ..."),
            mutant('class A(Sampler):\n    """Draws."""\n    def grid(self): ...'),
        ],
    ),
    arguments_are_those_of_the_signature: (
        package_files,
        [
            mutant('def f(x, y):\n    """f.\n\n    Arguments:\n        x: one.\n    """'),
            mutant('def f(x):\n    """f.\n\n    Arguments:\n        x, y: both.\n    """'),
            mutant(
                'class A:\n    """A.\n\n    Arguments:\n        x: one.\n    """\n'
                "    def __init__(self, z): ..."
            ),
            mutant(
                '@dataclass(frozen=True)\nclass A:\n    """A.\n\n    Arguments:\n        x: one.\n    """\n'
                "    z: int"
            ),
        ],
    ),
    constructors_are_documented: (
        package_files,
        [mutant('class A:\n    """A."""\n    def __init__(self, x, *, y): ...')],
    ),
    references_exist: (
        package_files,
        [
            mutant('"""As `Modela.sample`."""'),
            mutant('def f():\n    """As `samplr(n=3)` does."""'),
            mutant('"""See `sampling.py`."""'),
        ],
    ),
}


def _inherited(cls: ast.ClassDef) -> set[str]:
    """Names of inherited methods, which are documented in the base class or are torch's own."""
    found = {"forward"} if cls.bases else set()
    for base in cls.bases:
        for parent in _classes().get(ast.unparse(base).split("[")[0], ()):
            found |= {node.name for node in parent.body if isinstance(node, Function)} | _inherited(parent)
    return found


@cache
def _classes() -> dict[str, list[ast.ClassDef]]:
    found: dict[str, list[ast.ClassDef]] = {}
    for file in package_files():
        for node in file.nodes:
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(node)
    return found


@cache
def _words() -> set[str]:
    """All names of the package: files, definitions, uses, public names, and Python's own."""
    init = next(file for file in package_files() if file.path == PACKAGE / "__init__.py")
    constants = [node.value for node in init.nodes if isinstance(node, ast.Constant)]
    exported = {value for value in constants if isinstance(value, str)}
    paths = {part for file in package_files() for part in file.path.with_suffix("").parts}
    used = {word for file in package_files() for word in _used(file)}
    return paths | used | exported | {*dir(builtins), *keyword.kwlist, "morphogen"}


@cache
def _used(file: SourceFile) -> set[str]:
    """Names that a file defines, assigns, imports, accesses or passes by keyword; values of `Literal`s."""
    found: set[str] = set()
    for node in file.nodes:
        match node:
            case (
                ast.FunctionDef(name=name)
                | ast.ClassDef(name=name)
                | ast.arg(arg=name)
                | ast.keyword(arg=str(name))
            ):
                found.add(name)
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name):
                found.add(name)
            case ast.alias(name=name, asname=other):
                found |= {*name.split("."), other or ""}
            case ast.Subscript(value=ast.Name(id="Literal")):
                found |= {str(part.value) for part in ast.walk(node.slice) if isinstance(part, ast.Constant)}
    return found
