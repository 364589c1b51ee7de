"""What a comparison is going to do, in words, with an estimate of the time."""

__all__ = ["announcement"]

from datetime import datetime, timedelta

from morphogen.compare.comparison import Comparison


def announcement(comparison: Comparison) -> str:
    """The data, the systems that will be trained and evaluated, and when this will end."""
    comparison.prepare()
    names, budget, n = comparison.trainable, comparison.budget, comparison.n or 0
    if not names:
        return f"{comparison.directory}: every system has its row; a larger --time trains them further"
    sampling = sum(comparison.forecast.get(name, 0.0) * n for name in names)
    seconds = sampling + len(names) * ((budget or 0.0) + comparison.seconds_of_metrics)
    training = f"at most about {budget:g} s of training each" if budget else "already trained"
    end = datetime.now().astimezone() + timedelta(seconds=seconds)
    duration = f"about {_duration(seconds)} in total, until {end:%H:%M}"
    plan = f"{', '.join(names)}: {training}, {n} samples; {duration}"
    dataset = comparison.dataset
    return "\n".join((f"{dataset.name}: {dataset.split}", *dataset.notes, plan))


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
