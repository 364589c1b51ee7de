"""docs/intervals.md has the coverage of the newest record."""

import intervals_page


def test_the_table_is_that_of_the_record() -> None:
    page = intervals_page.PAGE.read_text(encoding="utf8")
    assert page == intervals_page.filled(page), "run: python docs/hooks/intervals_page.py"


def test_columns_share_a_row_and_other_measures_do_not() -> None:
    known = {"distribution": "two tables", "trials": 200}
    cases = [
        {"measure": "shape of x", "exact": None, "held": 0.955} | known,
        {"measure": "shape of y", "exact": None, "held": 0.94} | known,
        {"measure": "closer", "exact": 0.5, "held": 0.97} | known,
    ]
    assert intervals_page.table({"coverage": cases}).splitlines()[2:] == [
        "| shape of a column | expected value at n | two tables | 200 | 94.0 to 95.5 |",
        "| closer | 0.5, exactly | two tables | 200 | 97.0 |",
    ]
