"""All sample-quality metrics of a set of samples: the columns of every table.

    frechet, kid           Frechet and kernel distance in feature space
    precision, density     fidelity: are the samples realistic?
    recall, coverage       diversity: do the samples cover the data?
    two_sample             held-out accuracy of a classifier of samples against data
    memorised              fraction of samples that are copies of training examples
    recognised             fraction of samples that the feature classifier is at least 0.9 confident about
    class_score            how confident that classifier is, and how evenly it uses its classes
    known_words, ...       statistics of texts, which need no features

No paper: each metric's own module has its reference.
"""

__all__ = ["CONFIDENT", "MEASURES", "quality"]

from typing import Any

from jaxtyping import Shaped
from torch import Tensor

from morphogen.data.dataset import Dataset
from morphogen.evaluation import ngrams
from morphogen.evaluation.class_score import class_score
from morphogen.evaluation.features import Features
from morphogen.evaluation.frechet import frechet_interval
from morphogen.evaluation.intervals import proportion
from morphogen.evaluation.kernel_distance import kernel_distance
from morphogen.evaluation.memorisation import memorisation
from morphogen.evaluation.precision_recall import precision_recall
from morphogen.evaluation.two_sample import two_sample
from morphogen.representations.given import check_medium

NEIGHBOURS = ("precision", "recall", "density", "coverage")
MEASURES = (
    *("frechet", "kid", *NEIGHBOURS, "two_sample", "memorised", "recognised", "class_score"),
    *ngrams.KEYS,
)
CONFIDENT = 0.9  # class probability above which a sample counts as recognised
REFERENCE = 10_000  # largest number of training examples used as reference


def quality(
    samples: Shaped[Tensor, "n ..."], data: Dataset, features: Features, seed: int = 0
) -> dict[str, Any]:
    """Metrics of generated samples (the medium) against the training data, each with its interval and n.

    Frechet distances are comparable between tables only for the same features and the same n. Precision,
    recall, density and coverage compare n samples with n training examples. The threshold for copies comes
    from the valid part, so that the test part can be evaluated as a row of real data. Precision to coverage
    are None in features without `fidelity`, "recognised" and "class_score" without a classifier. Errors:
    ConfigError for samples that are no tensor.
    """
    check_medium(samples, "samples")
    real, fake = features.reference(data.train), features(samples)
    equally_many = real[: len(fake)]
    near = precision_recall(equally_many, fake) if features.fidelity else dict.fromkeys(NEIGHBOURS)
    metrics: dict[str, Any] = {
        "frechet": frechet_interval(real, fake, seed=seed),
        "kid": kernel_distance(equally_many, fake),
        **near,
        "two_sample": two_sample(equally_many, fake, seed),
    }
    metrics["memorised"] = memorisation(samples, data.train, data.valid.first(REFERENCE).medium)
    classify = getattr(features, "classify", None)
    probabilities = None if classify is None else classify(samples)
    metrics["recognised"] = None if probabilities is None else proportion(probabilities.amax(1) >= CONFIDENT)
    metrics["class_score"] = None if probabilities is None else class_score(probabilities, seed=seed)
    return metrics | data.representation.medium.statistics(samples, data)
