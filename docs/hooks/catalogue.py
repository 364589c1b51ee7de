"""The catalogue of systems, read off their pages and off the records: `python docs/hooks/catalogue.py` writes docs/catalogue.md anew.

Numbers of parameters are counted on models that are composed without memory (torch's meta device), on the data of `SPECIMENS`.
The figures stand behind the markers of tests/docs/prose.py, which copies them from the records.
"""

__all__ = ["SPECIMENS", "catalogue", "counts"]

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import torch

from morphogen.catalogue import Page, family, pages
from morphogen.model import parameters
from morphogen.recipes.reproduce import RECIPES
from morphogen.representations.audio import MuLaw
from morphogen.representations.pixels import Pixels
from morphogen.representations.tabular import RealColumn, Tabular
from morphogen.representations.text import Bytes
from morphogen.systems import Size

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "src" / "morphogen" / "recipes" / "results"
FIGURES = {"likelihood": ("bits_per_dim", "bits"), "frechet": ("value", ".2f")}  # by key: what it must hold, and its form
SIZES = get_args(Size)
GLUE = "\N{NO-BREAK SPACE}"
_TABLE = Tabular(tuple(RealColumn(f"column {i}") for i in range(8)))
# What a system of each medium is counted on: at the paper's size, and at the others; with how many classes.
SPECIMENS: dict[str, tuple[Any, Any, int]] = {
    "pictures": (Pixels(256, (3, 32, 32)), Pixels(256, (1, 28, 28)), 10),
    "text": (Bytes(1024), Bytes(256), 0),
    "table": (_TABLE, _TABLE, 0),
    "sound": (MuLaw(8192, 16_000), MuLaw(8192, 8000), 0),
}
TITLES = {"pictures": "Pictures", "text": "Text", "table": "Tables", "sound": "Sound"}
NOTES = {
    "pictures": "Counted on ten classes and 28 x 28 grey pixels (*tiny*, *small*) or 32 x 32 coloured ones (*paper*), of 256 levels.",
    "text": "Counted on blocks of 256 bytes (*tiny*, *small*) or 1,024 (*paper*); 256 symbols.",
    "sound": "Counted on windows of mu-law sound, of 256 symbols, without a condition.",
    "table": "Counted on eight columns of real numbers.",
}
HEAD = """# The catalogue

A system is a *page*: a function of some thirty lines with numbers in it, that composes a family, a network, a representation and a
conditioner. `morphogen systems` lists these pages too, and nothing is registered by hand: a page that is added to
[`systems`](../src/morphogen/systems) is here when `python docs/hooks/catalogue.py` has run again, and a test says so until then.

Each comes in three sizes: *tiny* for tests, *small* for minutes on two cores, *paper* for the shape that was published. The numbers
beside them are parameters, all of them learned; where none are, because nothing is descended, what is fitted is counted instead (†).
Figures are those of the records, which `morphogen reproduce` makes again: bits/dim is exact (=), an upper bound (≤) or an estimate (≈);
"none" is a model without a likelihood, a dash what was not measured. Fréchet distances are between features of a classifier of the data, or
of a network of random weights where nobody named classes: those of one recipe compare, those of two do not.

    morphogen train NAME --data DATA --size small --time 4m
"""


def catalogue() -> str:
    """The page, its figures not yet filled in."""
    parts = [HEAD]
    for medium, title in TITLES.items():
        of = [page for page in pages().values() if page.medium == medium]
        parts += [f"## {title}\n", NOTES[medium] + "\n", _systems(of), *_figures(of)]
    return "\n".join(parts)


def counts(page: Page) -> dict[str, str]:
    """How many numbers a system has, by size."""
    large, small, classes = SPECIMENS[page.medium]
    return {size: _count(page.compose(large if size == "paper" else small, 0 if page.name == "ngram" else classes, size)) for size in SIZES}


def _systems(of: list[Page]) -> str:
    lines = ["| system | family | in one line | " + " | ".join(SIZES) + " |", "|---|---|---|" + "---:|" * len(SIZES)]
    for page in of:
        with torch.device("meta"):
            numbers, kind = counts(page), _family(page)
        lines.append(f"| {_link(page)} | {kind} | {_sentence(page)} | " + " | ".join(numbers.values()) + " |")
    return "\n".join(lines) + "\n"


def _figures(of: list[Page]) -> list[str]:
    """A table of what was measured, a line for each record that has a system; nothing for a medium of which nothing was."""
    rows = [row for page in of for name, recipe in RECIPES.items() if (row := _row(page, name, recipe.what)) is not None]
    if not rows:
        return ["*Not measured yet*: no record has a figure of these.\n"]
    return ["\n".join(["| system | measured in | bits/dim | Fréchet |", "|---|---|---:|---:|", *rows]) + "\n"]


def _row(page: Page, name: str, what: str) -> str | None:
    """What a recipe's record has of a system; None: nothing, or there is no record."""
    path = RESULTS / f"{name}.json"
    found = json.loads(path.read_text(encoding="utf8"))["figures"].get(page.name, {}) if path.exists() else {}
    cells = [_cell(name, page.name, found, key) for key in FIGURES]
    return None if set(cells) == {"-"} else f"| {_link(page)} | `{name}`: {what} | " + " | ".join(cells) + " |"


def _cell(record: str, system: str, found: Mapping[str, Any], key: str) -> str:
    held, form = FIGURES[key]
    if key not in found:
        return "-"
    if found[key] is None:
        return "none"
    return f"<!-- figure: {record} figures.{system}.{key} {form} -->not yet" if held in found[key] else "-"


def _count(model: Any) -> str:
    learned = parameters(model)
    return _short(learned) if learned else f"{_short(sum(buffer.numel() for buffer in model.buffers()))}{GLUE}†"


def _short(number: int) -> str:
    return f"{number / 1e6:.1f}{GLUE}M" if number >= 1e6 else f"{number / 1e3:.0f}{GLUE}k" if number >= 1e3 else str(number)


def _family(page: Page) -> str:
    """Its family, each name a link to the family's page."""
    _, small, classes = SPECIMENS[page.medium]
    names = family(page.compose(small, 0 if page.name == "ngram" else classes, "tiny")).split(" + ")
    return ", ".join(f"[{name}](families/{name}.md)" for name in names)


def _link(page: Page) -> str:
    return f"[`{page.name}`](../src/morphogen/systems/{page.name}.py)"


def _sentence(page: Page) -> str:
    """What its file begins with, as a cell of a table."""
    said = str(sys.modules[page.compose.__module__].__doc__).split("\n")[0].rstrip(".")
    return re.sub(r"([|*_<])", r"\\\1", said)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from tests.docs.prose import fill

    place = ROOT / "docs" / "catalogue.md"
    place.write_text(fill(catalogue(), place), encoding="utf8")
