"""The hooks of the site report missing excerpts and invalid formulas; the catalogue is up to date."""

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


@pytest.mark.parametrize(
    "page", sorted(DOCS.glob("**/*.md")), ids=lambda page: page.relative_to(DOCS).as_posix()
)
def test_excerpts_are_lines_of_their_files(page: Path) -> None:
    for part in excerpts.excerpts(page.read_text(encoding="utf8"), page.parent):
        file = part.file.read_text(encoding="utf8").splitlines()
        lines = [line.strip() for line in file[part.first - 1 : part.last]]
        assert [line for line in part.text.splitlines() if line.strip() not in lines] == [] and part.text


def test_an_excerpt_is_the_source_without_its_docstring() -> None:
    whole = excerpts.excerpt(OBJECTIVE.with_name("processes.py"), "ForwardProcess.diffuse")
    part = excerpts.excerpt(OBJECTIVE, "Diffusion.losses", "eps =", "error =")
    assert whole.text.startswith("def diffuse(") and "alpha" in whole.text and '"""' not in whole.text
    assert part.text.startswith("eps =") and part.text.splitlines()[-1].startswith("error =")
    assert part.first == _line(OBJECTIVE, "eps = ") and part.last == _line(OBJECTIVE, "error = ")


MISSING = {
    "a method": "Code: [`Diffusion.lost`](objective.py)",
    "a class": "Code: [`Diffused.losses`](objective.py)",
    "a file": "Code: [`Diffusion.losses`](missing.py)",
    "a line": 'Code: [`Diffusion.losses`](objective.py), from "delta ="',
    "a last line": 'Code: [`Diffusion.losses`](objective.py), from "error =" to "eps ="',
    "the form": "Code: `Diffusion.losses` in objective.py",
    "a part of the form": "Code: [`Diffusion.losses`](objective.py), from eps to error",
}


@pytest.mark.parametrize("kind", MISSING)
def test_missing_code_is_found(kind: str) -> None:
    link = "Code: [`Diffusion.losses`](objective.py)"
    good = f'$$ x $$\n\n{link}\n\n{link}, from "eps =" to "error ="\n'
    assert len(excerpts.excerpts(good, OBJECTIVE.parent)) == 2
    with pytest.raises((LookupError, ValueError)):
        excerpts.excerpts(good + "\n" + MISSING[kind], OBJECTIVE.parent)


def test_missing_code_fails_the_build() -> None:
    page = SimpleNamespace(file=SimpleNamespace(src_uri="families/page.md"))
    link = OBJECTIVE.relative_to(ROOT).as_posix()
    text = f"$$ x $$\n\nCode: [`Diffusion.losses`](../../{link})\n"
    assert '<div class="beside" markdown>' in excerpts.on_page_markdown(text, page=page)
    with pytest.raises(PluginError, match=r"families/page\.md: objective\.py has no Diffusion\.lost"):
        excerpts.on_page_markdown(text.replace("losses", "lost"), page=page)


def test_formulas_are_converted_or_fail_the_build() -> None:
    page = SimpleNamespace(file=SimpleNamespace(src_uri="page.md"))
    inline = r'<p><span class="arithmatex">\(x &lt; \alpha\)</span> and <code>\(y\)</code></p>'
    html = inline + r'<div class="arithmatex">\[ \sum_i x_i \]</div>'
    converted = mathematics.on_page_content(html, page=page)
    assert converted.count("<math") == 2 and "arithmatex" not in converted
    assert "&lt;" in converted and r"<code>\(y\)</code>" in converted
    with pytest.raises(PluginError, match=r"page\.md: .*sume"):
        mathematics.on_page_content(html.replace(r"\sum", r"\sume"), page=page)


def test_a_link_named_after_an_object_leads_to_its_line() -> None:
    page = DOCS / "families" / "page.md"
    path = f"../../{OBJECTIVE.relative_to(ROOT).as_posix()}"
    names = ("`Diffusion`", "`Diffusion.losses`", "that", "`missing`")
    code = f"\n```\n[`Diffusion`]({path})\n```\n"
    text = ", ".join(f"[{name}]({path})" for name in names) + code
    target = f"../source/{OBJECTIVE.relative_to(ROOT).as_posix()}.md"
    anchors = [f"#L-{_line(OBJECTIVE, 'class Diffusion(')}", f"#L-{_line(OBJECTIVE, 'def losses(')}", "", ""]
    expected = ", ".join(f"[{name}]({target}{anchor})" for name, anchor in zip(names, anchors, strict=True))
    assert sources.relinked(text, page, "families/page.md") == expected + code


def test_the_catalogue_is_up_to_date() -> None:
    page = DOCS / "catalogue.md"
    assert page.read_text(encoding="utf8") == fill(catalogue.catalogue(), page), (
        "run: python docs/hooks/catalogue.py"
    )


def test_a_changed_size_changes_the_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    vae = systems()["vae"]
    before = catalogue.counts(vae)
    monkeypatch.setitem(sys.modules["morphogen.systems.vae"].SIZES["small"], "latent", 40)
    after = catalogue.counts(vae)
    assert [size for size in before if before[size] != after[size]] == ["small"]


def test_docstrings_are_escaped_for_markdown() -> None:
    docstring = (
        "x_t [B, *shape] to [B, *shape], a < b.\n\n    z = f(x)\n\n"
        "Arguments:\n    a, b: of x_t,\n        and more.\n    c: `d_e`."
    )
    assert as_markdown(docstring) == (
        "x\\_t \\[B, \\*shape\\] to \\[B, \\*shape\\], a &lt; b.\n\n```text\nz = f(x)\n```\n\n"
        "**Arguments**\n\n- `a, b`: of x\\_t,\n  and more.\n- `c`: `d_e`."
    )
    assert (
        as_markdown("one     in columns\ntwo     of them")
        == "```text\none     in columns\ntwo     of them\n```"
    )


def _line(file: Path, beginning: str) -> int:
    """Number of the first line that begins with a text."""
    lines = file.read_text(encoding="utf8").splitlines()
    return next(i for i, line in enumerate(lines, 1) if line.strip().startswith(beginning))
