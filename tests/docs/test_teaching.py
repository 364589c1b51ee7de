"""The pages' Python runs, figures have records, every family, system and package is covered; with mutants."""

import contextlib
import doctest
import io
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from morphogen.catalogue import pages as systems

from .prose import ROOT, loose_figures

DOCS, SOURCE = ROOT / "docs", ROOT / "src" / "morphogen"
BLOCK = re.compile(r"^```(python|pycon)\n(.*?)^```", re.M | re.S)
RUNNING = [page for page in sorted(DOCS.glob("**/*.md")) if BLOCK.search(page.read_text(encoding="utf8"))]
TEACHING = [
    *DOCS.glob("families/*.md"),
    *(DOCS / f"{name}.md" for name in ("choose", "index", "notation", "contract")),
]
FAMILIES = sorted(path.parent.name for path in (SOURCE / "families").glob("*/__init__.py"))
SECTIONS = {"The problem", "Systems", "Papers", "What we measured", "What its likelihood is worth"}
NOT_AN_API = {"cli"}  # a command-line program; all other packages are imported


@pytest.mark.parametrize("page", RUNNING, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_the_examples_run(page: Path) -> None:
    assert run(page.read_text(encoding="utf8"), page.stem) == ""


def test_a_wrong_example_is_found() -> None:
    good = (
        "```python\nnumber = 2\n```\nand\n```pycon\n>>> double = 2 * number\n>>> double\n4\n```\n"
        "```pycon\n>>> double + 1\n5\n```\n"
    )
    assert run(good, "page") == ""
    assert "Expected:\n    6" in run(good.replace("\n5\n", "\n6\n"), "page")
    assert "NameError" in run(good.replace("number = 2", "other = 2"), "page")


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_a_complete_page(family: str) -> None:
    page = DOCS / "families" / f"{family}.md"
    assert page in RUNNING
    assert set(re.findall(r"^## (.+)$", page.read_text(encoding="utf8"), re.M)) >= SECTIONS


def test_every_system_is_on_a_family_page() -> None:
    text = "".join(page.read_text(encoding="utf8") for page in DOCS.glob("families/*.md"))
    assert [name for name in systems() if f"/systems/{name}.py" not in text] == []


@pytest.mark.parametrize("page", TEACHING, ids=lambda page: page.name)
def test_every_figure_has_a_record(page: Path) -> None:
    assert loose_figures(page.read_text(encoding="utf8")) == []


LOOSE = (
    "It costs 1.41 bits/dim.",
    "Recall is 99 % there.",
    "It draws 877 pictures a second.",
    "It has 2,733,657 parameters.",
)


@pytest.mark.parametrize("loose", LOOSE)
def test_a_figure_without_a_record_is_found(loose: str) -> None:
    marked = "<!-- figure: a b .2f -->[1.41](a.json)"
    good = (
        f"On 5,000 digits of 28 x 28, $x = 1.5$, `scale=3.0`, {marked}, *PixelCNN++* 2017.\n\n"
        "    make it 1.5\n\n$$ x =\n 0.5 $$\n"
    )
    assert loose_figures(good) == []
    assert len(loose_figures(f"{good}\n{loose}\n")) == 1


def test_the_api_has_every_package() -> None:
    names = {
        path.name.removesuffix(".py")
        for path in SOURCE.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    names = {name for name in names if not name.startswith("_")} - NOT_AN_API
    text = "".join(page.read_text(encoding="utf8") for page in DOCS.glob("api/*.md"))
    assert len(names) > 15 and left_out(names, text) == []
    assert left_out({*names, "alchemy"}, text) == ["alchemy"]


def run(text: str, name: str) -> str:
    """Run the examples of a page in one namespace; returns doctest's report of the failures."""
    names: dict = {"__name__": name}
    report = io.StringIO()
    for kind, code in BLOCK.findall(text):
        if kind == "python":
            exec(compile(code, name, "exec"), names)
            continue
        test = doctest.DocTestParser().get_doctest(code, names, name, None, 0)
        with contextlib.redirect_stdout(io.StringIO()):
            doctest.DocTestRunner().run(test, out=report.write, clear_globs=False)
        names = test.globs
    return report.getvalue()


def left_out(names: Iterable[str], text: str) -> list[str]:
    """Packages that no API page shows."""
    shown = set(re.findall(r"^::: morphogen\.(\w+)", text, re.M))
    return sorted(set(names) - shown)
