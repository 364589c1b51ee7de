"""Docstrings as Markdown for the API pages, by an extension of griffe.

Griffe reads the source without importing it. Indented text, and text in columns (separated by runs of
spaces), is kept verbatim. `Arguments:` and similar sections become lists. The rest is prose, in which
characters that Markdown would interpret, as in x_t, [B, *shape] and p(x | z), are escaped.
"""

__all__ = ["Docstrings", "as_markdown"]

import re
from typing import Any

from griffe import Extension

SECTION = re.compile(r"(Arguments|Errors|Raises|Returns|References):$")
ITEM = re.compile(r" {4}(?P<name>\w[\w*]*(?:, \w+)*): (?P<text>.*)$")
COLUMNS = re.compile(r"\S {3,}\S")
SPECIAL = re.compile(r"[\\*_<\[\]#$]")


class Docstrings(Extension):
    """Convert every docstring when its package is loaded."""

    def on_module(self, *, mod: Any, **_: Any) -> None:
        """Called by griffe: a package shows what it defines; re-exports are shown with their module."""
        if mod.is_package or mod.is_subpackage:
            mod.exports = None

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Called by griffe for each module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(docstring: str) -> str:
    """Convert a docstring in the style of this project to Markdown."""
    return "\n\n".join(_convert(block) for block in _blocks(docstring.splitlines()))


def _blocks(lines: list[str]) -> list[list[str]]:
    """Split into blocks: paragraphs, indented text, and sections; the latter two may contain blank lines."""
    blocks: list[list[str]] = [[]]
    for line in lines:
        block, indented = blocks[-1], line.startswith("    ")
        verbatim = bool(block) and (block[0].startswith("    ") or SECTION.match(block[0]) is not None)
        if not line.strip():
            block.append("") if verbatim else blocks.append([])
        elif (block and verbatim != indented) or SECTION.match(line):
            blocks.append([line])
        else:
            block.append(line)
    return [block for block in blocks if any(block)]


def _convert(lines: list[str]) -> str:
    """Convert one block."""
    while not lines[-1]:
        lines.pop()
    if SECTION.match(lines[0]):
        return f"**{lines[0].rstrip(':')}**\n\n" + "\n".join(_items(lines[1:]))
    if lines[0].startswith("    ") or any(COLUMNS.search(line) for line in lines):
        text = "\n".join(line.removeprefix("    ") for line in lines)
        return f"```{'pycon' if text.startswith('>>>') else 'text'}\n{text}\n```"
    return "\n".join(_prose(line) for line in lines)


def _items(lines: list[str]) -> list[str]:
    """Convert `name: text` entries, which may continue on further lines, to list items."""
    items: list[str] = []
    for line in lines:
        item = ITEM.match(line)
        if item:
            items.append(f"- `{item['name']}`: {_prose(item['text'])}")
        elif line.strip():
            items.append(f"  {_prose(line.strip())}" if items else f"- {_prose(line.strip())}")
    return items


def _prose(line: str) -> str:
    """Escape a line of prose, except the code between backticks."""
    parts = re.split(r"(`[^`]*`)", line)
    return "".join(part if i % 2 else SPECIAL.sub(_escape, part) for i, part in enumerate(parts))


def _escape(character: re.Match[str]) -> str:
    return "&lt;" if character[0] == "<" else "\\" + character[0]
