"""The bench: every model is put on the same one, with the same held-out rows, the same number of samples, the same seed.

A row has every key of `KEYS`; None stands for what was not measured or does not exist, so that no reader needs a special case.
The held-out data themselves are a row: the best that a model can reach.
"""

__all__ = ["KEYS", "Bench", "Row", "new_row"]

import time
from typing import Any

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from morphogen.catalogue import family
from morphogen.component import ConfigError, describe
from morphogen.data import DataError, Dataset
from morphogen.evaluation.codecs import codecs
from morphogen.evaluation.features import features_for
from morphogen.evaluation.likelihood import bits_per_dim
from morphogen.evaluation.quality import MEASURES, quality
from morphogen.model import parameters
from morphogen.rank import ALONE, Rank
from morphogen.representations.text import Text
from morphogen.run import versions

Row = dict[str, Any]
KEYS = (
    "system", "family", "size", "likelihood", *MEASURES, "samples_per_second", "tokens_per_second", "train_seconds", "steps", "sampler",
    "parameters", "run", "how", "error",
)  # fmt: skip
LEAST, MOST = 6, 1000  # samples: of five rows none has a fifth neighbour; more than a thousand are worth asking for
SHOWN, TEXTS = 20, 2  # samples of a row that people see, and of a text
BATCH = 256  # samples drawn at a time


def new_row(**known: Any) -> Row:
    """A row of what is known."""
    return dict.fromkeys(KEYS) | known


class Bench:
    """Measures models on one data set.

    Arguments:
        dataset: whose held-out part is measured on.
        n: samples of each model, and held-out rows; None: as many as there are, at most 1000.
        seed: of sampling and of the measures.
        rank: of several processes, all of which measure: they share the samples and the held-out rows.

    Errors: DataError for an n that the held-out part cannot match.
    """

    def __init__(self, dataset: Dataset, n: int | None = None, seed: int = 0, rank: Rank = ALONE):
        held_out = len(dataset.test)
        if held_out < LEAST:
            raise DataError(
                f"{dataset.name}: {held_out} held-out examples cannot measure a model; {LEAST} can: give about 50 examples or more"
            )
        if n is not None and not LEAST <= n <= held_out:
            raise DataError(
                f"n {n}: {dataset.name} holds out {held_out} examples, and samples are measured beside as many; give {LEAST} to {held_out}"
            )
        self.dataset, self.seed, self.rank = dataset, seed, rank
        self.n = n if n is not None else min(held_out, MOST)
        self.features = features_for(dataset)

    def facts(self) -> dict[str, Any]:
        """What every figure depends on."""
        data, features = self.dataset, self.features
        return {
            "data": data.name, "medium": data.medium, "unit": f"bits/{getattr(data.representation, 'unit', 'dim')}",
            "classes": list(data.classes), "split": data.split, "notes": list(data.notes), "n": self.n, "seed": self.seed,
            "features": {"name": features.name, "sha256": features.sha256}, "versions": versions(),
        }  # fmt: skip

    def real(self) -> tuple[Row, Shaped[Tensor, "n ..."]]:
        """Held-out data measured as if they were samples, and they themselves."""
        held_out = self.dataset.test.first(self.n).medium
        return new_row(system="real data") | quality(held_out, self.dataset, self.features, self.seed), held_out

    def codecs(self) -> list[Row]:
        """What lossless codecs make of the same held-out rows."""
        return [new_row(**found) for found in codecs(self.dataset, self.n)]

    def model(self, model: Any, **facts: Any) -> tuple[Row, Shaped[Tensor, "n ..."]]:
        """A model's likelihood, samples and their quality; `facts` are what else is known of it (system, run, train_seconds, ...).

        Errors: ConfigError for a model that reads a text in other symbols than the data are in.
        """
        text = self.dataset.representation
        if isinstance(text, Text) and describe(model.representation) != describe(text):
            raise ConfigError(f"the model reads {model.representation!r}, the data are {text!r}; load them with the model's own symbols")
        condition = self.dataset.test.first(self.n).condition if model.conditioner is not None else None
        begun = time.perf_counter()
        samples = model.sample(self.n, condition, seed=self.seed, batch=BATCH, rank=self.rank).tensor.cpu()
        rate = self.n / (time.perf_counter() - begun)
        row = new_row(
            family=family(model), samples_per_second=rate,
            likelihood=bits_per_dim(model, self.dataset.test, self.n, self.seed, self.rank),
            tokens_per_second=self._units(samples) * rate or None,
            sampler=repr(model.objective.sampler()), parameters=parameters(model), **facts,
        )  # fmt: skip
        return row | quality(samples, self.dataset, self.features, self.seed), samples

    def _units(self, samples: Shaped[Tensor, "n ..."]) -> float:
        """Bytes, or characters, of text in a sample."""
        text = self.dataset.representation
        return text.count(samples).double().mean().item() if isinstance(text, Text) else 0.0

    def columns(self) -> Int[Tensor, " k"]:
        """Which samples are shown: every class in turn, as the held-out labels (which asked for them) stand."""
        labels = self.dataset.test.first(self.n).condition
        if labels is None or not self.dataset.classes:
            return torch.arange(min(TEXTS if self.dataset.medium == "text" else SHOWN, self.n))
        classes = len(self.dataset.classes)
        repeats = max(1, SHOWN // classes)
        return torch.cat([(labels == c).nonzero()[:repeats, 0] for c in range(min(classes, SHOWN))])

    def labels(self) -> list[str]:
        """What each shown sample was asked to be."""
        asked = self.dataset.test.first(self.n).condition
        return [] if asked is None or not self.dataset.classes else [self.dataset.classes[c] for c in asked[self.columns()].tolist()]
