"""Recommend a system for a goal, from the table `goals` of the medium; `morphogen compare` measures them.

quality       realistic samples              likelihood    high probability of held-out data
speed         many samples per second        few           few data: memorised slowly, any goal
"""

__all__ = ["Goal", "recommend"]

from collections.abc import Sequence
from typing import Literal

from morphogen.data import Dataset

Goal = Literal["quality", "likelihood", "speed"]
REASONS = {
    "quality": "the usual first choice for good samples, given time",
    "likelihood": "the usual first choice for a high likelihood",
    "speed": "the usual first choice for many samples per second",
    "few": "there are few data, and it is slow to memorise them",
}
OTHERWISE = "the first that was timed; no usual choice for these data was"


def recommend(dataset: Dataset, fitting: Sequence[str], goal: Goal) -> tuple[str, str]:
    """The first system of the medium's `goals` that fits, or else the first that fits, and the reason."""
    medium = dataset.representation.medium
    few = medium.few if medium.few_to_fit is None else medium.few_to_fit
    row = "few" if len(dataset.train) < few else goal
    usual = [name for name in medium.goals.get(row, ()) if name in fitting]
    return (usual[0], REASONS[row]) if usual else (fitting[0], OTHERWISE)
