"""Figures that only some media have, beside those of `quality`: a medium names what measures its samples.

    medium.measure(samples, condition, data, seed) -> further values of a row, {} for most media

The names of the values are the keys of the sections of a report. No paper: the module of each measure has its
references.
"""

__all__ = ["no_medium_quality"]

from collections.abc import Mapping
from typing import Any

from morphogen.data.dataset import Dataset


def no_medium_quality(
    medium: Any, condition: Mapping[str, Any], data: Dataset, seed: int = 0
) -> dict[str, Any]:
    """No further values, of a medium without figures of its own.

    Arguments:
        medium: the samples.
        condition: their conditions, by name.
        data: the data set that the model was trained on.
        seed: of resampling.
    """
    return {}
