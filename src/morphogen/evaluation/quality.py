"""All sample-quality metrics of a set of samples: the columns of every table.

    frechet                Frechet distance in feature space
    precision, density     fidelity: are the samples realistic?
    recall, coverage       diversity: do the samples cover the data?
    memorised              fraction of samples that are copies of training examples
    recognised             fraction of samples that the feature classifier is at least 0.9 confident about

No paper: each metric's own module has its reference.
"""

__all__ = ["CONFIDENT", "MEASURES", "quality"]

from typing import Any

from jaxtyping import Shaped
from torch import Tensor

from morphogen.data.dataset import Dataset
from morphogen.evaluation.features import Features
from morphogen.evaluation.frechet import frechet_interval
from morphogen.evaluation.intervals import proportion
from morphogen.evaluation.memorisation import memorisation
from morphogen.evaluation.precision_recall import precision_recall
from morphogen.representations.given import as_tensor

MEASURES = ("frechet", "precision", "recall", "density", "coverage", "memorised", "recognised")
CONFIDENT = 0.9  # class probability above which a sample counts as recognised
REFERENCE = 10_000  # largest number of training examples used as reference


def quality(
    samples: Shaped[Tensor, "n ..."], data: Dataset, features: Features, seed: int = 0
) -> dict[str, Any]:
    """Metrics of generated samples (the medium) against the training data, each with its interval and n.

    Frechet distances are comparable between tables only for the same features and the same n. Precision,
    recall, density and coverage compare n samples with n training examples. The threshold for copies comes
    from the valid part, so that the test part can be evaluated as a row of real data. "recognised" is None
    for features without a classifier. Errors: ConfigError for samples that are no numbers.
    """
    medium = data.train.first(REFERENCE).medium
    samples = as_tensor(samples, "samples", like=medium)
    real, fake = features(medium), features(samples)
    metrics: dict[str, Any] = {
        "frechet": frechet_interval(real, fake, seed=seed),
        **precision_recall(real[: len(fake)], fake),
    }
    metrics["memorised"] = memorisation(samples, data.train, data.valid.first(REFERENCE).medium)
    classify = getattr(features, "classify", None)
    metrics["recognised"] = None if classify is None else proportion(classify(samples).amax(1) >= CONFIDENT)
    return metrics
