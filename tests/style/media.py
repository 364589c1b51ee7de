"""Checks that only `media/` knows which media there are: everything else asks the medium.

A file outside `media/` neither compares a medium's name, nor lists media by name, nor tests the class of a
sample, of a representation or of stored examples to find out which medium it is. A representation and a
reader (in `data/`) belong to one medium and may test its classes; a recipe is for a data set that it names.
"""

__all__ = ["CHECKS"]

import ast
from collections.abc import Iterator

from .source import PACKAGE, ROOT, Checks, SourceFile, mutant, package_files

MEDIA = {file.stem for file in ROOT.joinpath(PACKAGE, "media").glob("*.py")} - {"__init__"}
VALUES = {"sample", "samples", "preview", "previews", "shown", "finished"}  # by whatever class
SAMPLES = {"Image", "Image.Image", "Waveform"}
REPRESENTATIONS = {"Bytes", "Characters", "MuLaw", "Pixels", "Tabular", "Text", "Tokens"}
EXAMPLES = {"Pictures", "Rows", "Sounds", "Windows"}
COLLECTIONS = ast.Tuple | ast.List | ast.Set
OWNERS = ("media", "representations", "data", "recipes")  # subpackages that may test the classes of a medium


def media_are_asked(file: SourceFile) -> Iterator[str]:
    if file.subpackage == "media":
        return
    for node in file.nodes:
        compared, listed = set[str](), set[str]()
        if isinstance(node, ast.Compare):
            compared = _strings([node.left, *node.comparators])
        elif isinstance(node, ast.MatchValue):
            compared = _strings([node.value])
        elif isinstance(node, ast.Dict):
            listed = _strings([part for part in (*node.keys, *node.values) if part])
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal":
            listed = _strings([node.slice])
        if compared & MEDIA or len(listed & MEDIA) > 1:
            yield f"{ast.unparse(node)[:60]!r} asks which medium it is; ask the medium"


def classes_of_media_are_not_tested(file: SourceFile) -> Iterator[str]:
    if file.subpackage in OWNERS:
        return
    for node in file.nodes:
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass"):
            tested = {ast.unparse(part) for part in ast.walk(node.args[1]) if isinstance(part, ast.expr)}
            value = ast.unparse(node.args[0]).split("[")[0].split(".")[0]
            presented = value in VALUES and tested != {"Tensor"}  # a tensor is yet to be presented
            if presented or tested & (SAMPLES | REPRESENTATIONS | EXAMPLES):
                yield f"line {node.lineno}: {ast.unparse(node)} tests for a medium; ask the medium"


CHECKS: Checks = {
    media_are_asked: (
        package_files,
        [
            mutant('def f(data):\n    return data.medium == "text"', "compare/mutant.py"),
            mutant('def f(data):\n    return data.medium in ("pictures", "sound")', "advise/mutant.py"),
            mutant('UNITS = {"pictures": "subpixel", "text": "byte"}', "advise/mutant.py"),
            mutant('MEDIA = {"Pixels": "pictures", "Text": "text"}', "catalogue.py"),
            mutant('class A:\n    medium: Literal["pictures", "text"]', "data/mutant.py"),
            mutant('def f(data):\n    match data.medium:\n        case "sound":\n            return 1'),
        ],
    ),
    classes_of_media_are_not_tested: (
        package_files,
        [
            mutant("def f(sample):\n    return isinstance(sample, Waveform)", "samples.py"),
            mutant("def f(sample):\n    return isinstance(sample, str)", "report/mutant.py"),
            mutant("def f(samples):\n    return isinstance(samples[0], Mapping)", "samples.py"),
            mutant(
                "def f(rows):\n    return isinstance(rows[0], str | Image.Image)",
                "cli/mutant.py",
            ),
            mutant("def f(data):\n    return isinstance(data.representation, Text)", "evaluation/mutant.py"),
            mutant("def f(data):\n    return isinstance(data.train, Pictures | Rows)", "advise/mutant.py"),
        ],
    ),
}


def _strings(nodes: list[ast.expr]) -> set[str]:
    """The strings among expressions, also in tuples, lists and sets of them."""
    parts = [part for node in nodes for part in (node.elts if isinstance(node, COLLECTIONS) else [node])]
    return {part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)}
