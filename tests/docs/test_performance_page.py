"""The tables of docs/performance.md are those of the records, and every benchmark has a limit."""

import performance_page
import pytest

from benchmarks.goals import FIGURES, GOALS
from benchmarks.limits import LIMITED_BY, fraction, operations


def test_the_page_is_up_to_date() -> None:
    page = performance_page.PAGE.read_text(encoding="utf8")
    assert page == performance_page.filled(page), "run: python docs/hooks/performance_page.py"


def test_every_benchmark_is_limited_by_something() -> None:
    assert {name.split()[0] for name in GOALS} == set(LIMITED_BY)


def test_the_newest_figure_of_each_name_is_shown() -> None:
    for figures in performance_page._newest().values():
        assert set(figures) <= set(FIGURES)
    newest = performance_page._newest()["2 cores of AMD EPYC, Linux"]
    assert newest["ddpm-train vs-best"][1] > "2026-11-25"  # measured on that day too


@pytest.mark.parametrize(
    ("name", "config", "expected"),
    [
        ("ddpm-train vs-best", {"precision": "bf16", "operations": 5}, 0.2),
        ("lm-decode int8 b1 vs-default", {"precision": "int8", "bytes": 5}, 0.4),
        ("ddpm-train vs-best", {"precision": "bf16"}, None),
        ("wavenet-sample vs-default", {"precision": "fp32"}, None),
    ],
)
def test_the_fraction_of_the_limit(name: str, config: dict, expected: float | None) -> None:
    limits = {"bandwidth": 25.0, "fp32": 10.0, "bf16": 50.0}
    found = fraction({"name": name, "config": config, "ours": 2.0}, limits)
    assert found == (None if expected is None else pytest.approx(expected))
    assert fraction({"name": name, "config": config, "ours": 2.0}, None) is None


def test_operations_of_a_product() -> None:
    import torch

    a, b = torch.ones(3, 4), torch.ones(4, 5)
    assert operations(lambda: a @ b) == 2 * 3 * 4 * 5
