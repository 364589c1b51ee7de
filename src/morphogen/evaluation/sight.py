r"""Can a feature space tell real data from a corruption that a person notices at once?

Of 2n training examples, half are kept and half are corrupted (`corruptions`); in the space, then,

    accuracy     held-out accuracy of a classifier of kept against corrupted examples (`two_sample`)
    realistic    precision of the corrupted examples: the fraction that counts as realistic

A space is shown to see a corruption if the interval of the accuracy lies above 3/4, and that of `realistic`
below 1/2. In a space that does not, a model may have perfect figures and generate nothing but such
corruptions: white noise has precision 1 in random features. The check runs every time features are chosen,
on at most 500 kept examples and 500 per corruption, or 100 in expensive features. The balls of few examples
are so large that they contain anything: a space that is blind with 100 may see with 500. Where 100 leave it
open, 200 decide, or 400.

No paper: it combines the two-sample test of Lopez-Paz & Oquab (2017) and the precision of Kynkaanniemi et al.
(2019).
"""

__all__ = ["Check", "Sight", "caution", "sight"]

from collections.abc import Mapping
from typing import Any, TypedDict

from jaxtyping import Float, Int
from torch import Tensor

from morphogen.data.dataset import Dataset
from morphogen.evaluation.features.space import Features
from morphogen.evaluation.intervals import Interval
from morphogen.evaluation.precision_recall import precision_recall
from morphogen.evaluation.two_sample import two_sample
from morphogen.numerics.randomness import Rng

EXAMPLES = 500  # kept, and as many of each corruption, where the features are cheap
FIRST, LAST = 20, 5  # divisors of what is affordable: kept at first, and at most where these leave it open
LEAST = 20  # kept examples below which nothing can be shown
ACCURATE, REALISTIC = 0.75, 0.5
CHANCE = 0.5  # accuracy of a classifier that learns nothing


class Check(TypedDict):
    """How one corruption looks in the space."""

    accuracy: Interval
    realistic: Interval


class Sight(TypedDict):
    """Whether the space sees every corruption, why not in words ("" if it does), and the checks by name."""

    sees: bool
    reason: str
    checks: dict[str, Check]


def sight(features: Features, data: Dataset, seed: int = 0) -> Sight:
    """Test a feature space on corruptions of the training data.

    Arguments:
        features: from `features_for(data)`.
        data: the data set.
        seed: of the corruptions and of the two-sample tests.
    """
    most = min(EXAMPLES, features.affordable // LAST, len(data.train) // 2)
    n = min(most, features.affordable // FIRST)
    if n < LEAST:
        few = f"{len(data.train)} training examples cannot show whether {_subject(features)} tell"
        return {
            "sees": False,
            "reason": f"{few} real data from noise: at least {2 * LEAST} are needed",
            "checks": {},
        }
    # of the whole part: neighbours of a text or a recording are alike
    rows = Rng(seed, len(data.train), ("sight",)).uniform().argsort(stable=True)
    checks = _checks(features, data, rows[: 2 * n], seed)
    while 2 * n <= most and any(_is_open(check) and not _passes(check) for check in checks.values()):
        n *= 2
        checks = _checks(features, data, rows[: 2 * n], seed)
    blind = {name: check for name, check in checks.items() if not _passes(check)}
    return {
        "sees": not blind,
        "reason": _reason(_subject(features), blind) if blind else "",
        "checks": checks,
    }


def caution(sight: Mapping[str, Any]) -> str:
    """What a reader must know before the figures: what their features do not see; "": nothing."""
    reason = sight.get("reason") or ""
    return f"{reason[:1].upper()}{reason[1:]}, so look at the samples before the figures." if reason else ""


def _checks(features: Features, data: Dataset, rows: Int[Tensor, " n"], seed: int) -> dict[str, Check]:
    """The checks by name: the first half of the rows is kept, the other is corrupted."""
    n = len(rows) // 2
    kept, other = data.train[rows[:n]].medium, data.train[rows[n:]].medium
    rng = Rng(seed, n, ("sight", "corruptions"))
    corrupted = data.representation.medium.corruptions(other, data.representation, rng)
    real = features(kept)
    return {name: _check(real, features(medium), seed) for name, medium in corrupted.items()}


def _check(real: Float[Tensor, "n d"], corrupted: Float[Tensor, "n d"], seed: int) -> Check:
    accuracy = two_sample(real, corrupted, seed)
    return {"accuracy": accuracy, "realistic": precision_recall(real, corrupted)["precision"]}


def _passes(check: Check) -> bool:
    return check["accuracy"]["low"] > ACCURATE and check["realistic"]["high"] < REALISTIC


def _is_open(check: Check) -> bool:
    """Whether more examples might show that the space sees.

    No interval lies beyond its threshold, and a classifier is better than chance.
    """
    accuracy, realistic = check["accuracy"], check["realistic"]
    is_undecided = accuracy["high"] >= ACCURATE and realistic["low"] <= REALISTIC
    return is_undecided and accuracy["low"] > CHANCE


def _subject(features: Features) -> str:
    return f"the features ({features.name})"


def _reason(subject: str, blind: Mapping[str, Check]) -> str:
    """What the space does not tell from real data, and what more examples might show it to tell."""
    unseen = _named({name: check for name, check in blind.items() if not _is_open(check)})
    undecided = {name: check for name, check in blind.items() if _is_open(check)}
    reasons = [f"{subject} cannot tell real data from {unseen}"] if unseen else []
    if undecided:
        n = min(check["realistic"]["n"] for check in undecided.values())
        reasons.append(f"{n} examples do not show that {subject} tell real data from {_named(undecided)}")
    return "; ".join(reasons)


def _named(checks: Mapping[str, Check]) -> str:
    return " and from ".join(f"{name} ({_figures(check)})" for name, check in checks.items())


def _figures(check: Check) -> str:
    """Both figures of a corruption, with their intervals."""
    realistic, accuracy = check["realistic"], check["accuracy"]
    return (
        f"{_percent(realistic)} of {realistic['n']} count as realistic; "
        f"a classifier is right in {_percent(accuracy)}, by chance in {100 * CHANCE:.0f} %"
    )


def _percent(figure: Interval) -> str:
    """A fraction and its interval."""
    value, low, high = (100 * figure[key] for key in ("value", "low", "high"))
    return f"{value:.0f} % [{low:.0f}, {high:.0f}]"
