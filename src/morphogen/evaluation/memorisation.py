r"""Memorisation: the fraction of samples that are copies of training examples.

A copy is unusually near to one training example. With d_1 <= d_2 <= ... the distances of a sample to its
nearest training examples,

    r(x)   = d_1 / mean(d_2, ..., d_6)             nearest against the next few (Carlini et al. 2023)
    copied = r(x) < q  and  d_1(x) < m

q is the 1 % quantile of r and m the median of d_1 over held-out examples, which tell how near is near by
chance (Meehan et al. 2020): about 1 % of samples of the data distribution count as copies. A constant picture
or shrunken noise is near to all training examples, so that r is close to 1. In pictures and sounds r < 0.4
does not occur by chance, and q is between 0.4 and 0.8: held-out examples below are twins of training
examples. Equal rows of a table do occur by chance, and q is the smaller one of held-out rows and of training
rows without themselves. A constant picture counts as one of the next few.

Pictures are compared in 8 x 8 cells, with half of their chroma, because re-encoding, blur and noise change
neither the cells nor the luma much, whereas similar drawings differ in both. Each has its own brightness and
contrast removed (contrast up to half of the median of the training part, so that noise in a flat picture is
not amplified) and is mirrored or not and shifted by up to a pixel of 32 x 32; and, if they are given, in
features, with half of the 1 % each.
Rows of a table are compared by the distance of `Gower`, other media than text element by element, in standard
deviations of the training part. For text see `copied_text`.
"""

__all__ = ["NEIGHBOURS", "Memorisation", "memorisation", "ratios", "spaces"]

from collections.abc import Callable
from typing import TypedDict

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Batch
from morphogen.data.dataset import Examples
from morphogen.evaluation.arguments import reads_arguments
from morphogen.evaluation.copied_text import copied_text
from morphogen.evaluation.intervals import proportion
from morphogen.evaluation.nearest import Nearest, nearest_pictures, nearest_rows
from morphogen.numerics.gower import Gower
from morphogen.representations.given import rows_like

QUANTILE = 0.01  # fraction of the held-out examples that count as copies
NEIGHBOURS = 5  # training examples that the nearest one is compared with
UNLIKELY = 0.4  # ratio below which a picture or a sound is no coincidence
MUCH = 0.8  # largest ratio of a copy
RESOLUTION = 0.01  # of the median distance: smaller differences between distances do not count
PROBES = 200  # training examples with which the power is measured
CONTROL = 1000  # largest number of held-out examples
LARGEST = 10_000  # largest number of training examples of which features are computed


class Memorisation(TypedDict):
    """Fraction of copies with its 95 % interval.

    Keys:
        value, low, high, n: the fraction, its interval, and the number of samples.
        chance: the fraction of held-out examples that the same rule counts as copies.
        power: the fraction of training examples that it recognises as copies of themselves; near 0 where rows
            or texts recur so often that copies cannot be told.
    """

    value: float
    low: float
    high: float
    n: int
    chance: float
    power: float


@reads_arguments
def memorisation(
    samples: Shaped[Tensor, " n *x"],
    train: Examples | Shaped[Tensor, " k *x"],
    heldout: Shaped[Tensor, " m *x"],
    features: Callable[[Tensor], Tensor] | None = None,
) -> Memorisation:
    """The fraction of samples that are copies of training examples.

    Arguments:
        samples: generated medium.
        train: the whole training set, as rows, `data.train`, or as numbers.
        heldout: rows or numbers from the same distribution that was not trained on; a few hundred stabilize
            the quantile, and 1000 at most are used.
        features: medium -> vectors, in which pictures and sounds are compared too.

    Errors: ConfigError for rows that are not of the medium of the training set, and for texts as numbers.
    """
    train = train if isinstance(train, Examples) else _Numbers(train)
    like = train.first(1).medium
    samples = rows_like(samples, "samples", like, train.representation)
    heldout = rows_like(heldout, "heldout", like, train.representation)
    counts = len(samples), min(len(heldout), CONTROL), min(len(train), PROBES)
    rows = torch.cat([samples.cpu(), heldout[: counts[1]].cpu(), train.first(counts[2]).medium])
    text = getattr(train, "covered_tokens", None)
    if text is None:
        found = spaces(rows, train, features)
        flags = [_copied(space, counts, QUANTILE / len(found), rows.ndim == 2) for space in found]
        copied = torch.stack(flags).any(0)
    else:
        copied = copied_text(rows, text, rows[counts[0] : sum(counts[:2])], QUANTILE)
    of_samples, of_control, of_train = copied.split(counts)
    known = {"chance": of_control.double().mean().item(), "power": of_train.double().mean().item()}
    return proportion(of_samples) | known  # type: ignore[return-value]


