"""The built site: no warnings, equations next to their code, no network requests; with mutants."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
import sources
from mkdocs.config import load_config

from .prose import ROOT

DOCS, SOURCE = ROOT / "docs", ROOT / "src" / "morphogen"
FAMILIES = sorted(path.parent.name for path in (SOURCE / "families").glob("*/__init__.py"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as by `make docs`, in a temporary directory."""
    directory = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", directory]
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}  # the theme's announcement of a successor
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=quiet)
    assert built.returncode == 0 and "WARNING" not in built.stderr, built.stderr
    return directory


def test_it_is_strict() -> None:
    """Every invalid link, anchor and page is a warning, and warnings fail the build."""
    config = load_config(str(ROOT / "mkdocs.yml"))
    assert config.strict and config.theme["font"] is False
    checks = [*config.validation.nav.items(), *config.validation.links.items()]
    assert len(checks) > 6 and {level for _, level in checks} == {30}, checks  # logging.WARNING


def test_equations_are_next_to_code(site: Path) -> None:
    for name in FAMILIES:
        html = (site / "families" / f"{name}.html").read_text(encoding="utf8")
        pairs = html.split('<div class="beside">')[1:]
        assert len(pairs) >= 4, name
        for pair in pairs:
            assert 0 < pair.find("<math") < pair.find('<div class="language-python'), name


def test_all_formulas_and_excerpts_are_rendered(site: Path) -> None:
    for page in site.glob("**/*.html"):
        text = page.read_text(encoding="utf8")
        assert "arithmatex" not in text and "<p>Code: " not in text, page


def test_our_font_has_every_character_of_the_formulas(site: Path) -> None:
    pages = [page.read_text(encoding="utf8") for page in site.glob("**/*.html")]
    characters = {character for html in pages for character in _formula_characters(html)}
    assert len(characters) > 80 and missing(characters) == []
    others = ["\N{HEBREW LETTER ALEF}", "\N{SNOWMAN}"]
    assert missing([*characters, *others]) == others


def test_every_linked_file_has_a_page_with_line_anchors(site: Path) -> None:
    linked = sources.linked(DOCS.glob("**/*.md"))
    assert len(linked) > 60
    for uri, path in linked.items():
        page = site / f"{uri.removesuffix('.md')}.html"
        assert page.exists(), uri
        if path.suffix == ".py":
            lines = path.read_text(encoding="utf8").splitlines()
            assert page.read_text(encoding="utf8").count('id="L-') >= len(lines), uri


def test_no_page_makes_network_requests(site: Path) -> None:
    for page in site.glob("**/*.html"):
        assert requests(page.read_text(encoding="utf8")) == [], page
    for style in site.glob("**/*.css"):
        assert re.findall(r"url\(['\"]?(?:https?:)?//|@import", style.read_text(encoding="utf8")) == [], style


REQUESTS = {
    "a script": '<script src="https://cdn.example.org/a.js"></script>',
    "a linked style sheet": '<link rel="stylesheet" href="//fonts.example.org/css">',
    "a picture": '<img alt="" src="http://example.org/a.png">',
    "one of several pictures": '<img src="a.png" srcset="a.png 1x, https://example.org/a2.png 2x">',
    "a frame": "<iframe src='https://example.org'></iframe>",
    "an inline style": '<p style="background: url(https://example.org/a.png)">text</p>',
    "an embedded style sheet": "<style>@import 'https://example.org/a.css';</style>",
}


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_network_request_is_found(kind: str) -> None:
    local = (
        '<a href="https://example.org">a link</a><img src="a.png"><script src="../a.js"></script>'
        "<p>see https://example.org</p>"
    )
    assert requests(local) == []
    assert len(requests(local + REQUESTS[kind])) == 1


def missing(characters: Iterable[str]) -> list[str]:
    """Characters that our font does not have, according to the style sheet."""
    style = (DOCS / "assets" / "site.css").read_text(encoding="utf8")
    (declared,) = re.findall(r"unicode-range: ([^;]+);", style)
    parts = [part.strip().removeprefix("U+").split("-") for part in declared.split(",")]
    ranges = [(int(part[0], 16), int(part[-1], 16)) for part in parts]
    return sorted(c for c in characters if not any(first <= ord(c) <= last for first, last in ranges))


def _formula_characters(html: str) -> set[str]:
    """Characters in the formulas of a page."""
    formulas = re.findall(r"<math.*?</math>", html, re.S)
    return set(unescape("".join(re.sub(r"<[^>]+>", "", formula) for formula in formulas)))


def requests(html: str) -> list[str]:
    """Addresses that a browser would request to show a page."""
    parser = _RequestParser()
    parser.feed(html)
    return parser.found


class _RequestParser(HTMLParser):
    """Collects the addresses of embedded resources; links to other pages are not requests."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.style = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.style = tag == "style"
        for name, value in attributes:
            linked = name == "href" and tag in ("link", "use", "image")
            if value and (linked or name in ("src", "srcset", "data", "poster")):
                self.found += re.findall(r"(?:https?:)?//[^\s,]+", value)
            elif name == "style" and value:
                self.found += re.findall(r"url\(['\"]?(?:https?:)?//", value)

    def handle_data(self, data: str) -> None:
        if self.style:
            self.found += re.findall(r"(?:https?:)?//\S+", re.sub(r"/\*.*?\*/", "", data, flags=re.S))
