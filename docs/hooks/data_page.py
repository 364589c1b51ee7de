"""Generate the tables of docs/data.md from the tests in tests/cases: `python docs/hooks/data_page.py`.

The text around them is written by hand; the tables are between the two markers.
"""

__all__ = ["filled", "tables"]

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "data.md"
START, END = "<!-- cases: python docs/hooks/data_page.py -->\n", "<!-- end of the cases -->\n"


def tables() -> str:
    """One table per module of tests/cases."""
    from tests.cases import sections

    blocks = []
    for title, cases in sections().items():
        rows = [f"| {_cell(one.have)} | {_cell(one.reads)}{_source(one.source)} |" for one in cases]
        blocks.append("\n".join([f"### {title}\n", "| you have | morphogen reads |", "|---|---|", *rows, ""]))
    return "\n".join(blocks)


def filled(page: str) -> str:
    """The page with new tables."""
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{tables()}\n{END}{after}"


def _cell(text: str) -> str:
    """The text of a cell; a bar would end it."""
    return text.replace("|", r"\|")


def _source(source: str) -> str:
    """The bug report of a case, as a note behind it."""
    return f" <small>({source})</small>" if source else ""


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    PAGE.write_text(filled(PAGE.read_text(encoding="utf8")), encoding="utf8")
