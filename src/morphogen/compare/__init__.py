"""The main job: one model per family, an equal training budget, one split; how good is each, and what do its samples look like?

choice.py       who takes part                    comparison.py   training and measuring them, one after the other
bench.py        how each is measured: one row     record.py       what is on disk after every row
forecast.py     how long it will take             runs.py         runs measured again, comparisons that go on
table.py        the rows in a terminal
"""

__all__ = ["Comparison", "compare", "evaluate", "find_runs", "is_run", "rescore", "resume", "table", "weigh"]

from typing import Any

from morphogen.compare.comparison import Comparison
from morphogen.compare.runs import evaluate, find_runs, is_run, rescore, resume, weigh
from morphogen.compare.table import table
from morphogen.data import Dataset


def compare(dataset: Dataset, budget: float, **options: Any) -> dict[str, Any]:
    """Run a whole comparison; the report. Arguments as of `Comparison`."""
    comparison = Comparison(dataset, budget, **options)
    for _ in comparison.run():
        pass
    return comparison.report
