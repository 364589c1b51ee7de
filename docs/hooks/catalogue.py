"""Generate docs/catalogue.md from the systems and the records: `python docs/hooks/catalogue.py`.

Parameters are counted on models that are built on torch's meta device, which allocates no memory, for the
representations of `SPECIMENS`. Figures are written as markers, which tests/docs/prose.py fills in from the
records.
"""

__all__ = ["SPECIMENS", "catalogue", "counts"]

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import torch

from morphogen.catalogue import Page, build_system, family, pages
from morphogen.conditioning.caption import Captions
from morphogen.conditioning.specs import Classes, Sketches
from morphogen.model import parameters
from morphogen.recipes.reproduce import RECIPES
from morphogen.representations.audio import MuLaw
from morphogen.representations.pixels import Pixels
from morphogen.representations.tabular import RealColumn, Tabular
from morphogen.representations.text import Bytes
from morphogen.systems import Size

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "src" / "morphogen" / "recipes" / "results"
# columns of figures: key in the record -> (the field that it must have, format)
FIGURES = {"likelihood": ("bits_per_dim", "bits"), "frechet": ("value", ".2f")}
SIZES = get_args(Size)
NBSP = "\N{NO-BREAK SPACE}"
_TABLE = Tabular(tuple(RealColumn(f"column {i}", tuple(range(33))) for i in range(8)))
# by medium: the representation at size "paper", at the other sizes, and what the data can condition on
SPECIMENS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "pictures": (Pixels(256, (3, 32, 32)), Pixels(256, (1, 28, 28)), {"label": Classes(10)}),
    "text": (Bytes(1024), Bytes(256), {}),
    "table": (_TABLE, _TABLE, {}),
    "sound": (MuLaw(8192, 16_000), MuLaw(8192, 8000), {}),
}
TITLES = {"pictures": "Pictures", "text": "Text", "table": "Tables", "sound": "Sound"}
NOTES = {
    "pictures": "Parameters for ten classes and 28 x 28 grey pixels (*tiny*, *small*) or 32 x 32 RGB pixels "
    "(*paper*), with 256 levels; captions are bytes.",
    "text": "Parameters for sequences of 256 bytes (*tiny*, *small*) or 1,024 (*paper*); vocabulary 256.",
    "sound": "Parameters for windows of 8-bit mu-law audio (256 levels), unconditional.",
    "table": "Parameters for eight numeric columns.",
}
HEAD = """# The catalogue

A system is a function of about thirty lines that composes a family, a network, a representation and a
conditioner, with their sizes. Nothing is registered by hand: `morphogen systems` lists every module of
[`systems`](../src/morphogen/systems), and this page is generated from them. After a system is added, run
`python docs/hooks/catalogue.py`; a test fails until then. Systems of
[other packages](../CONTRIBUTING.md#publish-a-system-from-your-own-package) are listed once installed.

Each system has three sizes: *tiny* for tests, *small* for minutes of training on two cores, *paper* for the
published architecture. The columns give the number of trained parameters; for models that are fitted in
closed form or by EM, the number of fitted values (†). The figures are taken from the records, which
`morphogen reproduce` creates again. Bits/dim are exact (=), an upper bound (≤) or an estimate (≈); "none"
marks a model without a likelihood, a dash what was not measured. Fréchet distances use the features of a
classifier trained on the data set, or of a randomly initialised network for data without class labels; they
are comparable within a recipe, not between recipes.

    morphogen train NAME --data DATA --size small --time 4m
"""


def catalogue() -> str:
    """The page, with markers in place of its figures."""
    sections = [HEAD]
    for medium, title in TITLES.items():
        systems = [page for page in pages().values() if page.medium == medium]
        sections += [f"## {title}\n", NOTES[medium] + "\n", _systems(systems), *_figures(systems)]
    return "\n".join(sections)


def counts(page: Page) -> dict[str, str]:
    """Number of parameters of a system, by size."""
    return {size: _count(_built(page, size)) for size in SIZES}


def _systems(systems: list[Page]) -> str:
    """The table of systems: family, description and parameter counts."""
    lines = [
        "| system | family | in one line | " + " | ".join(SIZES) + " |",
        "|---|---|---|" + "---:|" * len(SIZES),
    ]
    for page in systems:
        with torch.device("meta"):
            sizes, families = counts(page), _families(page)
        cells = [_link(page), families, _summary(page), *sizes.values()]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _figures(systems: list[Page]) -> list[str]:
    """The table of figures, one row per system and record."""
    measured = [_row(page, name, recipe.description) for page in systems for name, recipe in RECIPES.items()]
    rows = [row for row in measured if row is not None]
    if not rows:
        return ["*Not measured yet*: no record has figures of these systems.\n"]
    return ["\n".join(["| system | measured in | bits/dim | Fréchet |", "|---|---|---:|---:|", *rows]) + "\n"]


def _row(page: Page, name: str, what: str) -> str | None:
    """The row of a system in a record; None: it has no figure there."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return None
    figures = json.loads(path.read_text(encoding="utf8"))["figures"].get(page.name, {})
    cells = [_cell(name, page.name, figures, key) for key in FIGURES]
    if set(cells) == {"-"}:
        return None
    return f"| {_link(page)} | `{name}`: {what} | " + " | ".join(cells) + " |"


def _cell(record: str, system: str, figures: Mapping[str, Any], key: str) -> str:
    required, form = FIGURES[key]
    if key not in figures:
        return "-"
    if figures[key] is None:
        return "none"
    if required not in figures[key]:
        return "-"
    return f"<!-- figure: {record} figures.{system}.{key} {form} -->not yet"


def _count(model: Any) -> str:
    """Number of trained parameters; else of fitted values, marked."""
    trained = parameters(model)
    if trained:
        return _short(trained)
    return f"{_short(sum(buffer.numel() for buffer in model.buffers()))}{NBSP}†"


def _short(number: int) -> str:
    """`1.8 M`, `51 k` or the number itself."""
    if number >= 1e6:
        return f"{number / 1e6:.1f}{NBSP}M"
    if number >= 1e3:
        return f"{number / 1e3:.0f}{NBSP}k"
    return str(number)


def _built(page: Page, size: Size) -> Any:
    """The system for data of its medium, with the conditions that it takes."""
    paper, other, conditions = SPECIMENS[page.medium]
    representation = paper if size == "paper" else other
    known = {"source": representation, "sketch": Sketches(), "caption": Captions(Bytes(77)), **conditions}
    required = {name: known[name] for name in page.required}
    return build_system(page.name, representation, required or conditions, size)


def _families(page: Page) -> str:
    """The family of each stage, linked to its page."""
    names = dict.fromkeys(family(_built(page, "tiny")).split(" + "))
    return ", ".join(f"[{name}](families/{name}.md)" for name in names)


def _link(page: Page) -> str:
    return f"[`{page.name}`](../src/morphogen/systems/{page.name}.py)"


def _summary(page: Page) -> str:
    """The first line of the module's docstring, escaped for a table."""
    summary = str(sys.modules[page.build.__module__].__doc__).split("\n")[0].rstrip(".")
    return re.sub(r"([|*_<])", r"\\\1", summary)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from tests.docs.prose import fill

    path = ROOT / "docs" / "catalogue.md"
    path.write_text(fill(catalogue(), path), encoding="utf8")
