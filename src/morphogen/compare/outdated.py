"""Rows of an earlier comparison that cannot stand beside new ones, because they were measured otherwise.

A row in another feature space, or by another version of the code, is measured again from its run. A row whose
run is gone becomes a row with the reason. Otherwise one table would have Frechet distances in two spaces.
"""

__all__ = ["remove_outdated"]

from morphogen.compare.comparison import Comparison, latest_run
from morphogen.compare.scorer import Scorer
from morphogen.run import RunError


def remove_outdated(comparison: Comparison) -> None:
    """Remove the rows that are not comparable with those to come, and note which will be measured again."""
    scorer = Scorer(comparison.dataset, comparison.n, comparison.seed)
    reasons = {row["system"]: why for row in comparison.rows if (why := scorer.outdated(row)) is not None}
    for row in comparison.rows:
        name = row["system"]
        if name not in reasons or row["run"] is None or comparison.runs:
            continue
        if latest_run(comparison.directory, name) is None:
            comparison.misfits[name] = RunError(
                f"its figures do not fit to the other rows ({reasons[name]}), and cannot be measured again: "
                f"its run {row['run']} is gone; compare again in another directory"
            )
        else:
            comparison.again[name] = reasons[name]
    references = [row for row in comparison.rows if row["run"] is None and row["error"] is None]
    if any(row["system"] in reasons for row in references):  # the real data and the codecs
        reasons |= {row["system"]: "" for row in references}
    comparison.rows = [row for row in comparison.rows if row["system"] not in reasons]
