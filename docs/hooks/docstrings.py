"""Our docstrings as Markdown, for the API's pages: an extension of griffe, which reads the source without running it.

What is indented, or set in columns by runs of spaces, stays as it is typed; `Arguments:` and its kin become a list; the rest is prose,
in which x_t, [B, *shape] and p(x | z) mean what they say and not what Markdown would make of them.
"""

__all__ = ["Docstrings", "as_markdown"]

import re
from typing import Any

from griffe import Extension

HEAD = re.compile(r"(Arguments|Errors|Raises|Returns|References):$")
ITEM = re.compile(r" {4}(?P<name>\w[\w*]*(?:, \w+)*): (?P<text>.*)$")
COLUMNS = re.compile(r"\S {3,}\S")
SPECIAL = re.compile(r"[\\*_<\[\]#$]")


class Docstrings(Extension):
    """Rewrites every docstring once its package is loaded."""

    def on_module(self, *, mod: Any, **_: Any) -> None:
        """griffe: a package shows what it defines; what it hands on stands at its module."""
        if mod.is_package or mod.is_subpackage:
            mod.exports = None

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """griffe: one module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(docstring: str) -> str:
    """A docstring of this house as Markdown."""
    return "\n\n".join(_block(block) for block in _blocks(docstring.splitlines()))


def _blocks(lines: list[str]) -> list[list[str]]:
    """Runs of lines that are prose, that are indented, or that are a list with its head; blank lines inside the last two stay."""
    found: list[list[str]] = [[]]
    for line in lines:
        inside = line.startswith("    ")
        kept = bool(found[-1]) and (found[-1][0].startswith("    ") or HEAD.match(found[-1][0]) is not None)
        if not line.strip():
            found[-1].append("") if kept else found.append([])
        elif (found[-1] and kept != inside) or HEAD.match(line):
            found.append([line])
        else:
            found[-1].append(line)
    return [block for block in found if any(block)]


def _block(lines: list[str]) -> str:
    while not lines[-1]:
        lines.pop()
    if HEAD.match(lines[0]):
        return f"**{lines[0].rstrip(':')}**\n\n" + "\n".join(_items(lines[1:]))
    if lines[0].startswith("    ") or any(COLUMNS.search(line) for line in lines):
        typed = "\n".join(line.removeprefix("    ") for line in lines)
        return f"```{'pycon' if typed.startswith('>>>') else 'text'}\n{typed}\n```"
    return "\n".join(_prose(line) for line in lines)


def _items(lines: list[str]) -> list[str]:
    """`name: text` as items of a list, what goes on over further lines with them."""
    found: list[str] = []
    for line in lines:
        item = ITEM.match(line)
        if item:
            found.append(f"- `{item['name']}`: {_prose(item['text'])}")
        elif line.strip():
            found.append(f"  {_prose(line.strip())}" if found else f"- {_prose(line.strip())}")
    return found


def _prose(line: str) -> str:
    """A line of prose; what stands between backticks is code already."""
    return "".join(part if i % 2 else SPECIAL.sub(_literally, part) for i, part in enumerate(re.split(r"(`[^`]*`)", line)))


def _literally(sign: re.Match[str]) -> str:
    return "&lt;" if sign[0] == "<" else "\\" + sign[0]
