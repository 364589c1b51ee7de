"""A table of recommended systems per medium and goal; `morphogen compare` measures them on the data.

quality       realistic samples              likelihood    high probability of held-out data
speed         many samples per second        few           few data: memorised slowly, any goal
"""

__all__ = ["FEW", "GOALS", "Goal", "recommend"]

from collections.abc import Sequence
from typing import Literal

from morphogen.advise.dataset_summary import FEW as FEW_FOR_WARNING
from morphogen.data import Dataset

Goal = Literal["quality", "likelihood", "speed"]
GOALS: dict[str, dict[str, tuple[str, ...]]] = {
    "pictures": {
        "quality": ("ddpm", "gated_pixelcnn", "vae"),
        "likelihood": ("gated_pixelcnn", "realnvp", "mixture"),
        "speed": ("wgan_gp", "vae", "mixture"),
        "few": ("vae", "mixture"),
    },
    "text": {
        "quality": ("gpt", "rnn_lm"),
        "likelihood": ("gpt", "rnn_lm"),
        "speed": ("ngram", "rnn_lm"),
        "few": ("ngram", "gpt"),
    },
    "table": {
        "quality": ("table_flow", "table_mixture"),
        "likelihood": ("table_flow", "table_mixture"),
        "speed": ("table_mixture",),
        "few": ("table_mixture",),
    },
    "sound": {
        "quality": ("wavenet",),
        "likelihood": ("wavenet",),
        "speed": ("wavenet",),
        "few": ("wavenet",),
    },
}
FEW = FEW_FOR_WARNING | {
    "table": 1000
}  # a mixture is better on small tables, up to more rows than the warning
REASONS = {
    "quality": "the usual first choice for good samples, given time",
    "likelihood": "the usual first choice for a high likelihood",
    "speed": "the usual first choice for many samples per second",
    "few": "there are few data, and it is slow to memorise them",
}


def recommend(dataset: Dataset, fitting: Sequence[str], goal: Goal) -> tuple[str, str]:
    """The first system of the table's row that fits (or else the first that fits), and the reason."""
    row = "few" if len(dataset.train) < FEW[dataset.medium] else goal
    name = next((name for name in GOALS[dataset.medium][row] if name in fitting), fitting[0])
    return name, REASONS[row]
