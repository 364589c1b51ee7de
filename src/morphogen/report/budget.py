"""The training budget of a comparison, in words."""

__all__ = ["budget_of", "duration", "repeats"]

from collections.abc import Mapping
from typing import Any


def budget_of(report: Mapping[str, Any]) -> str:
    """`at most about 30 s of training each` or `500 steps of training each`; "" for trained runs.

    Arguments:
        report: has `budget`, seconds, or `steps`.
    """
    if report.get("steps"):
        return f"{report['steps']:,} steps of training each"
    return f"at most about {duration(report['budget'])} of training each" if report.get("budget") else ""


def repeats(report: Mapping[str, Any]) -> str:
    """Whether the comparison repeats exactly; "" for runs that were trained before."""
    if report.get("steps"):
        return "The budget is a number of steps, so all figures but the timings repeat exactly."
    if report.get("budget"):
        return (
            "A budget in seconds gives another number of steps on each repetition, so the figures do not "
            "repeat exactly; a budget in steps (compare --steps) does."
        )
    return ""


def duration(seconds: float) -> str:
    """30 s, 6 min, 1.5 h."""
    if seconds < 120:
        return f"{seconds:g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
