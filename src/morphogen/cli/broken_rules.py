"""How many rules of a table the samples of a run break, as its evaluation or comparison has recorded."""

__all__ = ["broken_rules", "recorded_row"]

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def broken_rules(row: Mapping[str, Any]) -> str:
    """One line, with the interval of the fraction of rows; "" if no rule is broken, or none is known.

    Arguments:
        row: of a report.
    """
    section = row.get("table") or {}
    kept = (section.get("figures") or {}).get("breaks_no_rule")
    rules = [rule for rule in (section.get("details") or {}).get("rules") or () if rule["synthetic"]]
    broken = sum(rule["synthetic"]["value"] < 1 for rule in rules)
    if kept is None or not broken:
        return ""
    share, low, high = (100 * (1 - kept[key]) for key in ("value", "high", "low"))
    count = f"{broken} of {len(rules)} rules" if len(rules) > 1 else "the only rule"
    return (
        f"{row['system']} breaks {count} of the data, in {share:.1f} % [{low:.1f}, {high:.1f}] of the drawn "
        "rows"
    )


def recorded_row(directory: Path, steps: int | None) -> dict[str, Any]:
    """The row of a run in its evaluation, or in the comparison that it is in; {} if it was trained further.

    Arguments:
        directory: of the run.
        steps: that it has trained.
    """
    for file in (directory / "evaluation.json", directory.parent / "report.json"):
        try:
            rows = json.loads(file.read_text(encoding="utf8"))["rows"]
            found = [row for row in rows if str(row.get("run") or "").endswith(directory.name)]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # no such record, or a damaged one: samples can be drawn without it
        if found and found[-1].get("steps") == steps:
            return found[-1]
    return {}
