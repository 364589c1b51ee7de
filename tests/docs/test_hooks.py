"""What builds the site finds what is gone: the object of an equation, a formula nobody can read, a catalogue that is old."""

import sys
from pathlib import Path
from types import SimpleNamespace

import catalogue
import excerpts
import mathematics
import pytest
import sources
from docstrings import as_markdown
from mkdocs.exceptions import PluginError

from morphogen.catalogue import pages as systems

from .prose import ROOT, fill

DOCS = ROOT / "docs"
OBJECTIVE = ROOT / "src" / "morphogen" / "families" / "diffusion" / "objective.py"


@pytest.mark.parametrize("page", sorted(DOCS.glob("**/*.md")), ids=lambda page: page.relative_to(DOCS).as_posix())
def test_the_code_that_a_page_shows_is_there(page: Path) -> None:
    for part in excerpts.excerpts(page.read_text(encoding="utf8"), page.parent):
        lines = [line.strip() for line in part.file.read_text(encoding="utf8").splitlines()[part.first - 1 : part.last]]
        assert [line for line in part.text.splitlines() if line.strip() not in lines] == [] and part.text


def test_an_excerpt_is_the_source_without_its_docstring() -> None:
    whole, part = (
        excerpts.excerpt(OBJECTIVE.with_name("processes.py"), "ForwardProcess.diffuse"),
        excerpts.excerpt(OBJECTIVE, "Diffusion.losses", "eps =", "error ="),
    )
    assert whole.text.startswith("def diffuse(") and "alpha" in whole.text and '"""' not in whole.text
    assert part.text.startswith("eps =") and part.text.splitlines()[-1].startswith("error =")
    assert part.first == _line(OBJECTIVE, "eps = ") and part.last == _line(OBJECTIVE, "error = ")


GONE = {
    "a method": "Code: [`Diffusion.lost`](objective.py)",
    "a class": "Code: [`Diffused.losses`](objective.py)",
    "a file": "Code: [`Diffusion.losses`](missing.py)",
    "a line": 'Code: [`Diffusion.losses`](objective.py), from "delta ="',
    "a last line": 'Code: [`Diffusion.losses`](objective.py), from "error =" to "eps ="',
    "the form": "Code: `Diffusion.losses` in objective.py",
    "a part of the form": "Code: [`Diffusion.losses`](objective.py), from eps to error",
}


@pytest.mark.parametrize("kind", GONE)
def test_an_equation_whose_code_is_gone_is_found(kind: str) -> None:
    good = '$$ x $$\n\nCode: [`Diffusion.losses`](objective.py)\n\nCode: [`Diffusion.losses`](objective.py), from "eps =" to "error ="\n'
    assert len(excerpts.excerpts(good, OBJECTIVE.parent)) == 2
    with pytest.raises((LookupError, ValueError)):
        excerpts.excerpts(good + "\n" + GONE[kind], OBJECTIVE.parent)


def test_gone_code_ends_the_build() -> None:
    page, link = SimpleNamespace(file=SimpleNamespace(src_uri="families/page.md")), OBJECTIVE.relative_to(ROOT).as_posix()
    text = f"$$ x $$\n\nCode: [`Diffusion.losses`](../../{link})\n"
    assert '<div class="beside" markdown>' in excerpts.on_page_markdown(text, page=page)
    with pytest.raises(PluginError, match=r"families/page\.md: objective\.py has no Diffusion\.lost"):
        excerpts.on_page_markdown(text.replace("losses", "lost"), page=page)


def test_mathematics_is_set_or_ends_the_build() -> None:
    page = SimpleNamespace(file=SimpleNamespace(src_uri="page.md"))
    html = r'<p><span class="arithmatex">\(x &lt; \alpha\)</span> and <code>\(y\)</code></p><div class="arithmatex">\[ \sum_i x_i \]</div>'
    made = mathematics.on_page_content(html, page=page)
    assert made.count("<math") == 2 and "&lt;" in made and "arithmatex" not in made and r"<code>\(y\)</code>" in made
    with pytest.raises(PluginError, match=r"page\.md: .*sume"):
        mathematics.on_page_content(html.replace(r"\sum", r"\sume"), page=page)


def test_a_link_lands_on_the_line() -> None:
    page = DOCS / "families" / "page.md"
    path = f"../../{OBJECTIVE.relative_to(ROOT).as_posix()}"
    text = f"[`Diffusion`]({path}), [`Diffusion.losses`]({path}), [that]({path}), [`gone`]({path})\n```\n[`Diffusion`]({path})\n```\n"
    place = f"../source/{OBJECTIVE.relative_to(ROOT).as_posix()}.md"
    lines = [f"#L-{_line(OBJECTIVE, 'class Diffusion(')}", f"#L-{_line(OBJECTIVE, 'def losses(')}", "", ""]
    names = ("`Diffusion`", "`Diffusion.losses`", "that", "`gone`")
    wanted = ", ".join(f"[{name}]({place}{line})" for name, line in zip(names, lines, strict=True))
    assert sources.relinked(text, page, "families/page.md") == f"{wanted}\n```\n[`Diffusion`]({path})\n```\n"


def test_the_catalogue_is_fresh() -> None:
    page = DOCS / "catalogue.md"
    assert page.read_text(encoding="utf8") == fill(catalogue.catalogue(), page), "run: python docs/hooks/catalogue.py"


def test_a_catalogue_that_is_not_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant: one number of a page."""
    vae = systems()["vae"]
    before = catalogue.counts(vae)
    monkeypatch.setitem(sys.modules["morphogen.systems.vae"]._NETWORKS["small"], "latent", 40)
    after = catalogue.counts(vae)
    assert [size for size in before if before[size] != after[size]] == ["small"]


def test_docstrings_mean_what_they_say() -> None:
    said = as_markdown(
        "x_t [B, *shape] to [B, *shape], a < b.\n\n    z = f(x)\n\nArguments:\n    a, b: of x_t,\n        and more.\n    c: `d_e`."
    )
    assert said == (
        "x\\_t \\[B, \\*shape\\] to \\[B, \\*shape\\], a &lt; b.\n\n```text\nz = f(x)\n```\n\n"
        "**Arguments**\n\n- `a, b`: of x\\_t,\n  and more.\n- `c`: `d_e`."
    )
    assert as_markdown("one     in columns\ntwo     of them") == "```text\none     in columns\ntwo     of them\n```"


def _line(file: Path, beginning: str) -> int:
    """The number of the line that begins so."""
    lines = file.read_text(encoding="utf8").splitlines()
    return next(i for i, line in enumerate(lines, 1) if line.strip().startswith(beginning))
