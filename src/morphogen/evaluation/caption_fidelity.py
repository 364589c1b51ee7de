r"""Caption fidelity: do samples show what their captions ask for?

    seen, held_out, ...    of the things that the captions of a group ask for, the fraction that is shown
    shuffled               the same for the captions of other samples: what a model scores that ignores them

Which things there are, which captions form a group, and what a sample shows is for the data set's `reader` to
say: of `shapes` the shape, colour and size of each object and their relations, read exactly from the pixels,
for captions of pairs that training has and of pairs that it has not. Groups tell composition from memory
(Johnson et al. 2017, "CLEVR"); relations as in Gokhale et al. 2022, "Benchmarking spatial relationships in
text-to-image generation".
"""

__all__ = ["CaptionFidelity", "caption_fidelity", "measure_captions"]

from collections.abc import Mapping
from typing import Any, TypeAlias

import torch
from jaxtyping import Shaped
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.conditioning.caption import CAPTION, caption_texts
from morphogen.conditioning.named import name_conditions
from morphogen.data.dataset import Dataset
from morphogen.evaluation.arguments import reads_arguments
from morphogen.evaluation.intervals import Interval, ratio
from morphogen.numerics.randomness import Rng
from morphogen.representations.given import rows_like

SHUFFLED = "shuffled"
CaptionFidelity: TypeAlias = dict[str, dict[str, Interval]]  # by group and measure


@reads_arguments
def caption_fidelity(
    samples: Shaped[Tensor, "n ..."], condition: Any, data: Dataset, seed: int = 0
) -> CaptionFidelity:
    """How much of what captions ask for is shown, by group of captions and by measure, with 95 % intervals.

    The rows are independent, so that objects of one sample may be right together. n counts the samples.

    Arguments:
        samples: generated medium.
        condition: the caption of each sample, texts or as `sample` takes it.
        data: captioned data with a reader, such as `shapes`.
        seed: of the order of the shuffled captions.

    Errors: ConfigError for data without a reader, samples of another medium, another number of captions, and
    captions that the reader cannot read.
    """
    if data.reader is None:
        raise ConfigError(
            f"{data.name} has no reader of what captions ask for: give data that have one, such as "
            "mg.load_data('shapes')"
        )
    samples = rows_like(samples, "samples", data.test.first(1).medium, data.representation)
    captions = _texts(condition, data, len(samples))
    shown = data.reader.read(samples)
    score = data.reader.score(shown, captions)
    groups = {
        group: {name: ratio(right[rows], asked[rows]) for name, (right, asked) in score.items()}
        for group, rows in data.reader.groups(captions).items()
    }
    if len(set(captions)) > 1:
        order = Rng(seed, len(captions), (SHUFFLED,)).bits(1)[:, 0].argsort(stable=True)
        other = torch.empty_like(order).scatter(0, order, order.roll(1))  # no row keeps its own
        others = data.reader.score(shown, [captions[i] for i in other.tolist()])
        groups[SHUFFLED] = {name: ratio(*counts) for name, counts in others.items()}
    known = {group: {k: v for k, v in found.items() if v is not None} for group, found in groups.items()}
    return {group: found for group, found in known.items() if found}


def measure_captions(
    medium: Any, condition: Mapping[str, Any], data: Dataset, seed: int = 0
) -> dict[str, Any]:
    """The caption fidelity of samples as the figures of a section; {} without captions or a reader.

    Arguments:
        medium: the samples.
        condition: their conditions, by name.
        data: the data set that the model was trained on.
        seed: of the shuffled captions.
    """
    if data.reader is None or CAPTION not in condition:
        return {}
    found = caption_fidelity(medium, {CAPTION: condition[CAPTION]}, data, seed)
    names = dict.fromkeys(name for figures in found.values() for name in figures)
    figures = {
        f"{name}, {group}": found[group][name] for name in names for group in found if name in found[group]
    }
    return {"captions": {"figures": figures}}


def _texts(condition: Any, data: Dataset, n: int) -> list[str]:
    """The captions as texts. Errors: ConfigError for anything else."""
    given = getattr(condition, "condition", condition)  # of samples and of batches
    if isinstance(given, Mapping) and CAPTION in given:
        given = {CAPTION: given[CAPTION]}
    captions = name_conditions([CAPTION], given, n, specs=data.conditions).get(CAPTION)
    if captions is None or captions.ndim != 2 or not _are_bytes(captions):
        kind = type(condition).__name__
        raise ConfigError(f"condition is a {kind}: give the caption of each sample, a list of texts")
    return caption_texts(captions)


def _are_bytes(values: Shaped[Tensor, "n l"]) -> bool:
    """Whether these are whole numbers from -1 to 255."""
    if values.is_floating_point() or values.is_complex() or not values.numel():
        return False
    return int(values.min()) >= -1 and int(values.max()) <= 255
