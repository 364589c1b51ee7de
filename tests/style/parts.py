"""Checks of the constructors of parts: few, plain arguments, no side effects, so that parts can be saved."""

__all__ = ["CHECKS"]

import ast
from collections.abc import Iterator
from functools import cache

from .source import Checks, Function, SourceFile, annotations, constructor, mutant, package_files

MAX_ARGUMENTS = 10
PLACEMENT = {"device", "dtype"}  # models are moved as a whole


def constructors_take_few_arguments(file: SourceFile) -> Iterator[str]:
    for name, init in _constructors(file):
        if (count := len(annotations(init))) > MAX_ARGUMENTS:
            yield f"{name} takes {count} arguments; the limit is {MAX_ARGUMENTS}"


def defaults_are_plain(file: SourceFile) -> Iterator[str]:
    for name, init in _constructors(file):
        for default in filter(None, (*init.args.defaults, *init.args.kw_defaults)):
            kinds = ast.Name | ast.Call | ast.List | ast.Dict | ast.Set
            if any(isinstance(node, kinds) for node in ast.walk(default)):
                yield f"{name}: the default {ast.unparse(default)} must be a number, a string or a tuple"


def constructors_take_no_device(file: SourceFile) -> Iterator[str]:
    for name, init in _constructors(file):
        if named := PLACEMENT & annotations(init).keys():
            yield f"{name} takes {', '.join(sorted(named))}; models are moved as a whole"
        for node in ast.walk(init):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("to", "cuda", "half", "bfloat16")
            ):
                yield f"{name}: {ast.unparse(node)} in the constructor"
            if isinstance(node, ast.keyword) and node.arg == "device":
                yield f"{name}: device={ast.unparse(node.value)} in the constructor"


def constructors_do_not_print(file: SourceFile) -> Iterator[str]:
    for name, init in _constructors(file):
        for node in ast.walk(init):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "print",
                "warnings.warn",
                "typer.echo",
                "sys.stdout.write",
            ):
                yield f"{name}: {ast.unparse(node)} in the constructor"


CHECKS: Checks = {
    constructors_take_few_arguments: (
        package_files,
        [mutant("class A(Component):\n    def __init__(self, a, b, c, d, e, f, g, h, *, i, j, **k): ...")],
    ),
    defaults_are_plain: (
        package_files,
        [
            mutant("class A(Component):\n    def __init__(self, mean=torch.zeros(3)): ..."),
            mutant("class A(Sampler):\n    def __init__(self, *, steps=[]): ..."),
            mutant("class A(Component): ...\nclass B(A):\n    def __init__(self, scale=-GAIN): ..."),
        ],
    ),
    constructors_take_no_device: (
        package_files,
        [
            mutant("class A(Component):\n    def __init__(self, width, dtype): ..."),
            mutant("class A(Objective):\n    def __init__(self, x):\n        self.x = x.to('cuda')"),
            mutant(
                "class A(Objective):\n    def __init__(self):\n        self.x = torch.zeros(3, device='cuda')"
            ),
        ],
    ),
    constructors_do_not_print: (
        package_files,
        [mutant("class A(Component):\n    def __init__(self, x):\n        print(x)")],
    ),
}


def _constructors(file: SourceFile) -> Iterator[tuple[str, Function]]:
    """Constructors of the file's classes that derive from Component, directly or not, by class name."""
    classes = {node.name: node for node in file.nodes if isinstance(node, ast.ClassDef)}
    for name, node in classes.items():
        if (init := constructor(node)) is not None and _derives(name, _classes() | classes):
            yield name, init


def _derives(name: str, known: dict[str, ast.ClassDef]) -> bool:
    """Whether a class is Component or derives from it."""
    return name == "Component" or any(
        _derives(ast.unparse(base), known) for base in (known[name].bases if name in known else ())
    )


@cache
def _classes() -> dict[str, ast.ClassDef]:
    return {
        node.name: node for file in package_files() for node in file.nodes if isinstance(node, ast.ClassDef)
    }
