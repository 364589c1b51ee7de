"""No page has dead links, invalid commands or figures that differ from their records; with mutants."""

import json
import re
from pathlib import Path

import pytest

from .prose import MARK, ROOT, bad_commands, dead_links, fill, pages

ARTICLE = ROOT / "docs" / "article.md"


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_links_are_not_dead(page: Path) -> None:
    assert dead_links(page.read_text(encoding="utf8"), page) == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_commands_are_valid(page: Path) -> None:
    assert bad_commands(page.read_text(encoding="utf8")) == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_figures_agree_with_their_records(page: Path) -> None:
    text = page.read_text(encoding="utf8")
    assert fill(text, page) == text, "run: python tests/docs/prose.py"


def test_the_article_links_every_system_and_family() -> None:
    text, source = ARTICLE.read_text(encoding="utf8"), ROOT / "src" / "morphogen"
    parts = [*(source / "systems").glob("[a-z]*.py"), *(source / "families").glob("*/__init__.py")]
    assert len(parts) > 12
    assert [part for part in parts if f"../{part.relative_to(ROOT)}" not in text] == []


def test_the_articles_table_agrees_with_the_report() -> None:
    from morphogen.report.claims import CLAIMS

    rows = re.findall(r"^\| \*\*([a-z]+)\*\*.*$", ARTICLE.read_text(encoding="utf8"), re.M)
    assert rows == list(dict.fromkeys(claim.family for claim in CLAIMS))
    for claim in CLAIMS:
        (row,) = re.findall(rf"^\| \*\*{claim.family}\*\*(.*)$", ARTICLE.read_text(encoding="utf8"), re.M)
        good, bad = row.split("|")[1:3]
        assert claim.text.lower() in (good if claim.is_strength else bad).lower(), (
            f"{claim.family}: {claim.text}"
        )


DEAD = {
    "a file": "See [the loop](missing.py).",
    "a picture": "![A picture](missing.png)",
    "a heading of this page": "[below](#no-such-heading)",
    "a heading of another page": "[there](there.md#no-such-heading)",
    "a heading of a file without headings": "[there](there.py#somewhere)",
    "a name": "[`Missing`](there.py)",
    "a second link in a line": "[here](there.md), [there](missing.md)",
}


@pytest.mark.parametrize("kind", DEAD)
def test_a_dead_link_is_found(kind: str, tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("## A heading, with `code`\n")
    (tmp_path / "there.py").write_text("class Present: ...\n")
    alive = (
        "# Title\n[a](there.md) [b](there.md#a-heading-with-code) [c](#title) [`Present`](there.py) "
        "[d](https://example.org/missing)\n"
    )
    page = tmp_path / "page.md"
    page.touch()
    assert dead_links(alive, page) == []
    assert len(dead_links(alive + DEAD[kind], page)) == 1


BAD = {
    "a subcommand": "    morphogen paint digits\n",
    "an option": "```sh\nmorphogen train ddpm --data digits --colour red\n```\n",
    "an inline option": "Run `morphogen sample --colour red`.",
    "a launched option": "    accelerate launch --num_processes 2 -m morphogen train ddpm --colour red\n",
    "a value": "    morphogen sample --n many\n",
    "a system": "    morphogen train picasso --data digits\n",
    "a target": "    make coffee\n",
    "a module": "    python -m morphogen.recipes.missing\n",
    "a file": "Run `python examples/missing.py`.",
    "a test": "    .venv/bin/python -m pytest -x tests/missing\n",
}


@pytest.mark.parametrize("kind", BAD)
def test_an_invalid_command_is_found(kind: str) -> None:
    good = """Run `morphogen systems`, `make test` or `python -m pytest tests/docs`; `make` alone is skipped.

    morphogen train ddpm --data digits --time 4m     # four minutes
    morphogen sample --n 16 --condition 3            three of them
    morphogen train SYSTEM --data DATA
    make demo TORCH_INDEX=...
"""
    assert bad_commands(good) == []
    assert len(bad_commands(good + "\n" + BAD[kind])) == 1


def test_a_figure_that_differs_from_its_record_is_corrected(tmp_path: Path) -> None:
    webp = {"bits": {"kind": "lower_bound", "bits_per_dim": 1.756}, "recall": {"value": 0.995, "low": 0.9}}
    (tmp_path / "known.json").write_text(json.dumps({"figures": {"right": 0.9996, "WebP lossless": webp}}))
    page = tmp_path / "page.md"
    true = (
        "Here <!-- figure: known figures.right .0% -->[100 %](known.json), "
        "<!-- figure: known figures.webp-lossless.bits bits -->[≤ 1.76](known.json), "
        "<!-- figure: known figures.webp-lossless.recall .3f -->[0.995](known.json), "
        "<!-- figure: unknown figures.a .2f -->not yet"
    )
    assert fill(true, page, tmp_path) == true and len(MARK.findall(true)) == 4
    for value in ("99 %", "≤ 1.75", "0.994"):
        wrong = re.sub(r"100 %|≤ 1.76|0.995", value, true, count=1)
        assert fill(wrong, page, tmp_path) == true != wrong
    assert fill(true.replace("not yet", "[2.00](unknown.json)"), page, tmp_path) == true
    for broken in (
        "Here <!-- figure: known figures.wrong .2f -->not yet",  # no such figure
        "Here <!-- figure: known figures.webp-lossless .2f -->not yet",  # not a number
        "Here <!-- figure: known figures.right -->100 %",  # no format
        "<!-- figure: known figures.right .2f -->not yet",  # begins a line
    ):
        with pytest.raises(ValueError):
            fill(broken, page, tmp_path)
