"""Generate the tables of docs/coming_from.md from `morphogen.other_words`: `python docs/hooks/words_page.py`.

The text above them is written by hand; the tables are below the marker.
"""

__all__ = ["filled", "tables"]

from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "coming_from.md"
START = "<!-- words: python docs/hooks/words_page.py -->\n"


def tables() -> str:
    """One table per function and per object."""
    from morphogen.other_words import ARGUMENTS, ATTRIBUTES

    titled = {f"Arguments of `{name}`": words for name, words in ARGUMENTS.items()}
    titled |= {
        f"Attributes of {'`mg`' if name == 'morphogen' else name}": w for name, w in ATTRIBUTES.items()
    }
    blocks = []
    for title, words in titled.items():
        rows = [f"| {', '.join(f'`{one}`' for one in names.split())} | `{code}` |" for names, code in words]
        blocks.append("\n".join([f"## {title}\n", "| elsewhere | here |", "|---|---|", *rows, ""]))
    return "\n".join(blocks)


def filled(page: str) -> str:
    """The page with new tables."""
    before, _, _ = page.partition(START)
    return f"{before}{START}\n{tables()}"


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf8")), encoding="utf8")
