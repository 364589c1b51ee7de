"""Tensors that go in or out of a public function have a shape and a kind, which tests/conftest.py holds every call to.

On the floors where tensors are the matter no annotation says `Tensor` alone. A table of tensors with names of their own
(`dict[str, Tensor]`) and a function of tensors (`Callable[[Tensor], Tensor]`) are not of one shape.
"""

__all__ = ["CHECKS"]

import ast
import re
from collections.abc import Iterator

from .source import Checks, Page, annotations, described, functions, mutant, package

FLOORS = (
    "numerics", "networks", "conditioning", "representations", "families", "evaluation", "data", "contract.py", "plan.py", "model.py",
    "compose.py", "worlds.py",
)  # fmt: skip
KINDS = {"Bool", "Float", "Float64", "Int", "Real", "Shaped", "UInt8"}
MANY = {"Callable", "Mapping", "dict"}
AXES = re.compile(r"(?:#?[a-z]|_|\*#?[a-z]|\.\.\.|\d+|\d\*[a-z]|[a-z]//\d)")  # the paper's letters


def tensors_have_shapes(page: Page) -> Iterator[str]:
    if page.floor not in FLOORS:
        return
    for function, cls in functions(page.tree):
        for name, annotation in {**annotations(function), "what it returns": function.returns}.items():
            if annotation is not None and _bare(annotation):
                yield f"{cls.name + '.' if cls else ''}{function.name}: {name} is a Tensor of no shape"
    for node in page.nodes:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and _bare(field.annotation):
                    yield f"{node.name}: {ast.unparse(field.target)} is a Tensor of no shape"


def axes_are_letters(page: Page) -> Iterator[str]:
    for node in page.nodes:
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) in KINDS and isinstance(node.slice, ast.Tuple):
            axes = ast.literal_eval(node.slice.elts[1])
            if strange := [axis for axis in axes.split() if not AXES.fullmatch(axis)]:
                yield f"line {node.lineno}: axis {', '.join(strange)} of {axes!r} is no letter"


def described_tensors_have_shapes(page: Page) -> Iterator[str]:
    """What is said of an argument that is a tensor names its axes, for those who read `help`."""
    for node in page.nodes:
        if isinstance(node, ast.ClassDef) and (said := described(ast.get_docstring(node) or "")):
            inits = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
            for name, annotation in annotations(inits[0]).items() if inits else ():
                if annotation is not None and "Tensor" in ast.unparse(annotation) and "[" not in said.get(name, "["):
                    yield f"{node.name}: {name} is a tensor; say of which shape"


CHECKS: Checks = {
    tensors_have_shapes: (
        package,
        [
            mutant("def f(x: Tensor): ..."),
            mutant("def f(x: int) -> tuple[Tensor, int]: ..."),
            mutant("class A:\n    def forward(self, x: 'Tensor | None'): ..."),
            mutant("class A:\n    x: list[Tensor]"),
        ],
    ),
    axes_are_letters: (package, [mutant('def f(x: Float[Tensor, "batch c"]): ...')]),
    described_tensors_have_shapes: (
        package,
        [mutant('class A:\n    """A.\n\n    Arguments:\n        x: data.\n    """\n    def __init__(self, x: Float[Tensor, "b"]): ...')],
    ),
}


def _bare(annotation: ast.AST) -> bool:
    """Whether `Tensor` stands in it without a shape."""
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) in KINDS | MANY:
        return False
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return "Tensor" in annotation.value and _bare(ast.parse(annotation.value, mode="eval").body)
    if isinstance(annotation, ast.Name):
        return annotation.id == "Tensor"
    return any(map(_bare, ast.iter_child_nodes(annotation)))
