"""All sample-quality metrics of a set of samples: the columns of every table.

    frechet, kid           Frechet and kernel distance in feature space
    precision, density     fidelity: are the samples realistic?
    recall, coverage       diversity: do the samples cover the data?
    two_sample             held-out accuracy of a classifier of samples against data
    memorised              fraction of samples that are copies of training examples
    recognised             fraction of samples that the feature classifier is at least 0.9 confident about
    class_score            how confident that classifier is, and how evenly it uses its classes
    known_words, ...       statistics of texts, which need no features

`MEASUREMENTS` lists them, each with the smallest n at which it is given. Below it, and in features that
cannot tell real examples from noise, a measure is None and the reason is in `withheld`.

No paper: each metric's own module has its reference.
"""

__all__ = [
    "CONFIDENT",
    "MEASUREMENTS",
    "MEASURES",
    "Measurement",
    "Quality",
    "Sampled",
    "measures",
    "quality",
]

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Shaped
from torch import Tensor

from morphogen.data.dataset import Dataset
from morphogen.evaluation import ngrams
from morphogen.evaluation.arguments import reads_arguments
from morphogen.evaluation.class_score import class_score
from morphogen.evaluation.features import Features, features_for
from morphogen.evaluation.frechet import frechet_interval
from morphogen.evaluation.intervals import Interval, proportion
from morphogen.evaluation.kernel_distance import kernel_distance
from morphogen.evaluation.memorisation import memorisation
from morphogen.evaluation.precision_recall import precision_recall
from morphogen.evaluation.provenance import provenance, stamp
from morphogen.evaluation.sight import caution, sight
from morphogen.evaluation.two_sample import two_sample
from morphogen.representations.given import rows_like

CONFIDENT = 0.9  # class probability above which a sample counts as recognised
REFERENCE = 10_000  # largest number of training examples used as reference


@dataclass(frozen=True)
class Sampled:
    """Samples and what they are compared with: the data, the features of both, the seed of resampling."""

    samples: Shaped[Tensor, "n ..."]
    data: Dataset
    features: Features
    real: Float[Tensor, "m d"]
    fake: Float[Tensor, "n d"]
    seed: int


@dataclass(frozen=True)
class Measurement:
    """One or more measures that are computed together.

    Arguments:
        names: of the measures, in the order of the table.
        measure: their figures by name; None for a measure that does not apply.
        minimum: smallest number of samples at which they are given.
        reason: why not below.
        needs_fidelity: whether they are given only in features that tell real examples from noise.
    """

    names: tuple[str, ...]
    measure: Callable[[Sampled], Mapping[str, Any]]
    minimum: int = 0
    reason: str = ""
    needs_fidelity: bool = False

    def withheld(self, features: Features, n: int) -> str | None:
        """Why the measures are not given for n samples in these features; None: they are."""
        if self.needs_fidelity and not features.fidelity:
            return f"the features ({features.name}) cannot tell real examples from noise"
        if n < self.minimum:
            return f"n = {n} is below {self.minimum}: {self.reason}"
        return None


MEASUREMENTS = (
    Measurement(
        ("frechet",), lambda given: {"frechet": frechet_interval(given.real, given.fake, seed=given.seed)},
        100, "its bias, which grows as 1 / n, would exceed the differences of models"
    ),
    Measurement(
        ("kid",), lambda given: {"kid": kernel_distance(given.real[: len(given.fake)], given.fake)},
        20, "its interval would hold the distance in fewer than 92 % of cases"
    ),
    Measurement(
        ("precision", "recall", "density", "coverage"),
        lambda given: precision_recall(given.real[: len(given.fake)], given.fake), 100,
        "the balls around fewer points are so large that they contain most samples of any model",
        needs_fidelity=True,
    ),
    Measurement(
        ("two_sample",),
        lambda given: {"two_sample": two_sample(given.real[: len(given.fake)], given.fake, given.seed)},
        20, "a classifier that learns from fewer than ten rows of each set finds no difference"
    ),
    Measurement(("memorised",), lambda given: {"memorised": _memorised(given)}),
    Measurement(("recognised", "class_score"), lambda given: _classified(given)),
    Measurement(ngrams.KEYS, lambda given: _statistics(given)),
)  # fmt: skip
MEASURES = tuple(name for measurement in MEASUREMENTS for name in measurement.names)


