"""A docstring says what its thing is, names every argument and none that has gone, and speaks of nothing that is not there."""

__all__ = ["CHECKS"]

import ast
import builtins
import keyword
import re
from collections.abc import Iterator
from functools import cache

from .source import PACKAGE, ROOT, Checks, Function, Page, arguments, constructor, described, functions, mutant, package


def public_things_are_documented(page: Page) -> Iterator[str]:
    """A method that overrides a documented one may leave the word to it; so may those that Python names, and constructors."""
    for node in page.tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node):
            yield f"class {node.name} has no docstring"
    for function, cls in functions(page.tree):
        inherited = cls is not None and function.name in _inherited(cls)
        if not inherited and not function.name.startswith("__") and not ast.get_docstring(function):
            yield f"{cls.name + '.' if cls else ''}{function.name} has no docstring"


def arguments_are_those_of_the_signature(page: Page) -> Iterator[str]:
    for node in page.nodes:
        if not isinstance(node, ast.ClassDef | Function):
            continue
        said, taken = described(ast.get_docstring(node) or ""), arguments(node)
        if said is None or taken is None:
            continue
        if missing := [name for name in taken if name not in said]:
            yield f"{node.name}: nothing is said of {', '.join(missing)}"
        if stale := [name for name in said if name not in taken]:
            yield f"{node.name} takes no {', '.join(stale)}"


def constructors_say_what_they_take(page: Page) -> Iterator[str]:
    for node in page.tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and constructor(node) is not None:
            taken = arguments(node) or ()
            if len(taken) >= 2 and described(ast.get_docstring(node) or "") is None:
                yield f"{node.name} takes {', '.join(taken)}: say what they are, under Arguments:"


def what_is_referred_to_exists(page: Page) -> Iterator[str]:
    """Each word of `Name`, `module.name` and `name(...)` is one that our package binds or uses; `file.py` is there."""
    for node in page.nodes:
        if not isinstance(node, ast.Module | ast.ClassDef | Function):
            continue
        for said in re.findall(r"`([^`\n]+)`", ast.get_docstring(node) or ""):
            if said.endswith(".py"):
                known = list((ROOT / PACKAGE).rglob(said)) or "*" in said
            else:
                name = re.fullmatch(r"([A-Za-z_][\w.]*)(\(.*\))?", said)
                known = name is None or set(name[1].split(".")) <= _words() | _used(page)
            if not known:
                yield f"line {getattr(node, 'lineno', 1)}: there is no `{said}`"


CHECKS: Checks = {
    public_things_are_documented: (
        package,
        [
            mutant("class A: ..."),
            mutant("def f(): ..."),
            mutant('class A(Sampler):\n    """Draws."""\n    def grid(self): ...'),
        ],
    ),
    arguments_are_those_of_the_signature: (
        package,
        [
            mutant('def f(x, y):\n    """f.\n\n    Arguments:\n        x: one.\n    """'),
            mutant('def f(x):\n    """f.\n\n    Arguments:\n        x, y: both.\n    """'),
            mutant('class A:\n    """A.\n\n    Arguments:\n        x: one.\n    """\n    def __init__(self, z): ...'),
            mutant('@dataclass(frozen=True)\nclass A:\n    """A.\n\n    Arguments:\n        x: one.\n    """\n    z: int'),
        ],
    ),
    constructors_say_what_they_take: (package, [mutant('class A:\n    """A."""\n    def __init__(self, x, *, y): ...')]),
    what_is_referred_to_exists: (
        package,
        [
            mutant('"""As `Modela.sample`."""'),
            mutant('def f():\n    """As `samplr(n=3)` does."""'),
            mutant('"""See `sampling.py`."""'),
        ],
    ),
}


def _inherited(cls: ast.ClassDef) -> set[str]:
    """Names of methods that a class has from those it derives from: documented there, or torch's own."""
    found = {"forward"} if cls.bases else set()
    for base in cls.bases:
        for parent in _classes().get(ast.unparse(base).split("[")[0], ()):
            found |= {node.name for node in parent.body if isinstance(node, Function)} | _inherited(parent)
    return found


@cache
def _classes() -> dict[str, list[ast.ClassDef]]:
    found: dict[str, list[ast.ClassDef]] = {}
    for page in package():
        for node in page.nodes:
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(node)
    return found


@cache
def _words() -> set[str]:
    """What our package calls things: its files, what its pages bind and use, what its front door renames, Python's own."""
    door = next(page for page in package() if page.path == PACKAGE / "__init__.py")
    renamed = {node.value for node in door.nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    files = {part for page in package() for part in page.path.with_suffix("").parts}
    used = {word for page in package() for word in _used(page)}
    return files | used | renamed | {*dir(builtins), *keyword.kwlist, "morphogen"}


@cache
def _used(page: Page) -> set[str]:
    """Names that a page defines, takes, assigns, imports, hands by keyword, or asks an object for; words of its `Literal`s."""
    found: set[str] = set()
    for node in page.nodes:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
                found.add(name)
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name):
                found.add(name)
            case ast.alias(name=name, asname=other):
                found |= {*name.split("."), other or ""}
            case ast.Subscript(value=ast.Name(id="Literal")):
                found |= {str(part.value) for part in ast.walk(node.slice) if isinstance(part, ast.Constant)}
    return found
