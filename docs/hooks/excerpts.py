r"""The lines of code that are an equation, taken from the source when the site is built: what a page shows cannot go stale.

    $$ x_t = \alpha_t x_0 + \sigma_t \varepsilon $$

    Code: [`ForwardProcess.diffuse`](../../src/morphogen/families/diffusion/processes.py)

On GitHub that is a link; on the site it is the lines themselves, without the docstring, beside the equation that stands before
them. `Code: [...](...), from "eps =" to "error ="` takes the part from the first line that has the one to the first after it that
has the other; `from "eps ="` alone takes that line. What is not there ends the build.
"""

__all__ = ["Excerpt", "definition", "excerpt", "excerpts", "on_page_markdown"]

import ast
import re
import textwrap
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

ROOT = Path(__file__).parents[2]
CODE = r'^Code: \[`(?P<name>[\w.]+)`\]\((?P<file>[^)\s]+\.py)\)(?:, from "(?P<first>[^"\n]+)"(?: to "(?P<last>[^"\n]+)")?)?\.?$'
LINE = re.compile(CODE, re.M)
BESIDE = re.compile(r"^(?P<law>\$\$(?:(?!\$\$).)+\$\$\n\n)?(?P<code>Code: [^\n]*(?:\n+Code: [^\n]*)*)$", re.M | re.S)


@dataclass(frozen=True)
class Excerpt:
    """Lines `first` to `last` of a file, those of its object `name`, less the docstring."""

    name: str
    file: Path
    first: int
    last: int
    text: str


def excerpt(file: Path, name: str, first: str | None = None, last: str | None = None) -> Excerpt:
    """The lines of an object. Errors: LookupError if the file, the name or a word that should bound them is not there."""
    if not file.exists():
        raise LookupError(f"there is no {file.name}")
    node = definition(file, name)
    if node is None:
        raise LookupError(f"{file.name} has no {name}")
    text = file.read_text(encoding="utf8").splitlines()
    start = min([node.lineno, *(mark.lineno for mark in getattr(node, "decorator_list", []))])
    hidden = _docstring(node, text)
    lines = [(i, text[i - 1]) for i in range(start, (node.end_lineno or start) + 1) if i not in hidden]
    if first is not None:
        begin = _at(lines, first, f"{name} has no line with {first!r}")
        end = begin if last is None else begin + 1 + _at(lines[begin + 1 :], last, f"{name} has no line with {last!r} after {first!r}")
        lines = lines[begin : end + 1]
    return Excerpt(name, file, lines[0][0], lines[-1][0], textwrap.dedent("\n".join(line for _, line in lines)).rstrip())


def excerpts(text: str, folder: Path) -> list[Excerpt]:
    """All that a page in `folder` shows. Errors: LookupError; ValueError for a line that begins as one of them and is none."""
    found = [excerpt(folder / mark["file"], mark["name"], mark["first"], mark["last"]) for mark in LINE.finditer(text)]
    if (begun := len(re.findall(r"^Code: ", text, re.M))) != len(found):
        raise ValueError(f'{begun - len(found)} lines begin with "Code: " and do not go on as [`Name`](FILE.py), from "..." to "..."')
    return found


@cache
def definition(file: Path, name: str) -> Any:
    """The node of `Class.method`, `function` or `CONSTANT` in a Python file; None: there is none."""
    node: Any = ast.parse(file.read_text(encoding="utf8"))
    for part in name.split("."):
        node = next((child for child in getattr(node, "body", []) if part in _names(child)), None)
    return node


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """mkdocs: a page's text, its "Code:" lines made code."""
    folder = ROOT / "docs" / Path(page.file.src_uri).parent
    try:
        left = iter(excerpts(markdown, folder))
        return BESIDE.sub(lambda block: _beside(block, left), markdown)
    except (LookupError, ValueError) as error:
        raise PluginError(f"{page.file.src_uri}: {error}") from error


def _beside(block: re.Match[str], left: Any) -> str:
    """An equation and its lines of code as two columns; code alone if there is no equation."""
    shown = "\n\n".join(_shown(next(left), mark["file"]) for mark in LINE.finditer(block["code"]))
    if block["law"] is None:
        return shown
    return f'<div class="beside" markdown>\n<div class="law" markdown>\n\n{block["law"]}</div>\n<div markdown>\n\n{shown}\n\n</div>\n</div>'


def _shown(part: Excerpt, link: str) -> str:
    where = f"line {part.first}" if part.first == part.last else f"lines {part.first} to {part.last}"
    return f"```python\n{part.text}\n```\n\n[`{part.name}`]({link}), {where} of `{part.file.parent.name}/{part.file.name}`\n{{ .from }}"


def _at(lines: list[tuple[int, str]], word: str, error: str) -> int:
    found = next((place for place, (_, line) in enumerate(lines) if word in line), None)
    if found is None:
        raise LookupError(error)
    return found


def _docstring(node: Any, text: list[str]) -> range:
    """The lines of its docstring, and the blank ones after."""
    first = node.body[0] if isinstance(node, ast.ClassDef | ast.FunctionDef) else None
    if not (isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)):
        return range(0)
    end = first.end_lineno or first.lineno
    while end < len(text) and not text[end].strip():
        end += 1
    return range(first.lineno, end + 1)


def _names(node: Any) -> list[str]:
    """What a statement gives a name to."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]
