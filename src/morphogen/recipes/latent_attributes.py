r"""Attribute arithmetic in the latent space of a conditional VAE, measured: bold and slanted digits.

    z' = z + strength (mean z of the rows with the attribute - mean z of the others)

The attributes are computed from the pixels; x, y are the place of a pixel, weighted by its ink:

    bold        mean brightness
    slanted     -cov(x, y) / var(y), the tangent of the strokes' angle to the vertical, to the right

The digit is given to encoder and decoder, so that z holds the rest. A row has an attribute if it is above the
median of its own digit. The direction is estimated on training rows, its strength is the least that gives the
attribute to nine in ten validation rows without it, and the figures are those of test rows without it. A
classifier says whether the digit remains. The control is a random direction of the same norm.

Reference: Autoencoding beyond pixels using a learned similarity metric, Larsen, Sonderby, Larochelle &
Winther, 2016 (section 3.2).
"""

__all__ = ["ATTRIBUTES", "bold", "latent_attributes", "slanted"]

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from morphogen.data import Dataset, Examples, load_data
from morphogen.evaluation.features import features_for
from morphogen.evaluation.intervals import mean, proportion
from morphogen.evaluation.sheet import sheet
from morphogen.inference.latent_space import LatentSpace, attribute
from morphogen.numerics.randomness import Rng
from morphogen.recipes.records import environment, evaluation_settings, model_record, training_cost
from morphogen.recipes.train_system import SIZE, train_system
from morphogen.run import Run

SYSTEM, ROWS = "conditional_vae", 4000  # training rows for the directions
STRENGTHS, ENOUGH = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0), 0.9
Shown = Mapping[str, Float[Tensor, "n c h w"]]


def bold(x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
    """Mean brightness of each picture, in [0, 1]."""
    return _ink(x).flatten(1).mean(1)


def slanted(x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
    """Tangent of the angle of the strokes to the vertical; above 0 to the right.

    >>> slanted(2 * torch.eye(8).flip(0)[None, None] - 1).item()  # from bottom left to top right
    1.0
    """
    ink = _ink(x)
    ink = ink / ink.sum((1, 2), keepdim=True).clamp_min(1e-6)
    down, right = (torch.arange(size, dtype=x.dtype, device=x.device) for size in ink.shape[1:])
    mean_down, mean_right = ink.sum(2) @ down, ink.sum(1) @ right
    covariance = torch.einsum("nhw,h,w->n", ink, down, right) - mean_down * mean_right
    return -covariance / (ink.sum(2) @ down.square() - mean_down.square()).clamp_min(1e-6)


ATTRIBUTES: Mapping[str, Callable[[Tensor], Tensor]] = {"bold": bold, "slanted": slanted}


def latent_attributes(
    name: str = "mnist-10k", budget: float = 240.0, directory: Path | None = None, seed: int = 0, n: int = 500
) -> dict[str, Any]:
    """How often a direction of z gives a digit an attribute, and what else it changes.

    attributes.png is written to the run.

    Arguments:
        name: of the data, pictures of digits.
        budget: seconds of training.
        directory: a run of this recipe; None: train one in runs/.
        seed: of training, of the draws of z and of the control.
        n: number of held-out rows per attribute, at most.
    """
    data = load_data(name)
    features: Any = features_for(data)
    run = train_system(SYSTEM, data, budget, seed) if directory is None else Run.open(directory)
    space = LatentSpace(run.model())
    figures: dict[str, Any] = {}
    shown: dict[str, Tensor] = {}
    for which in ATTRIBUTES:
        medians, direction = _direction(which, space, data, seed)
        strength = _strength(which, space, data, medians, direction, seed, n)
        digit, pictures = _moved(which, space, data.test, medians, strength * direction, seed, n)
        figures[which] = _figures(which, digit, medians, pictures, features.classify)
        figures[which]["strength"] = strength
        shown |= {f"{which}: {key}": x[:20] for key, x in pictures.items()}
    sheet(shown, columns=20).save(run.directory / "attributes.png", optimize=True)
    models = {SYSTEM: model_record(SYSTEM, SIZE, data, run.model())}
    settings = evaluation_settings(data, features, n, seed) | training_cost(run, budget)
    return {"figures": {SYSTEM: figures}, "models": models} | settings | environment()


def _direction(
    which: str, space: LatentSpace, data: Dataset, seed: int
) -> tuple[Float[Tensor, " k"], Float[Tensor, " *z"]]:
    """The median of each digit and the direction of an attribute, of training rows."""
    train = data.train.first(ROWS)
    digit, value = train.condition["label"], ATTRIBUTES[which](train.medium)
    medians = torch.stack([value[digit == k].median() for k in digit.unique()])
    z = space.encode(train.medium, train.condition, seed)
    return medians, attribute(z, _has(which, train.medium, digit, medians))


def _strength(
    which: str,
    space: LatentSpace,
    data: Dataset,
    medians: Float[Tensor, " k"],
    direction: Float[Tensor, " *z"],
    seed: int,
    n: int,
) -> float:
    """The least strength that gives the attribute to enough validation rows, or the largest."""
    for strength in STRENGTHS:
        digit, pictures = _moved(which, space, data.valid, medians, strength * direction, seed, n)
        if _has(which, pictures["added"], digit, medians).double().mean() >= ENOUGH:
            break
    return strength


def _moved(
    which: str,
    space: LatentSpace,
    examples: Examples,
    medians: Float[Tensor, " k"],
    step: Float[Tensor, " *z"],
    seed: int,
    n: int,
) -> tuple[Int[Tensor, " n"], Shown]:
    """Of up to n rows without an attribute, the digits, and the pictures before and after a step of z."""
    every = examples.first()
    part = every[(~_has(which, every.medium, every.condition["label"], medians)).nonzero()[:n, 0]]
    z = space.encode(part.medium, part.condition, seed)
    control = Rng(seed, 1).fork("control", which).normal(*step.shape)[0]
    control = control * step.norm() / control.norm()
    steps = {"reconstructed": torch.zeros_like(step), "added": step, "random direction": control}
    pictures = {key: space.decode(z + each, part.condition).tensor for key, each in steps.items()}
    return part.condition["label"], pictures


def _figures(
    which: str,
    digit: Int[Tensor, " n"],
    medians: Float[Tensor, " k"],
    pictures: Shown,
    classify: Callable[[Tensor], Tensor],
) -> dict[str, Any]:
    """Of each kind of picture: the share that has the attribute, that of the same digit, and the changes."""
    before = pictures["reconstructed"]
    read = classify(before).argmax(1)
    return {
        key: {
            "has it": proportion(_has(which, x, digit, medians)),
            "same digit": proportion(classify(x).argmax(1) == read),
            **{f"{other}, change in sd": _change(other, before, x) for other in ATTRIBUTES},
        }
        for key, x in pictures.items()
    }


def _has(
    which: str, x: Float[Tensor, "n c h w"], digit: Int[Tensor, " n"], medians: Float[Tensor, " k"]
) -> Bool[Tensor, " n"]:
    """Whether a picture is above the median of its digit."""
    return ATTRIBUTES[which](x) > medians[digit]


def _change(which: str, before: Tensor, after: Tensor) -> Any:
    """Mean change of an attribute, in standard deviations of its values before."""
    value = ATTRIBUTES[which]
    return mean((value(after) - value(before)) / value(before).std())


def _ink(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n h w"]:
    return (x.mean(1) + 1) / 2
