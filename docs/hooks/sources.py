"""Add every repository file that a page links to as a page of the site, so that all links work offline.

    docs/NAME.md                    NAME.md
    CONTRIBUTING.md                 contributing.md
    src/..., tests/..., Makefile    source/PATH.md, with an anchor per line
    a folder                        source/PATH/index.md, with its contents

A link named after an object, [`Diffusion`](../src/.../objective.py), leads to the line that defines it.
"""

__all__ = ["address", "linked", "on_files", "on_page_content", "on_page_markdown", "relinked"]

import posixpath
import re
from collections.abc import Iterable
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from excerpts import definition
from mkdocs.structure.files import File, InclusionLevel
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TextLexer, get_lexer_for_filename
from pygments.util import ClassNotFound

ROOT = Path(__file__).parents[2]
DOCS, HOOKS = ROOT / "docs", ROOT / "docs" / "hooks"
CONTRIBUTING = "CONTRIBUTING.md"  # added even if no page links to it
LINK = re.compile(r"(?P<open>\[(?:[^\[\]]|\[[^\]]*\])*\]\()(?P<target>[^()\s]+)(?P<close>\))")
FENCE = re.compile(r"(^ *```.*?^ *```)", re.S | re.M)
BINARY = {".safetensors", ".png", ".svg", ".woff2"}
_added: dict[str, Path] = {}  # files outside docs/ that are pages, by address


def address(path: Path) -> str:
    """Address on the site of a file or folder of the repository."""
    if _in_docs(path):
        return path.relative_to(DOCS).as_posix()
    if _is_prose(path):
        return path.name.lower()
    return f"source/{path.relative_to(ROOT).as_posix()}{'/index' if path.is_dir() else ''}.md"


def linked(pages: Iterable[Path]) -> dict[str, Path]:
    """Files outside docs/ that the pages link to, directly or not, by address."""
    found: dict[str, Path] = {}
    remaining = list(pages)
    while remaining:
        for path in _targets(remaining.pop()):
            if address(path) not in found and not _in_docs(path):
                found[address(path)] = path
                remaining.append(path)
    return found


def relinked(text: str, page: Path, at: str) -> str:
    """The text of a page, with links to repository files replaced with links to their pages.

    Arguments:
        text: Markdown of the page.
        page: its file.
        at: its address on the site, from which the links are relative.
    """

    def relink(link: re.Match[str]) -> str:
        path, anchor = _split(page, link["target"])
        if path is None or (_in_docs(path) and _in_docs(page)):  # external, or resolved by mkdocs
            return link[0]
        target = posixpath.relpath(address(path), posixpath.dirname(at))
        return f"{link['open']}{target}{anchor or _line_anchor(path, link['open'])}{link['close']}"

    return "".join(part if FENCE.fullmatch(part) else LINK.sub(relink, part) for part in FENCE.split(text))


def on_files(files: Any, config: Any, **_: Any) -> Any:
    """Called by mkdocs: add the linked files as pages."""
    contributing = ROOT / CONTRIBUTING
    _added.clear()
    _added.update(linked([*DOCS.glob("**/*.md"), contributing]) | {address(contributing): contributing})
    for uri, path in _added.items():
        content = path.read_text(encoding="utf8") if _is_prose(path) else _page(path)
        files.append(File.generated(config, uri, content=content, inclusion=InclusionLevel.NOT_IN_NAV))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Called by mkdocs: replace the links of a page."""
    uri = page.file.src_uri
    return relinked(markdown, _added.get(uri, DOCS / uri), uri)


def on_page_content(html: str, page: Any, **_: Any) -> str:
    """Called by mkdocs: append the highlighted file to its page."""
    path = _added.get(page.file.src_uri)
    if path is None or path.is_dir() or _is_prose(path):
        return html
    text = path.read_text(encoding="utf8")
    page.present_anchor_ids |= {f"L-{i}" for i in range(1, text.count("\n") + 2)}
    return html + _highlighted(text, path)


def _page(path: Path) -> str:
    """Markdown of the page of a file (its name) or of a folder (its contents)."""
    name = path.relative_to(ROOT).as_posix()
    lines = ["---", "hide: [navigation, toc]", "search: {exclude: true}", "---", "", f"# `{name}`", ""]
    if path.is_dir():
        lines += [
            f"- [`{inside.name}`]({inside.name})" if _is_text(inside) else f"- `{inside.name}`"
            for inside in _contents(path)
        ]
    return "\n".join(lines) + "\n"


def _targets(page: Path) -> list[Path]:
    """Files that a page links to; those inside, for a folder."""
    if page.is_dir():
        return [inside for inside in _contents(page) if _is_text(inside)]
    if not (_is_prose(page) or _in_docs(page)):
        return []
    text = FENCE.sub("", page.read_text(encoding="utf8"))
    targets = (_split(page, link["target"])[0] for link in LINK.finditer(text))
    return [path for path in targets if path is not None and (path.is_dir() or _is_text(path))]


def _split(page: Path, target: str) -> tuple[Path | None, str]:
    """The repository file that a link leads to, None if it is external, and its anchor."""
    path, sharp, anchor = target.partition("#")
    if not path or re.match(r"[a-z]+:", target):
        return None, ""
    folder = page if page.is_dir() else page.parent
    file = Path(posixpath.normpath((folder / path).as_posix()))
    return (file if file.exists() and file.is_relative_to(ROOT) else None), sharp + anchor


def _in_docs(path: Path) -> bool:
    """Whether mkdocs finds the file by itself."""
    return path.is_relative_to(DOCS) and not path.is_relative_to(HOOKS)


def _is_prose(path: Path) -> bool:
    """Whether a file outside docs/ is rendered as Markdown."""
    return path.parent == ROOT and path.suffix == ".md"


def _contents(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name[0] not in "._" or path.name == "__init__.py")


def _is_text(path: Path) -> bool:
    return path.is_file() and path.suffix not in BINARY


def _line_anchor(path: Path, link: str) -> str:
    """Anchor of the line that defines the object that a link is named after; "" if it names none."""
    name = re.fullmatch(r"\[`([\w.]+)(?:\(.*\))?`\]\(", link)
    node = definition(path, name[1]) if name and path.suffix == ".py" else None
    return f"#L-{node.lineno}" if node is not None else ""


@cache
def _highlighted(text: str, path: Path) -> str:
    try:
        lexer: Any = get_lexer_for_filename(path.name, stripnl=False)
    except ClassNotFound:
        lexer = TextLexer(stripnl=False)
    formatter = HtmlFormatter(cssclass="highlight source", linespans="L", wrapcode=True)
    return highlight(text, lexer, formatter) or escape(text)
