r"""Does a model draw what it is asked, and does it still draw many of each? Guidance buys the first with the second.

    read as asked          share of samples x drawn for c with argmax_k p(k | x) = c, p of a classifier that no model was trained with
    variance over real     V(samples) / V(train),   V = mean over the classes c of sum_j Var(f_j(x) | c),   f the features

A model of the true law has 1 in the second; one that draws a single picture of each class has 0 (after the class-conditional
measures of Ravuri & Vinyals 2019, "Classification accuracy score for conditional generative models").
"""

__all__ = ["read_as_asked", "steering", "within_class_variance"]

from typing import TypedDict

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from morphogen.data.dataset import Dataset
from morphogen.evaluation.features import Features
from morphogen.evaluation.intervals import Interval, bootstrap, share

REFERENCE = 10_000  # training examples that samples are held against


class Steering(TypedDict):
    """How well samples answer what was asked of them; the first is None where the features know no classes."""

    read_as_asked: Interval | None
    variance_over_real: Interval


def steering(samples: Shaped[Tensor, "n ..."], asked: Int[Tensor, " n"], data: Dataset, features: Features, seed: int = 0) -> Steering:
    """Both measures, with their intervals.

    Arguments:
        samples: the medium, as drawn.
        asked: which class each was to be, int64 [n].
        data: whose train part is the real; only the classes that were asked for are compared.
        features: from `features_for(data)`.
        seed: of the bootstrap.

    Errors: ValueError where the data have no labels, or a class was asked for once only.
    """
    asked, real = asked.cpu(), data.train.first(REFERENCE)
    if real.condition is None:
        raise ValueError(f"{data.name} has no classes: nothing can be asked of a model of it")
    wanted, counts = asked.unique(return_counts=True)
    if counts.min() < 2:
        raise ValueError(f"class {wanted[counts.argmin()]} was drawn once, which shows no variety; draw at least 2 of each")
    of_wanted = torch.isin(real.condition, wanted)
    drawn = _labelled(features(samples), asked)
    known = _labelled(features(real.medium[of_wanted]), real.condition[of_wanted])
    return {
        "read_as_asked": read_as_asked(samples, asked, features),
        "variance_over_real": bootstrap(_ratio, (drawn, known), seed=seed, least=0.0),
    }


def read_as_asked(samples: Shaped[Tensor, "n ..."], asked: Int[Tensor, " n"], features: Features) -> Interval | None:
    """Share of samples that the classifier reads as what was asked; None: these features know no classes."""
    classify = getattr(features, "classify", None)
    return None if classify is None else share(classify(samples).argmax(1) == asked.cpu())


def within_class_variance(features: Float[Tensor, "n d"], labels: Int[Tensor, " n"]) -> float:
    """Variance within a class, summed over features, averaged over the classes that have two rows."""
    of_class = [rows.var(0).sum() for label in labels.unique() if len(rows := features[labels == label]) > 1]
    if not of_class:
        raise ValueError("no class has two rows: nothing varies; draw at least 2 of each")
    return torch.stack(of_class).mean().item()


def _labelled(features: Tensor, labels: Tensor) -> Tensor:
    """Label in front of the features: what is resampled together stands together."""
    return torch.cat([labels[:, None].to(features), features], 1)


def _ratio(drawn: Tensor, real: Tensor) -> float:
    return within_class_variance(drawn[:, 1:], drawn[:, 0].long()) / within_class_variance(real[:, 1:], real[:, 0].long())
