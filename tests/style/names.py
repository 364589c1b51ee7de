"""Checks of names, of `__all__`, and of the order of a file's definitions.

Order: docstring, `__all__`, imports, public classes and functions, private functions, entry point. Constants
and private classes may be anywhere.
"""

__all__ = ["CHECKS"]

import ast
import re
from collections.abc import Iterator

from .source import Checks, SourceFile, mutant, package_files, project_files

EMPTY_WORDS = re.compile(r"(^|_)(utils?|helpers?|common|misc|base|stuff|tools|core)($|_)")
EMPTY_CLASSES = re.compile(
    r"^(Base|Abstract)[A-Z]|(Base|Factory|Builder|Manager|Helpers?|Utils?|Mixin|Impl)$"
)
ORDER = ("docstring", "__all__", "import", "public definition", "private function", "program")


def file_names_are_specific(file: SourceFile) -> Iterator[str]:
    for part in (*file.path.parent.parts, file.path.stem):
        if EMPTY_WORDS.search(part):
            yield f"{part!r} does not name the contents"


def class_names_are_specific(file: SourceFile) -> Iterator[str]:
    for node in file.nodes:
        if isinstance(node, ast.ClassDef) and EMPTY_CLASSES.search(node.name):
            yield f"class {node.name}: use a specific name"


def all_lists_public_names(file: SourceFile) -> Iterator[str]:
    names = [name for node in file.tree.body if _is_literal(node) for name in _strings(node)]
    if not any(map(_is_all, file.tree.body)) and len(file.tree.body) > 1 and file.path.stem != "__main__":
        yield "no __all__"
    if not file.docstring:
        yield "no docstring"
    if missing := [name for name in names if name not in _defined(file.tree)]:
        yield f"__all__ lists {', '.join(missing)}, which the file does not define"
    if private := [name for name in names if name.startswith("_") and not name.startswith("__")]:
        yield f"__all__ lists private names: {', '.join(private)}"


def definitions_are_in_order(file: SourceFile) -> Iterator[str]:
    last = 0
    for node in file.tree.body:
        place = ORDER.index(kind) if (kind := _place(node)) is not None else last
        if place < last:
            yield f"line {node.lineno}: {ORDER[place]} after {ORDER[last]}"
        last = max(place, last)


CHECKS: Checks = {
    file_names_are_specific: (
        project_files,
        [mutant("", "networks/conv_utils.py"), mutant("", "helpers/conv.py")],
    ),
    class_names_are_specific: (
        project_files,
        [mutant("class SamplerFactory: ..."), mutant("class BaseNetwork: ...")],
    ),
    all_lists_public_names: (
        package_files,
        [
            mutant('"""A page."""\nx = 1'),
            mutant('__all__ = ["x"]\nx = 1'),
            mutant('"""A page."""\n__all__ = ["x", "y"]\nx = 1'),
            mutant('"""A page."""\n__all__ = ["_x"]\n_x = 1'),
        ],
    ),
    definitions_are_in_order: (
        package_files,
        [
            mutant('import os\n__all__ = ["f"]'),
            mutant("def _f(): ...\ndef f(): ..."),
            mutant("def f(): ...\nimport os"),
            mutant("def f(): ...\nif __name__ == '__main__':\n    f()\ndef g(): ..."),
        ],
    ),
}


def _place(node: ast.stmt) -> str | None:
    """The section that a statement belongs to; None: it may be anywhere."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return "docstring"
    if _is_all(node):  # a computed one follows the constants that it is computed from
        return "__all__" if _is_literal(node) else None
    if isinstance(node, ast.Import | ast.ImportFrom):
        return "import"
    if isinstance(node, ast.If):
        return {"TYPE_CHECKING": "import", "__name__ == '__main__'": "program"}.get(ast.unparse(node.test))
    if isinstance(node, ast.FunctionDef) and node.name.startswith("_") and not node.name.startswith("__"):
        return "private function"
    if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
        return "public definition"
    return None


def _is_all(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and "__all__" in {
        target.id for target in ast.walk(node.targets[0]) if isinstance(target, ast.Name)
    }


def _is_literal(node: ast.stmt) -> bool:
    """Whether the statement sets `__all__` to a list; a lazy module computes it from its names."""
    return _is_all(node) and isinstance(node, ast.Assign) and isinstance(node.value, ast.List)


def _strings(node: ast.AST) -> list[str]:
    constants = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
    return [value for value in constants if isinstance(value, str)]


def _defined(tree: ast.Module) -> set[str]:
    """Names bound at module level."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            names = [part for part in ast.walk(node) if isinstance(part, ast.Name)]
            found |= {name.id for name in names if isinstance(name.ctx, ast.Store)}
    return found
