"""The tables of docs/data.md are those of the tests in tests/cases."""

import data_page

from tests.cases import sections


def test_the_page_is_up_to_date() -> None:
    page = data_page.PAGE.read_text(encoding="utf8")
    assert page == data_page.filled(page), "run: python docs/hooks/data_page.py"


def test_every_section_has_a_title_and_cases() -> None:
    found = sections()
    assert all(found) and all(found.values()), {title: len(rows) for title, rows in found.items()}


def test_a_cell_is_one_line() -> None:
    rows = [one for section in sections().values() for one in section]
    assert not [one for one in rows if "\n" in one.have + one.reads]
    assert r"`a \| b`" in data_page._cell("`a | b`")
