"""A part can be written down and built again: its constructor takes numbers, words and parts, and does nothing on the side."""

__all__ = ["CHECKS"]

import ast
from collections.abc import Iterator
from functools import cache

from .source import Checks, Function, Page, annotations, constructor, mutant, package

MOST = 10
PLACES = {"device", "dtype"}  # whoever builds a part does not say where it will lie, nor in what precision


def constructors_take_few(page: Page) -> Iterator[str]:
    for name, init in _constructors(page):
        if (taken := len(annotations(init))) > MOST:
            yield f"{name} takes {taken} arguments; {MOST} at the most"


def defaults_are_plain(page: Page) -> Iterator[str]:
    for name, init in _constructors(page):
        for default in filter(None, (*init.args.defaults, *init.args.kw_defaults)):
            if any(isinstance(node, ast.Name | ast.Call | ast.List | ast.Dict | ast.Set) for node in ast.walk(default)):
                yield f"{name}: the default {ast.unparse(default)} is no number, word or tuple of them"


def constructors_name_no_place(page: Page) -> Iterator[str]:
    for name, init in _constructors(page):
        if named := PLACES & annotations(init).keys():
            yield f"{name} takes {', '.join(sorted(named))}; the model is moved as a whole"
        for node in ast.walk(init):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("to", "cuda", "half", "bfloat16"):
                yield f"{name}: {ast.unparse(node)} in the constructor"
            if isinstance(node, ast.keyword) and node.arg == "device":
                yield f"{name}: device={ast.unparse(node.value)} in the constructor"


def constructors_are_silent(page: Page) -> Iterator[str]:
    for name, init in _constructors(page):
        for node in ast.walk(init):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "warnings.warn", "typer.echo", "sys.stdout.write"):
                yield f"{name}: {ast.unparse(node)} in the constructor"


CHECKS: Checks = {
    constructors_take_few: (
        package,
        [mutant("class A(Component):\n    def __init__(self, a, b, c, d, e, f, g, h, *, i, j, **k): ...")],
    ),
    defaults_are_plain: (
        package,
        [
            mutant("class A(Component):\n    def __init__(self, mean=torch.zeros(3)): ..."),
            mutant("class A(Sampler):\n    def __init__(self, *, steps=[]): ..."),
            mutant("class A(Component): ...\nclass B(A):\n    def __init__(self, scale=-GAIN): ..."),
        ],
    ),
    constructors_name_no_place: (
        package,
        [
            mutant("class A(Component):\n    def __init__(self, width, dtype): ..."),
            mutant("class A(Objective):\n    def __init__(self, x):\n        self.x = x.to('cuda')"),
            mutant("class A(Objective):\n    def __init__(self, x):\n        self.x = torch.zeros(x, device='cuda')"),
        ],
    ),
    constructors_are_silent: (package, [mutant("class A(Component):\n    def __init__(self, x):\n        print(x)")]),
}


def _constructors(page: Page) -> Iterator[tuple[str, Function]]:
    """Of the classes of a page that derive from Component, over however many others, by the class's name."""
    here = {node.name: node for node in page.nodes if isinstance(node, ast.ClassDef)}
    for name, node in here.items():
        if (init := constructor(node)) is not None and _derives(name, _classes() | here):
            yield name, init


def _derives(name: str, known: dict[str, ast.ClassDef]) -> bool:
    """Whether a class is, or derives from, Component."""
    return name == "Component" or any(_derives(ast.unparse(base), known) for base in (known[name].bases if name in known else ()))


@cache
def _classes() -> dict[str, ast.ClassDef]:
    return {node.name: node for page in package() for node in page.nodes if isinstance(node, ast.ClassDef)}
