"""Evaluate models under equal conditions: the same held-out rows, the same number of samples, the same seed.

A row has every key of `KEYS`; a value that was not measured or does not exist is None. The held-out data
themselves are a row too: the best that a model can reach.
"""

__all__ = ["KEYS", "Row", "Scorer", "new_row"]

import time
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from morphogen.catalogue import family
from morphogen.counted import counted
from morphogen.data import DataError, Dataset
from morphogen.data.splits import examples_for
from morphogen.evaluation.codecs import codec_baselines
from morphogen.evaluation.features import features_for
from morphogen.evaluation.likelihood import bits_per_dim
from morphogen.evaluation.provenance import misfit, provenance, stamp, stamp_all
from morphogen.evaluation.quality import MEASURES, measures
from morphogen.evaluation.sight import Sight, sight
from morphogen.model import parameters
from morphogen.rank import ALONE, Rank
from morphogen.run import versions

Row = dict[str, Any]
KEYS = (
    "system", "family", "size", "likelihood", *MEASURES, "samples_per_second", "tokens_per_second",
    "train_seconds", "steps", "undertrained", "sampler", "parameters", "run", "how", "withheld",
    "table", "captions", "error",
)  # fmt: skip
LEAST = 6  # samples: the metrics use the fifth nearest neighbour, which five rows don't have
MOST = 1000  # samples by default
SHOWN = 20  # samples per row of the picture, of all classes
BATCH = 256  # samples drawn at a time


def new_row(**values: Any) -> Row:
    """A row with these values, and None for all other keys."""
    return dict.fromkeys(KEYS) | values


class Scorer:
    """Evaluates models on one data set.

    Arguments:
        dataset: the data, whose test split is used.
        n: samples per model, and held-out rows; None: all held-out rows, at most 1000.
        seed: seed of sampling and of the metrics.
        rank: rank of this process. All processes evaluate, each its shard of the samples and held-out rows.

    Errors: DataError if there are fewer held-out rows than n, or too few to measure.
    """

    def __init__(self, dataset: Dataset, n: int | None = None, seed: int = 0, rank: Rank = ALONE):
        held_out = len(dataset.test)
        if held_out < LEAST:
            raise DataError(_too_few(dataset))
        if n is not None and not LEAST <= n <= held_out:
            raise DataError(
                f"n {n}: samples are compared with as many held-out examples, and {dataset.name} has "
                f"{held_out}; give {LEAST} to {held_out}"
            )
        self.dataset, self.seed, self.rank = dataset, seed, rank
        self.n = n if n is not None else min(held_out, MOST)
        self.features = features_for(dataset)

    @cached_property
    def sight(self) -> Sight:
        """Whether the features tell real data from noise, and why not."""
        return sight(self.features, self.dataset, self.seed)

    def facts(self) -> dict[str, Any]:
        """The settings that all figures depend on."""
        data, features = self.dataset, self.features
        return {
            "data": data.name,
            "medium": data.medium,
            "unit": f"bits/{data.representation.unit}",
            "classes": list(data.classes),
            "split": data.split,
            "notes": list(data.notes),
            "n": self.n,
            "seed": self.seed,
            "features": {
                "name": features.name,
                "sha256": features.sha256,
                "fidelity": features.fidelity,
                "resize": features.resize,
                "sight": self.sight,
            },
            "versions": versions(),
        }

    def real(self) -> tuple[Row, Shaped[Tensor, "n ..."]]:
        """The row of the held-out data, evaluated as if they were samples, and the data."""
        held_out = self.dataset.test.first(self.n)
        return new_row(system="real data") | self._quality(
            held_out.medium, held_out.condition
        ), held_out.medium

    def codec_baselines(self) -> list[Row]:
        """The rows of lossless codecs on the same held-out data."""
        facts = provenance(self.dataset, self.seed)
        return [new_row(**stamp_all(values, facts)) for values in codec_baselines(self.dataset, self.n)]

    def model(self, model: Any, **facts: Any) -> tuple[Row, Shaped[Tensor, "n ..."]]:
        """The row of a model (likelihood, sample quality and speed), and its samples.

        Arguments:
            model: the model.
            facts: further values of the row: system, run, train_seconds, ...

        Errors: ConfigError for a model whose tokenizer is not that of the data.
        """
        representation = self.dataset.representation
        representation.medium.check_comparable(model.representation, representation)
        condition = model.taken(self.dataset.test.first(self.n).condition)
        start = time.perf_counter()
        samples = model.sample(self.n, condition, seed=self.seed, batch=BATCH, rank=self.rank).tensor.cpu()
        rate = self.n / (time.perf_counter() - start)
        units = representation.medium.units_per_sample(representation, samples)
        likelihood = bits_per_dim(model, self.dataset.test, self.n, self.seed, self.rank)
        row = new_row(
            family=family(model),
            samples_per_second=rate,
            likelihood=likelihood and stamp("likelihood", likelihood, provenance(self.dataset, self.seed)),
            tokens_per_second=(units and units * rate) or None,
            sampler=repr(model.objective.default_sampler()),
            parameters=parameters(model),
            **facts,
        )
        return row | self._quality(samples, condition), samples

    def outdated(self, row: Row) -> str | None:
        """Why the figures of a row cannot stand beside those that this scorer measures; None: they can."""
        return misfit(row, provenance(self.dataset, self.seed, self.features, self.n))

    def columns(self) -> Int[Tensor, " k"]:
        """Indices of the shown samples: the first few of each class, by the labels of the held-out data."""
        labels = self.dataset.test.first(self.n).condition.get("label")
        if labels is None:
            return torch.arange(min(self.dataset.representation.medium.shown, self.n))
        classes = len(self.dataset.classes)
        repeats = max(1, SHOWN // classes)
        return torch.cat([(labels == c).nonzero()[:repeats, 0] for c in range(min(classes, SHOWN))])

    def _quality(self, samples: Shaped[Tensor, "n ..."], condition: Any) -> Row:
        """The figures of samples, and those that only their medium has."""
        own = self.dataset.representation.medium.measure(samples, condition, self.dataset, self.seed)
        facts = provenance(self.dataset, self.seed, samples=len(samples))
        return measures(samples, self.dataset, self.features, self.seed) | stamp_all(own, facts)

    def labels(self) -> list[str]:
        """The class of each shown sample."""
        labels = self.dataset.test.first(self.n).condition.get("label")
        if labels is None:
            return []
        return [self.dataset.classes[c] for c in labels[self.columns()].tolist()]


def _too_few(dataset: Dataset) -> str:
    """What is wrong with a data set of which fewer than `LEAST` examples are held out, and the remedy."""
    held_out, own = len(dataset.test), f"a test split of your own with at least {LEAST} examples"
    total = len(dataset.train) + len(dataset.valid) + held_out
    enough = max(examples_for(LEAST), total + examples_for(LEAST - held_out))
    is_own = "test, the authors' own part" in dataset.split
    way = own if is_own else f"at least {enough} examples that differ from each other, or {own}"
    return (
        f"{dataset.name}: {counted(total, 'example')}, {held_out} of them held out, are too few to evaluate "
        f"a model, which takes {LEAST} held-out ones; give {way}"
    )
