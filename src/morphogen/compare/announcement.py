"""What a comparison is going to do, in words, with an estimate of the time."""

__all__ = ["announcement"]

from datetime import datetime, timedelta

from morphogen.compare.comparison import Comparison
from morphogen.report.budget import budget_of


def announcement(comparison: Comparison) -> str:
    """The data, the systems that will be trained and evaluated, and when this will end."""
    comparison.prepare()
    names, budget, n = comparison.trainable, comparison.budget, comparison.n or 0
    if not names:
        further = "a larger --time or --steps trains them further"
        return f"{comparison.directory}: every system has its row; {further}"
    sampling = sum(comparison.forecast.get(name, 0.0) * n for name in names)
    seconds = sampling + len(names) * ((budget or 0.0) + comparison.seconds_of_metrics)
    training = budget_of({"budget": budget, "steps": comparison.steps}) or "already trained"
    end = datetime.now().astimezone() + timedelta(seconds=seconds)
    duration = f"about {_duration(seconds)} in total, until {end:%H:%M}"
    if comparison.steps:
        duration = f"about {_duration(seconds)} after the training"
    plan = f"{', '.join(names)}: {training}, {n} samples; {duration}"
    again = [f"{name} is measured again: {reason}" for name, reason in comparison.again.items()]
    dataset = comparison.dataset
    return "\n".join((f"{dataset.name}: {dataset.split}", *dataset.notes, *again, plan))


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
