"""The site as it is built: every warning an error, equations beside their code, nothing asked of the web. Mutants below."""

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
    """As `make docs` builds it, elsewhere."""
    place = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", place]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0 and "WARNING" not in built.stderr, built.stderr
    return place


def test_it_is_strict() -> None:
    """No link, anchor or page may be wrong and pass."""
    config = load_config(str(ROOT / "mkdocs.yml"))
    assert config.strict and config.theme["font"] is False
    checks = [*config.validation.nav.items(), *config.validation.links.items()]
    assert len(checks) > 6 and {level for _, level in checks} == {30}, checks  # logging.WARNING


def test_equations_stand_beside_code(site: Path) -> None:
    for name in FAMILIES:
        html = (site / "families" / f"{name}.html").read_text(encoding="utf8")
        besides = html.split('<div class="beside">')[1:]
        assert len(besides) >= 4, name
        for beside in besides:
            assert 0 < beside.find("<math") < beside.find('<div class="language-python'), name


def test_nothing_is_left_unset(site: Path) -> None:
    """No formula in LaTeX, no line of code that is only named."""
    for page in site.glob("**/*.html"):
        text = page.read_text(encoding="utf8")
        assert "arithmatex" not in text and "<p>Code: " not in text, page


def test_our_font_has_every_sign_of_the_formulas(site: Path) -> None:
    signs = {sign for page in site.glob("**/*.html") for sign in _signs(page.read_text(encoding="utf8"))}
    assert len(signs) > 80 and missing(signs) == []
    assert missing([*signs, "\N{SNOWMAN}", "\N{HEBREW LETTER ALEF}"]) == ["\N{HEBREW LETTER ALEF}", "\N{SNOWMAN}"]


def test_every_file_that_is_linked_is_there_line_by_line(site: Path) -> None:
    linked = sources.linked(DOCS.glob("**/*.md"))
    assert len(linked) > 60
    for uri, path in linked.items():
        page = site / f"{uri.removesuffix('.md')}.html"
        assert page.exists(), uri
        if path.suffix == ".py":
            assert page.read_text(encoding="utf8").count('id="L-') >= len(path.read_text(encoding="utf8").splitlines()), uri


def test_no_page_asks_the_web_for_anything(site: Path) -> None:
    for page in site.glob("**/*.html"):
        assert asked(page.read_text(encoding="utf8")) == [], page
    for sheet in site.glob("**/*.css"):
        assert re.findall(r"url\(['\"]?(?:https?:)?//|@import", sheet.read_text(encoding="utf8")) == [], sheet


ASKING = {
    "a script": '<script src="https://cdn.example.org/a.js"></script>',
    "a style": '<link rel="stylesheet" href="//fonts.example.org/css">',
    "a picture": '<img alt="" src="http://example.org/a.png">',
    "one of several pictures": '<img src="a.png" srcset="a.png 1x, https://example.org/a2.png 2x">',
    "a frame": "<iframe src='https://example.org'></iframe>",
    "a style in the line": '<p style="background: url(https://example.org/a.png)">text</p>',
    "a style sheet in the page": "<style>@import 'https://example.org/a.css';</style>",
}


@pytest.mark.parametrize("kind", ASKING)
def test_a_page_that_asks_is_found(kind: str) -> None:
    quiet = '<a href="https://example.org">a link</a><img src="a.png"><script src="../a.js"></script><p>see https://example.org</p>'
    assert asked(quiet) == []
    assert len(asked(quiet + ASKING[kind])) == 1


def missing(signs: Iterable[str]) -> list[str]:
    """The signs that our font, by its own account in the style sheet, does not have."""
    (ranges,) = re.findall(r"unicode-range: ([^;]+);", (DOCS / "assets" / "site.css").read_text(encoding="utf8"))
    known = [tuple(int(end, 16) for end in part.strip().removeprefix("U+").split("-")) for part in ranges.split(",")]
    return sorted(sign for sign in signs if not any(part[0] <= ord(sign) <= part[-1] for part in known))


def _signs(html: str) -> set[str]:
    """What stands in the formulas of a page."""
    return {sign for formula in re.findall(r"<math.*?</math>", html, re.S) for sign in unescape(re.sub(r"<[^>]+>", "", formula))}


def asked(html: str) -> list[str]:
    """What a page would fetch from the web when it is looked at."""
    parser = _Asked()
    parser.feed(html)
    return parser.found


class _Asked(HTMLParser):
    """Addresses of things that belong to the page; what is only linked is not asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.style = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.style = tag == "style"
        for name, value in attributes:
            if (name in ("src", "srcset", "data", "poster") or (name == "href" and tag in ("link", "use", "image"))) and value:
                self.found += re.findall(r"(?:https?:)?//[^\s,]+", value)
            elif name == "style" and value:
                self.found += re.findall(r"url\(['\"]?(?:https?:)?//", value)

    def handle_data(self, data: str) -> None:
        if self.style:
            self.found += re.findall(r"(?:https?:)?//\S+", re.sub(r"/\*.*?\*/", "", data, flags=re.S))
