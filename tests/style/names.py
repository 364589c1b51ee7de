"""Names say what a thing is, a page says what it gives, and stands in one order.

docstring, `__all__`, imports, then the public classes and functions, then the private functions, then what it does as a program.
Constants and private classes stand where they are needed.
"""

__all__ = ["CHECKS"]

import ast
import re
from collections.abc import Iterator

from .source import Checks, Page, mutant, ours, package

EMPTY_WORDS = re.compile(r"(^|_)(utils?|helpers?|common|misc|base|stuff|tools|core)($|_)")
EMPTY_CLASSES = re.compile(r"^(Base|Abstract)[A-Z]|(Base|Factory|Builder|Manager|Helpers?|Utils?|Mixin|Impl)$")
ORDER = ("docstring", "__all__", "import", "public definition", "private function", "program")


def files_have_names(page: Page) -> Iterator[str]:
    for part in (*page.path.parent.parts, page.path.stem):
        if EMPTY_WORDS.search(part):
            yield f"{part!r} says nothing of what it holds"


def classes_have_names(page: Page) -> Iterator[str]:
    for node in page.nodes:
        if isinstance(node, ast.ClassDef) and EMPTY_CLASSES.search(node.name):
            yield f"class {node.name}: name what it is"


def pages_say_what_they_give(page: Page) -> Iterator[str]:
    said = [name for node in page.tree.body if _is_all(node) for name in _strings(node)]
    if not any(map(_is_all, page.tree.body)) and len(page.tree.body) > 1 and page.path.stem != "__main__":
        yield "no __all__"
    if not page.docstring:
        yield "no docstring"
    if missing := [name for name in said if name not in _defined(page.tree)]:
        yield f"__all__ names {', '.join(missing)}, which the page does not have"
    if private := [name for name in said if name.startswith("_") and not name.startswith("__")]:
        yield f"__all__ names {', '.join(private)}, which are private"


def pages_are_in_order(page: Page) -> Iterator[str]:
    last = 0
    for node in page.tree.body:
        place = ORDER.index(kind) if (kind := _place(node)) is not None else last
        if place < last:
            yield f"line {node.lineno}: {ORDER[place]} after {ORDER[last]}"
        last = max(place, last)


CHECKS: Checks = {
    files_have_names: (ours, [mutant("", "networks/conv_utils.py"), mutant("", "helpers/conv.py")]),
    classes_have_names: (ours, [mutant("class SamplerFactory: ..."), mutant("class BaseNetwork: ...")]),
    pages_say_what_they_give: (
        package,
        [
            mutant('"""A page."""\nx = 1'),
            mutant('__all__ = ["x"]\nx = 1'),
            mutant('"""A page."""\n__all__ = ["x", "y"]\nx = 1'),
            mutant('"""A page."""\n__all__ = ["_x"]\n_x = 1'),
        ],
    ),
    pages_are_in_order: (
        package,
        [
            mutant('import os\n__all__ = ["f"]'),
            mutant("def _f(): ...\ndef f(): ..."),
            mutant("def f(): ...\nimport os"),
            mutant("def f(): ...\nif __name__ == '__main__':\n    f()\ndef g(): ..."),
        ],
    ),
}


def _place(node: ast.stmt) -> str | None:
    """Which part of the order a statement belongs to; None: it may stand anywhere."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return "docstring"
    if _is_all(node):  # made of the page's own constants, it stands after them
        return None if any(isinstance(part, ast.Starred) for part in ast.walk(node)) else "__all__"
    if isinstance(node, ast.Import | ast.ImportFrom):
        return "import"
    if isinstance(node, ast.If):
        return {"TYPE_CHECKING": "import", "__name__ == '__main__'": "program"}.get(ast.unparse(node.test))
    if isinstance(node, ast.FunctionDef) and node.name.startswith("_") and not node.name.startswith("__"):
        return "private function"
    return "public definition" if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_") else None


def _is_all(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def _strings(node: ast.AST) -> list[str]:
    return [part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]


def _defined(tree: ast.Module) -> set[str]:
    """Names that the page binds at its top, and those that its `__getattr__` knows."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            found |= {node.name, *(_strings(node) if node.name == "__getattr__" else ())}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            found |= {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    return found
