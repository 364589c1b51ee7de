"""Every check passes on the project's files and rejects its mutants."""

import pytest

from . import docstrings, media, names, output, papers, parts, shapes, sizes
from .source import Check, Checks, SourceFile, faults

CHECKS: Checks = {
    check: scope
    for module in (sizes, names, parts, docstrings, papers, shapes, media, output)
    for check, scope in module.CHECKS.items()
}
MUTANTS = [
    pytest.param(check, mutant, id=f"{check.__name__}-{i}")
    for check, (_, mutants) in CHECKS.items()
    for i, mutant in enumerate(mutants)
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_project_passes(check: Check) -> None:
    files, mutants = CHECKS[check]
    assert faults(check, files()) == []
    assert mutants, "a check needs a mutant that fails it"


@pytest.mark.parametrize(("check", "mutant"), MUTANTS)
def test_mutant_is_killed(check: Check, mutant: SourceFile) -> None:
    assert list(check(mutant))
