"""Checks that nothing is printed past `cli/echo.py` and `cli/console.py`, which print names as they are."""

__all__ = ["CHECKS"]

import ast
from collections.abc import Iterator

from .source import Checks, SourceFile, mutant, package_files

PRINTERS = {
    "print",
    "typer.echo",
    "typer.secho",
    "click.echo",
    "sys.stdout.write",
    "sys.stderr.write",
    "Console",
}
MARKUP = {"TextColumn", "Text.from_markup"}  # interpret brackets, unless told otherwise
PLACES = ("cli/echo.py", "cli/console.py")


def commands_print_text(file: SourceFile) -> Iterator[str]:
    if file.subpackage not in ("cli", "training") or file.path.as_posix().endswith(PLACES):
        return
    for node in file.nodes:
        if not isinstance(node, ast.Call):
            continue
        name, options = ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}
        if name in PRINTERS and file.subpackage == "cli":
            yield f"line {node.lineno}: {name} prints control characters or markup; use echo or PlainConsole"
        if name in MARKUP and options.get("markup") != "False":
            yield f"line {node.lineno}: {name} interprets brackets as markup; add markup=False"
        if name == "map" and node.args and ast.unparse(node.args[0]) in PRINTERS | MARKUP:
            yield f"line {node.lineno}: {ast.unparse(node.args[0])} prints markup"


def plurals_are_counted(file: SourceFile) -> Iterator[str]:
    """`counted` writes the plural of a number: no "s" is added by hand."""
    if file.subpackage in ("evaluation", "report") and not file.path.as_posix().endswith("codecs.py"):
        return
    for node in file.nodes:
        ends: list[ast.expr] = []
        if isinstance(node, ast.IfExp):
            ends = [node.body, node.orelse]
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            ends = [node.left, node.right]
        for end in ends:
            if isinstance(end, ast.Constant) and end.value in ("s", "es", "ies"):
                yield f"line {end.lineno}: {ast.unparse(node)} writes a plural; use morphogen.counted"


CHECKS: Checks = {
    plurals_are_counted: (
        package_files,
        [
            mutant("f'{n} cell{\"s\" * (n > 1)}'"),
            mutant('f\'{n} part{"s" if n > 1 else ""}\''),
            mutant("'class' + ('' if n == 1 else 'es')"),
        ],
    ),
    commands_print_text: (
        package_files,
        [
            mutant("typer.echo(f'reading {path}')", "cli/mutant.py"),
            mutant("print(path)", "cli/mutant.py"),
            mutant("Console().print(path)", "cli/mutant.py"),
            mutant("TextColumn('{task.description}')", "training/mutant.py"),
            mutant("list(map(TextColumn, columns))", "training/mutant.py"),
        ],
    ),
}
