"""Everything that is measured of a set of samples, in one place and one order: the columns of every table.

frechet                              distance of laws in feature space
precision, density                   do the samples look real?
recall, coverage                     is everything real among them?
memorised                            how many are copies of training examples?
recognised                           of how many is the classifier that gives the features at least 0.9 sure?

No paper: each measure's own page says whose it is.
"""

__all__ = ["MEASURES", "SURE", "quality"]

from typing import Any

from jaxtyping import Shaped
from torch import Tensor

from morphogen.data.dataset import Dataset
from morphogen.evaluation.features import Features
from morphogen.evaluation.frechet import frechet_interval
from morphogen.evaluation.intervals import share
from morphogen.evaluation.memorisation import memorisation
from morphogen.evaluation.precision_recall import precision_recall

MEASURES = ("frechet", "precision", "recall", "density", "coverage", "memorised", "recognised")
SURE = 0.9
REFERENCE = 10_000  # training examples that samples are held against


def quality(samples: Shaped[Tensor, "n ..."], data: Dataset, features: Features, seed: int = 0) -> dict[str, Any]:
    """The measures of `samples` (the medium, as drawn) against the training data; each a value with its interval and n.

    Distances of different tables compare only at equal n, in the same features. Precision to coverage hold n samples against n
    training examples; copies are counted by a threshold from the valid part, so that the test part can be a row too.
    """
    real, fake = features(data.train.first(REFERENCE).medium), features(samples)
    measured: dict[str, Any] = {"frechet": frechet_interval(real, fake, seed=seed), **precision_recall(real[: len(fake)], fake)}
    measured["memorised"] = memorisation(samples, data.train, data.valid.first(REFERENCE).medium)
    classify = getattr(features, "classify", None)
    measured["recognised"] = None if classify is None else share(classify(samples).amax(1) >= SURE)
    return measured
