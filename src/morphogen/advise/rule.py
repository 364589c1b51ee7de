"""Which system for which goal: a table of what is customary, to be read and argued with; `morphogen compare` measures it on the data.

quality       samples that look real              likelihood    the most probable held-out data
speed         many samples a second               few data      whatever the goal, what cannot learn them by heart as fast
"""

__all__ = ["FEW", "GOALS", "Goal", "recommend"]

from collections.abc import Sequence
from typing import Literal

from morphogen.advise.look import FEW as SCARCE
from morphogen.data import Dataset

Goal = Literal["quality", "likelihood", "speed"]
GOALS: dict[str, dict[str, tuple[str, ...]]] = {
    "pictures": {
        "quality": ("ddpm", "gated_pixelcnn", "vae"), "likelihood": ("gated_pixelcnn", "realnvp", "mixture"),
        "speed": ("wgan_gp", "vae", "mixture"), "few": ("vae", "mixture"),
    },
    "text": {"quality": ("gpt", "rnn_lm"), "likelihood": ("gpt", "rnn_lm"), "speed": ("ngram", "rnn_lm"), "few": ("ngram", "gpt")},
    "table": {
        "quality": ("table_flow", "table_mixture"), "likelihood": ("table_flow", "table_mixture"),
        "speed": ("table_mixture",), "few": ("table_mixture",),
    },
    "sound": {"quality": ("wavenet",), "likelihood": ("wavenet",), "speed": ("wavenet",), "few": ("wavenet",)},
}  # fmt: skip
FEW = SCARCE | {"table": 1000}  # a mixture of a table's rows wins for longer than its figures are uncertain
REASONS = {
    "quality": "the usual first choice for good samples, given time",
    "likelihood": "the usual first choice for a high likelihood",
    "speed": "the usual first choice for many samples a second",
    "few": "the data are few, and it is slow to learn few by heart",
}


def recommend(dataset: Dataset, fitting: Sequence[str], goal: Goal) -> tuple[str, str]:
    """The first system of the table's row that fits, and the reason; if none does, the first that fits."""
    row = "few" if len(dataset.train) < FEW[dataset.medium] else goal
    name = next((name for name in GOALS[dataset.medium][row] if name in fitting), fitting[0])
    return name, REASONS[row]
