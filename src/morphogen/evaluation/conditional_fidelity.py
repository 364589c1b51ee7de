r"""Conditional fidelity: do samples match their condition, and how diverse are they within a class?

    condition accuracy    fraction of samples x of class c with argmax_k p(k | x) = c, for a classifier p that
                          no model was trained with
    variance ratio        V(samples) / V(train),  V = mean over classes c of sum_j Var(f_j(x) | c), f features

Guidance trades the second for the first. The variance ratio is 1 for the data distribution and 0 for a model
that generates a single picture per class. After the class-conditional metrics of Ravuri & Vinyals 2019,
"Classification accuracy score for conditional generative models".
"""

__all__ = ["condition_accuracy", "conditional_fidelity", "within_class_variance"]

from collections.abc import Mapping
from typing import Any, TypedDict

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.conditioning.named import name_conditions, with_label
from morphogen.data.dataset import Dataset
from morphogen.evaluation.arguments import reads_arguments
from morphogen.evaluation.features import Features
from morphogen.evaluation.intervals import Interval, bootstrap, proportion
from morphogen.representations.given import rows_like

REFERENCE = 10_000  # largest number of training examples used as reference


class ConditionalFidelity(TypedDict):
    """Condition accuracy (None for features without a classifier) and variance ratio."""

    condition_accuracy: Interval | None
    variance_ratio: Interval


@reads_arguments
def conditional_fidelity(
    samples: Shaped[Tensor, "n ..."],
    condition: Any,
    data: Dataset,
    features: Features,
    seed: int = 0,
) -> ConditionalFidelity:
    """Condition accuracy and variance ratio of class-conditional samples, with their intervals.

    Arguments:
        samples: generated medium.
        condition: the class that each sample was conditioned on, [n], as `sample` takes it.
        data: labelled data set; its train part is the reference, restricted to the classes in `condition`.
        features: from `features_for(data)`.
        seed: of the bootstrap.

    Errors: ValueError if the data have no labels, or a class has a single sample; ConfigError for samples of
    another medium, for another number of conditions, and for what names no class.
    """
    real = data.train.first(REFERENCE)
    samples = rows_like(samples, "samples", real.medium, data.representation)
    if "label" not in real.condition:
        raise ValueError(f"{data.name} has no classes; conditional fidelity requires labelled data")
    condition = _labels(condition, data)
    if condition.shape != samples.shape[:1]:
        shape = list(condition.shape)
        raise ConfigError(f"conditions have shape {shape} for {len(samples)} samples: give a class for each")
    classes, counts = condition.unique(return_counts=True)
    if counts.min() < 2:
        raise ValueError(
            f"class {classes[counts.argmin()]} has a single sample; draw at least 2 of each class"
        )
    in_classes = torch.isin(real.condition["label"], classes)
    generated = _labelled(features(samples), condition)
    reference = _labelled(features(real.medium[in_classes]), real.condition["label"][in_classes])
    return {
        "condition_accuracy": condition_accuracy(samples, condition, features),
        "variance_ratio": bootstrap(_variance_ratio, (generated, reference), seed=seed, minimum=0.0),
    }


def condition_accuracy(
    samples: Shaped[Tensor, "n ..."], condition: Int[Tensor, " n"], features: Features
) -> Interval | None:
    """Fraction of samples that are classified as their condition; None for features without a classifier."""
    classify = getattr(features, "classify", None)
    return None if classify is None else proportion(classify(samples).argmax(1) == condition.cpu())


def within_class_variance(features: Float[Tensor, "n d"], labels: Int[Tensor, " n"]) -> float:
    """Within-class variance, summed over features and averaged over the classes with at least two rows."""
    variances = [rows.var(0).sum() for label in labels.unique() if len(rows := features[labels == label]) > 1]
    if not variances:
        raise ValueError("no class has two rows; draw at least 2 of each class")
    return torch.stack(variances).mean().item()


def _labels(condition: Any, data: Dataset) -> Int[Tensor, "..."]:
    """The places of classes that are given by name, or as samples and batches have them."""
    named = with_label(condition, data.representation)
    if isinstance(named, Mapping) and "label" in named:
        named = {"label": named["label"]}
    is_medium = hasattr(type(named), "medium_at")
    labels = {} if is_medium else name_conditions(["label"], named, None, specs=data.conditions)
    if "label" not in labels:
        kind = type(condition).__name__
        raise ConfigError(f"condition is a {kind}: give the class of each sample, as samples.condition has")
    return torch.as_tensor(labels["label"]).cpu().long()


def _labelled(features: Tensor, labels: Tensor) -> Tensor:
    """Prepend the label as a column, so that the bootstrap resamples it with the features."""
    return torch.cat([labels[:, None].to(features), features], 1)


def _variance_ratio(generated: Tensor, reference: Tensor) -> float:
    numerator = within_class_variance(generated[:, 1:], generated[:, 0].long())
    return numerator / within_class_variance(reference[:, 1:], reference[:, 0].long())
