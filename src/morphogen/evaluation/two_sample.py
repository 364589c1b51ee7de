r"""Classifier two-sample test: can a classifier tell samples from real data that it was not trained on?

    half of both sets trains a classifier, the other half tests it;  accuracy = 1/2 if they are alike

The held-out accuracy counts independent decisions, so its interval is that of a proportion, at any n and for
any classifier: an interval above 1/2 shows a difference; one that contains 1/2 shows none that this
classifier finds with so many rows. It is a support vector machine with a Gaussian kernel on standardized
features, which finds differences of spread as well as of means.

Reference: Revisiting classifier two-sample tests, Lopez-Paz & Oquab, 2017.
"""

__all__ = ["LEAST", "two_sample"]

import numpy as np
import torch
from jaxtyping import Float
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import Tensor

from morphogen.evaluation.arguments import reads_arguments
from morphogen.evaluation.intervals import Interval, proportion
from morphogen.numerics.randomness import Rng
from morphogen.representations.given import feature_sets

LEAST = 4  # rows of each set: two to train on, two to test on


@reads_arguments
def two_sample(real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"], seed: int = 0) -> Interval:
    """Held-out accuracy of telling fake from real rows, of which equally many are used, with its interval.

    Arguments:
        real, fake: features.
        seed: of the split in halves.

    Errors: ValueError for fewer than four rows, or for features that are not finite.
    """
    real, fake = feature_sets(real, fake)
    n = min(len(real), len(fake))
    if n < LEAST:
        raise ValueError(f"a two-sample test requires {LEAST} rows of each set or more, got {n}")
    halves = [
        rows[Rng(seed, len(rows), ("two-sample", name)).uniform().argsort(stable=True)[:n]].double()
        for name, rows in (("real", real), ("fake", fake))
    ]
    train, test = [[rows[: n // 2] for rows in halves], [rows[n // 2 :] for rows in halves]]
    classifier = make_pipeline(StandardScaler(), SVC())
    classifier.fit(torch.cat(train).numpy(), _labels(train))
    return proportion(torch.from_numpy(classifier.predict(torch.cat(test).numpy()) == _labels(test)))


def _labels(parts: list[Tensor]) -> np.ndarray:
    return np.repeat(np.arange(len(parts)), [len(part) for part in parts])
