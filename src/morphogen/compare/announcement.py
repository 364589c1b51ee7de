"""What a comparison is going to do, in words, with an estimate of the time; each line comes first."""

__all__ = ["announcement", "duration"]

from collections.abc import Iterator
from datetime import datetime, timedelta

from morphogen.compare.comparison import Comparison
from morphogen.report.budget import budget_of


def announcement(comparison: Comparison) -> Iterator[str]:
    """The systems that will be trained and evaluated, and when this will end.

    Sampling is timed after the first line, and the held-out data are measured before the last one.
    """
    names = comparison.trainable
    if not names:
        comparison.prepare()
        further = "a larger --time or --steps trains them further"
        yield f"{comparison.directory}: every system has its row; {further}"
        return
    yield from (f"{name} is measured again: {reason}" for name, reason in comparison.again.items())
    yield f"timing the sampling of {', '.join(names)}"
    comparison.plan()
    training = budget_of({"budget": comparison.budget, "steps": comparison.steps}) or "already trained"
    plan = f"{', '.join(names)}: {training}, {comparison.n} samples"
    if comparison.has_reference:
        yield f"{plan}; {_estimate(comparison)}"
        return
    yield f"{plan}; {_estimate(comparison, with_metrics=False)}"
    yield "measuring the held-out data, for reference, and whether the features tell them from noise"
    comparison.prepare()
    yield _estimate(comparison)


def duration(seconds: float) -> str:
    """An estimated time in words."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _estimate(comparison: Comparison, with_metrics: bool = True) -> str:
    """How long training, sampling and metrics take; without the metrics a lower bound."""
    names = comparison.trainable
    sampling = sum(comparison.forecast.get(name, 0.0) * (comparison.n or 0) for name in names)
    metrics = comparison.seconds_of_metrics if with_metrics else 0.0
    seconds = sampling + len(names) * ((comparison.budget or 0.0) + metrics)
    about = f"about {duration(seconds)}" if with_metrics else f"at least {duration(seconds)}"
    if comparison.steps:
        return f"{about} after the training"
    end = datetime.now().astimezone() + timedelta(seconds=seconds)
    return f"{about} in total" + (f", until {end:%H:%M}" if with_metrics else "")
