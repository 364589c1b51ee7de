"""Checks of tensor annotations: arguments and results of public functions have a shape and a dtype.

tests/conftest.py enforces them at run time. In packages that compute with tensors no annotation is a bare
`Tensor`, except within `dict[str, Tensor]` and `Callable[[Tensor], Tensor]`, which have no single shape.
"""

__all__ = ["CHECKS"]

import ast
import re
from collections.abc import Iterator

from .source import Checks, SourceFile, annotations, documented_arguments, functions, mutant, package_files

SUBPACKAGES = (
    "numerics", "networks", "conditioning", "representations", "families", "evaluation", "data",
    "contract.py", "objective_values.py", "plan.py", "model.py", "staged.py", "closed_form.py",
)  # fmt: skip
KINDS = {"Bool", "Float", "Float64", "Int", "Real", "Shaped", "UInt8"}
MANY = {"Callable", "Mapping", "dict"}
AXES = re.compile(r"(?:#?[a-z]|_|\*#?[a-z]|\.\.\.|\d+|\d\*[a-z]|[a-z]//\d)")  # the paper's letters


def tensors_have_shapes(file: SourceFile) -> Iterator[str]:
    if file.subpackage not in SUBPACKAGES:
        return
    for function, cls in functions(file.tree):
        for name, annotation in {**annotations(function), "the result": function.returns}.items():
            if annotation is not None and _bare(annotation):
                yield f"{cls.name + '.' if cls else ''}{function.name}: {name} is a Tensor without a shape"
    for node in file.nodes:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and _bare(field.annotation):
                    yield f"{node.name}: {ast.unparse(field.target)} is a Tensor without a shape"


def axes_are_letters(file: SourceFile) -> Iterator[str]:
    for node in file.nodes:
        if (
            isinstance(node, ast.Subscript)
            and ast.unparse(node.value) in KINDS
            and isinstance(node.slice, ast.Tuple)
        ):
            axes = ast.literal_eval(node.slice.elts[1])
            if strange := [axis for axis in axes.split() if not AXES.fullmatch(axis)]:
                yield f"line {node.lineno}: axis {', '.join(strange)} of {axes!r} is not a letter"


def described_tensors_have_shapes(file: SourceFile) -> Iterator[str]:
    """The documentation of a tensor argument gives its shape."""
    for node in file.nodes:
        if isinstance(node, ast.ClassDef) and (
            documented := documented_arguments(ast.get_docstring(node) or "")
        ):
            inits = [
                part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"
            ]
            for name, annotation in annotations(inits[0]).items() if inits else ():
                if (
                    annotation is not None
                    and "Tensor" in ast.unparse(annotation)
                    and "[" not in documented.get(name, "[")
                ):
                    yield f"{node.name}: {name} is a tensor; document its shape"


CHECKS: Checks = {
    tensors_have_shapes: (
        package_files,
        [
            mutant("def f(x: Tensor): ..."),
            mutant("def f(x: int) -> tuple[Tensor, int]: ..."),
            mutant("class A:\n    def forward(self, x: 'Tensor | None'): ..."),
            mutant("class A:\n    x: list[Tensor]"),
        ],
    ),
    axes_are_letters: (package_files, [mutant('def f(x: Float[Tensor, "batch c"]): ...')]),
    described_tensors_have_shapes: (
        package_files,
        [
            mutant(
                'class A:\n    """A.\n\n    Arguments:\n        x: data.\n    """\n'
                '    def __init__(self, x: Float[Tensor, "b"]): ...'
            )
        ],
    ),
}


def _bare(annotation: ast.AST) -> bool:
    """Whether an annotation contains `Tensor` without a shape."""
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) in KINDS | MANY:
        return False
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return "Tensor" in annotation.value and _bare(ast.parse(annotation.value, mode="eval").body)
    if isinstance(annotation, ast.Name):
        return annotation.id == "Tensor"
    return any(map(_bare, ast.iter_child_nodes(annotation)))
