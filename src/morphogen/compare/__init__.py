"""Compare one model per family with equal training budgets on one data set: figures and samples.

choice.py       which systems take part             comparison.py   train and evaluate them one after another
scorer.py       evaluate one model: one row         record.py       files on disk, updated after every row
forecast.py     estimate the evaluation time        runs.py         evaluate trained runs, resume comparisons
table.py        the rows as a terminal table      announcement.py  what will be done, and when it ends
outdated.py     rows to measure again
"""

__all__ = [
    "Comparison",
    "announcement",
    "compare",
    "evaluate",
    "find_runs",
    "is_run",
    "rescore",
    "resume",
    "table",
    "weight_format_cost",
]

from typing import Any

from morphogen.compare.announcement import announcement
from morphogen.compare.comparison import Comparison
from morphogen.compare.runs import evaluate, find_runs, is_run, rescore, resume, weight_format_cost
from morphogen.compare.table import table
from morphogen.data import Dataset


def compare(dataset: Dataset, budget: float, **options: Any) -> dict[str, Any]:
    """Run a whole comparison and return its report; for the arguments see `Comparison`."""
    comparison = Comparison(dataset, budget, **options)
    for _ in comparison.run():
        pass
    return comparison.report
