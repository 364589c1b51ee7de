"""Every file of the repository that a page links to is a page of the site, so that no link needs the web.

    docs/NAME.md         NAME.md                 src/..., tests/..., Makefile    source/PATH.md, a line an anchor
    CONTRIBUTING.md      contributing.md         a folder                        source/PATH/index.md, what is in it

A link that is named by a thing, [`Diffusion`](../src/.../objective.py), leads to the line where it is defined.
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
ENTRANCE = "CONTRIBUTING.md"  # shown as prose, though no page may link to it
LINK = re.compile(r"(?P<open>\[(?:[^\[\]]|\[[^\]]*\])*\]\()(?P<target>[^()\s]+)(?P<close>\))")
FENCE = re.compile(r"(^ *```.*?^ *```)", re.S | re.M)
BINARY = {".safetensors", ".png", ".svg", ".woff2"}
_shown: dict[str, Path] = {}  # by their address, the files outside docs/ that are pages


def address(path: Path) -> str:
    """Where a file or folder of the repository stands on the site."""
    if _of_docs(path):
        return path.relative_to(DOCS).as_posix()
    if _prose(path):
        return path.name.lower()
    return f"source/{path.relative_to(ROOT).as_posix()}{'/index' if path.is_dir() else ''}.md"


def linked(pages: Iterable[Path]) -> dict[str, Path]:
    """The files outside docs/ that these pages lead to, by their address on the site."""
    found: dict[str, Path] = {}
    left = list(pages)
    while left:
        page = left.pop()
        for path in _targets(page):
            if address(path) not in found and not _of_docs(path):
                found[address(path)] = path
                left.append(path)
    return found


def relinked(text: str, page: Path, at: str) -> str:
    """A page's text, its links to files of the repository made links from `at`, its own address, to where these stand on the site."""

    def moved(link: re.Match[str]) -> str:
        path, anchor = _split(page, link["target"])
        if path is None or (_of_docs(path) and _of_docs(page)):  # nothing of ours, or mkdocs's own work
            return link[0]
        line = _line(path, link["open"])
        return f"{link['open']}{posixpath.relpath(address(path), posixpath.dirname(at))}{anchor or line}{link['close']}"

    return "".join(part if FENCE.fullmatch(part) else LINK.sub(moved, part) for part in FENCE.split(text))


def on_files(files: Any, config: Any, **_: Any) -> Any:
    """mkdocs: the linked files as pages."""
    _shown.clear()
    _shown.update(linked([*DOCS.glob("**/*.md"), ROOT / ENTRANCE]) | {address(ROOT / ENTRANCE): ROOT / ENTRANCE})
    for uri, path in _shown.items():
        content = path.read_text(encoding="utf8") if _prose(path) else _page(path)
        files.append(File.generated(config, uri, content=content, inclusion=InclusionLevel.NOT_IN_NAV))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """mkdocs: a page's text, its links moved."""
    uri = page.file.src_uri
    return relinked(markdown, _shown.get(uri, DOCS / uri), uri)


def on_page_content(html: str, page: Any, **_: Any) -> str:
    """mkdocs: under the heading of a file's page, the file."""
    path = _shown.get(page.file.src_uri)
    if path is None or path.is_dir() or _prose(path):
        return html
    text = path.read_text(encoding="utf8")
    page.present_anchor_ids |= {f"L-{i}" for i in range(1, text.count("\n") + 2)}
    return html + _highlighted(text, path)


def _page(path: Path) -> str:
    """The Markdown of a file's page: its name; of a folder's: what is in it."""
    name = path.relative_to(ROOT).as_posix()
    lines = ["---", "hide: [navigation, toc]", "search: {exclude: true}", "---", "", f"# `{name}`", ""]
    if path.is_dir():
        lines += [f"- [`{inside.name}`]({inside.name})" if _readable(inside) else f"- `{inside.name}`" for inside in _inside(path)]
    return "\n".join(lines) + "\n"


def _targets(page: Path) -> list[Path]:
    """What a page links to; a folder to what is in it."""
    if page.is_dir():
        return [inside for inside in _inside(page) if _readable(inside)]
    if not (_prose(page) or _of_docs(page)):
        return []
    text = FENCE.sub("", page.read_text(encoding="utf8"))
    found = (_split(page, link["target"])[0] for link in LINK.finditer(text))
    return [path for path in found if path is not None and (path.is_dir() or _readable(path))]


def _split(page: Path, target: str) -> tuple[Path | None, str]:
    """The file of the repository that a link of a page leads to (None: it leads elsewhere), and its anchor."""
    path, sharp, anchor = target.partition("#")
    if not path or re.match(r"[a-z]+:", target):
        return None, ""
    folder = page if page.is_dir() else page.parent
    there = Path(posixpath.normpath((folder / path).as_posix()))
    return (there if there.exists() and there.is_relative_to(ROOT) else None), sharp + anchor


def _of_docs(path: Path) -> bool:
    """A page or a picture that mkdocs finds by itself."""
    return path.is_relative_to(DOCS) and not path.is_relative_to(HOOKS)


def _prose(path: Path) -> bool:
    """A page outside docs/ that is read as one."""
    return path.parent == ROOT and path.suffix == ".md"


def _inside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name[0] not in "._" or path.name == "__init__.py")


def _readable(path: Path) -> bool:
    return path.is_file() and path.suffix not in BINARY


def _line(path: Path, name: str) -> str:
    """The anchor of the line that defines what a link is named by; "": it is named otherwise."""
    thing = re.fullmatch(r"\[`([\w.]+)(?:\(.*\))?`\]\(", name)
    node = definition(path, thing[1]) if thing and path.suffix == ".py" else None
    return f"#L-{node.lineno}" if node is not None else ""


@cache
def _highlighted(text: str, path: Path) -> str:
    try:
        lexer: Any = get_lexer_for_filename(path.name, stripnl=False)
    except ClassNotFound:
        lexer = TextLexer(stripnl=False)
    return highlight(text, lexer, HtmlFormatter(cssclass="highlight source", linespans="L", wrapcode=True)) or escape(text)