class _Numbers(Examples):
    """Training examples of which only the numbers are known; rows of a table are compared by `Gower`.

    Errors: ConfigError for integers, which are texts.
    """

    def __init__(self, values: Shaped[Tensor, "n ..."]):
        if not values.is_floating_point():
            raise ConfigError("train are whole numbers: give rows, such as data.train of mg.load_data(texts)")
        self.values, self.near = values, Gower(values.double(), ()) if values.ndim == 2 else None

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        return Batch(self.values[indices])

    def coordinates(self, medium: Shaped[Tensor, "m ..."]) -> Shaped[Tensor, "m e"]:
        return super().coordinates(medium) if self.near is None else self.near(medium.double())


def spaces(
    rows: Shaped[Tensor, "n ..."], train: Examples, features: Callable[[Tensor], Tensor] | None = None
) -> list[Nearest]:
    """The nearest training examples of rows of the medium (not of text), and those in features."""
    k = NEIGHBOURS + 2  # of a training example: itself, its nearest other, the next few
    if rows.ndim == 4:
        found = [nearest_pictures(rows, lambda i: train[i].medium, len(train), k)]
    else:
        vectors = train.coordinates(rows)
        found = [nearest_rows(vectors, lambda i: train.coordinates(train[i].medium), len(train), k)]
    if features is not None and rows.ndim > 2:
        known = features(train.first(LARGEST).medium)
        found.append(nearest_rows(features(rows), known.__getitem__, len(known), k))
    return found


def ratios(
    distances: Float[Tensor, "n k"], blank: Float[Tensor, " n"], typical: Float[Tensor, ""]
) -> Float[Tensor, " n"]:
    """Distance of each row to its nearest training example, relative to the mean of the next few.

    Arguments:
        distances, blank: see `Nearest`.
        typical: distance of held-out examples; a hundredth of it is the resolution.
    """
    others = torch.minimum(distances[:, 1 : NEIGHBOURS + 1].mean(1), blank)
    least = (RESOLUTION * typical).clamp_min(1e-12)
    return (distances[:, 0] + least) / (others + least)


def _copied(nearest: Nearest, counts: tuple[int, int, int], level: float, recurs: bool) -> Bool[Tensor, " n"]:
    """Whether each row is a copy; `recurs`: equal rows are usual, so that training rows are a control too."""
    _, control, probes = nearest.distances.split(counts)
    typical = control[:, 0].median()
    ratio = ratios(nearest.distances, nearest.blank, typical)
    threshold = _quantile(ratio.split(counts)[1], control[:, 0] < typical, level)
    if recurs:  # all rows that are equal are in one part, so that no held-out row recurs in train
        others = probes[:, 1:]
        known = ratios(others, nearest.blank.split(counts)[2], typical)
        threshold = min(threshold, _quantile(known, others[:, 0] < typical, level))
    else:
        threshold = min(max(threshold, UNLIKELY), MUCH)
    return (ratio < threshold) & (nearest.distances[:, 0] < typical)


def _quantile(ratio: Tensor, near: Tensor, level: float) -> float:
    """The ratio below which a fraction `level` of the control is, of those rows that are near as well."""
    return ratio.where(near, torch.inf).quantile(level, interpolation="lower").item()
