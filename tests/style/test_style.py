"""Every check of this folder holds of our pages, and kills its mutants."""

import pytest

from . import docstrings, names, papers, parts, shapes, sizes
from .source import Check, Checks, Page, faults

CHECKS: Checks = {check: of for theme in (sizes, names, parts, docstrings, papers, shapes) for check, of in theme.CHECKS.items()}
MUTANTS = [pytest.param(check, page, id=f"{check.__name__}-{i}") for check, (_, pages) in CHECKS.items() for i, page in enumerate(pages)]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_ours(check: Check) -> None:
    pages, mutants = CHECKS[check]
    assert faults(check, pages()) == []
    assert mutants, "a check that nothing fails checks nothing"


@pytest.mark.parametrize(("check", "page"), MUTANTS)
def test_mutant_is_killed(check: Check, page: Page) -> None:
    assert list(check(page))
