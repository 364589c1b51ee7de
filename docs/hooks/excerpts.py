r"""Code excerpts in the pages, taken from the source when the site is built, so that they are never outdated.

    $$ x_t = \alpha_t x_0 + \sigma_t \varepsilon $$

    Code: [`ForwardProcess.diffuse`](../../src/morphogen/families/diffusion/processes.py)

On GitHub this is a link. On the site it is replaced with the lines of the object, without its docstring,
next to the equation that precedes it. `Code: [...](...), from "eps =" to "error ="` selects the lines from
the first that contains "eps =" to the next that contains "error ="; `from "eps ="` alone selects one line.
An excerpt that does not exist fails the build.
"""

__all__ = ["Excerpt", "definition", "excerpt", "excerpts", "on_page_markdown"]

import ast
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

ROOT = Path(__file__).parents[2]
LINE = re.compile(
    r"^Code: \[`(?P<name>[\w.]+)`\]\((?P<file>[^)\s]+\.py)\)"
    r'(?:, from "(?P<first>[^"\n]+)"(?: to "(?P<last>[^"\n]+)")?)?\.?$',
    re.M,
)
BLOCK = re.compile(
    r"^(?P<equation>\$\$(?:(?!\$\$).)+\$\$\n\n)?(?P<code>Code: [^\n]*(?:\n+Code: [^\n]*)*)$", re.M | re.S
)


@dataclass(frozen=True)
class Excerpt:
    """Lines `first` to `last` of a file: the object `name` without its docstring, or a part of it."""

    name: str
    file: Path
    first: int
    last: int
    text: str


def excerpt(file: Path, name: str, first: str | None = None, last: str | None = None) -> Excerpt:
    """The lines of an object, or those between the first that contain `first` and `last`.

    Errors: LookupError if the file, the object or one of these lines does not exist.
    """
    if not file.exists():
        raise LookupError(f"there is no {file.name}")
    node = definition(file, name)
    if node is None:
        raise LookupError(f"{file.name} has no {name}")
    text = file.read_text(encoding="utf8").splitlines()
    start = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
    hidden = _docstring(node, text)
    lines = [(i, text[i - 1]) for i in range(start, (node.end_lineno or start) + 1) if i not in hidden]
    if first is not None:
        begin = end = _find(lines, first, f"{name} has no line with {first!r}")
        if last is not None:
            end += 1 + _find(lines[begin + 1 :], last, f"{name} has no line with {last!r} after {first!r}")
        lines = lines[begin : end + 1]
    code = textwrap.dedent("\n".join(line for _, line in lines)).rstrip()
    return Excerpt(name, file, lines[0][0], lines[-1][0], code)


def excerpts(text: str, folder: Path) -> list[Excerpt]:
    """All excerpts of a page in `folder`. Errors: LookupError; ValueError for a malformed "Code:" line."""
    found = [
        excerpt(folder / match["file"], match["name"], match["first"], match["last"])
        for match in LINE.finditer(text)
    ]
    if malformed := len(re.findall(r"^Code: ", text, re.M)) - len(found):
        raise ValueError(
            f'{malformed} lines begin with "Code: " but are not of the form '
            'Code: [`Name`](FILE.py), from "..." to "..."'
        )
    return found


@cache
def definition(file: Path, name: str) -> Any:
    """The syntax node of `Class.method`, `function` or `CONSTANT` in a Python file; None if there is none."""
    node: Any = ast.parse(file.read_text(encoding="utf8"))
    for part in name.split("."):
        node = next((child for child in getattr(node, "body", []) if part in _names(child)), None)
    return node


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Called by mkdocs: replace the "Code:" lines of a page with code."""
    folder = ROOT / "docs" / Path(page.file.src_uri).parent
    try:
        remaining = iter(excerpts(markdown, folder))
        return BLOCK.sub(lambda block: _render(block, remaining), markdown)
    except (LookupError, ValueError) as error:
        raise PluginError(f"{page.file.src_uri}: {error}") from error


def _render(block: re.Match[str], remaining: Iterator[Excerpt]) -> str:
    """An equation and its code in two columns; code alone if there is no equation."""
    links = LINE.finditer(block["code"])
    code = "\n\n".join(_show(next(remaining), match["file"]) for match in links)
    if block["equation"] is None:
        return code
    equation = f'<div class="equation" markdown>\n\n{block["equation"]}</div>'
    return f'<div class="beside" markdown>\n{equation}\n<div markdown>\n\n{code}\n\n</div>\n</div>'


def _show(part: Excerpt, link: str) -> str:
    """The code of an excerpt, and where it is from."""
    lines = f"line {part.first}" if part.first == part.last else f"lines {part.first} to {part.last}"
    source = f"[`{part.name}`]({link}), {lines} of `{part.file.parent.name}/{part.file.name}`"
    return f"```python\n{part.text}\n```\n\n{source}\n{{ .from }}"


def _find(lines: list[tuple[int, str]], text: str, error: str) -> int:
    """Index of the first line that contains a text."""
    index = next((i for i, (_, line) in enumerate(lines) if text in line), None)
    if index is None:
        raise LookupError(error)
    return index


def _docstring(node: Any, text: list[str]) -> range:
    """Line numbers of the docstring and of the blank lines after it."""
    first = node.body[0] if isinstance(node, ast.ClassDef | ast.FunctionDef) else None
    value = first.value if isinstance(first, ast.Expr) else None
    if first is None or not isinstance(value, ast.Constant) or not isinstance(value.value, str):
        return range(0)
    end = first.end_lineno or first.lineno
    while end < len(text) and not text[end].strip():
        end += 1
    return range(first.lineno, end + 1)


def _names(node: Any) -> list[str]:
    """Names that a statement defines."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return [node.name]
    targets = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]