class Quality(dict[str, Any]):
    """Measures by name, {"value", "low", "high", "n", ...} or None; its repr is a table.

    "withheld" and "caution" say what is missing.
    """

    def __repr__(self) -> str:
        figures = {name: self[name] for name in MEASURES if isinstance(self.get(name), Mapping)}
        lines = [f"{'':12} {'value':>9}   95 % interval{'':11} n"]
        for name, figure in figures.items():
            interval = f"[{figure['low']:.4g}, {figure['high']:.4g}]"
            lines.append(f"{name:12} {figure['value']:9.4g}   {interval:23} {figure['n']}")
        reasons: dict[str, list[str]] = {}
        for name, reason in self.get("withheld", {}).items():
            reasons.setdefault(reason, []).append(name)
        lines += [f"not given: {', '.join(names)}: {reason}" for reason, names in reasons.items()]
        return "\n".join([*lines, *filter(None, [self.get("caution")])])


@reads_arguments
def quality(
    samples: Shaped[Tensor, "n ..."], data: Dataset, features: Features | None = None, seed: int = 0
) -> Quality:
    """Metrics of generated samples against the training data, and what their features do not see.

    The mapping of `measures`, and "caution": whether the features cannot tell real data from noise (`sight`),
    so that the samples must be looked at before the figures; "": they can. Without `features` they are those
    of the medium (`features_for`), as in `morphogen evaluate`. Errors: as `measures`.
    """
    features = features_for(data) if features is None else features
    found = measures(samples, data, features, seed)
    return Quality(found | {"caution": caution(sight(features, data, seed))})


def measures(
    samples: Shaped[Tensor, "n ..."], data: Dataset, features: Features | None = None, seed: int = 0
) -> dict[str, Any]:
    """Metrics of generated samples (the medium) against the training data, each with its interval and n.

    Without `features` they are those of the medium (`features_for`), as in `morphogen evaluate`.
    Each figure has a `provenance`, and figures are comparable only if these are equal. Precision, recall,
    density and coverage compare n samples with n training examples. The threshold for copies comes from the
    valid part, so that the test part can be evaluated as a row of real data. A measure that is not given is
    None, with the reason in "withheld". Errors: ConfigError for samples that are no numbers.
    """
    features = features_for(data) if features is None else features
    samples = rows_like(samples, "samples", data.train.first(1).medium, data.representation)
    real, fake = features.reference(data.train), features.extract(samples)
    given, facts = Sampled(samples, data, features, real, fake, seed), provenance(data, seed, features)
    metrics: dict[str, Any] = dict.fromkeys(MEASURES)
    withheld: dict[str, str] = {}
    for measurement in MEASUREMENTS:
        if (reason := measurement.withheld(features, len(samples))) is not None:
            withheld |= dict.fromkeys(measurement.names, reason)
            continue
        for name, figure in measurement.measure(given).items():
            metrics[name] = figure and stamp(name, figure, facts)
    return metrics | {"withheld": withheld}


def _memorised(given: Sampled) -> Mapping[str, Any]:
    heldout = given.data.valid.first(REFERENCE).medium
    features = given.features if hasattr(given.features, "classify") else None
    return memorisation(given.samples, given.data.train, heldout, features)


def _classified(given: Sampled) -> dict[str, Interval | None]:
    """Figures of the classifier behind the features; None without one."""
    classify = getattr(given.features, "classify", None)
    if classify is None:
        return {"recognised": None, "class_score": None}
    probabilities = classify(given.samples)
    return {
        "recognised": proportion(probabilities.amax(1) >= CONFIDENT),
        "class_score": class_score(probabilities),
    }


def _statistics(given: Sampled) -> Mapping[str, Any]:
    """Figures of the medium itself, which need no features."""
    return given.data.representation.medium.statistics(given.samples, given.data)
