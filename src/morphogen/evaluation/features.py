"""Features: where pictures and texts are compared. Distances in them mean what the features mean, so they carry a name and a hash.

    digits          the last hidden layer of a classifier of digits, 64-d (made by digits_classifier.py)
    random          a fixed random convolutional network, 64-d: as Naeem et al. (2020) advise where no classifier knows the data
    random-bytes    a fixed random map of byte trigrams, 64-d, averaged over the text

Random weights are uniform and keyed: exact multiples of 2^-32 before rounding, hence the same bits on every machine.
"""

__all__ = ["WEIGHTS", "ByteFeatures", "DigitFeatures", "Features", "RandomFeatures", "features_for"]

import hashlib
import json
import math
from abc import ABC, abstractmethod
from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load as load_bytes
from torch import Tensor
from torch.nn import functional as F

from morphogen.component import ConfigError, build
from morphogen.data.dataset import Dataset
from morphogen.model import copy_tensors, tensors
from morphogen.networks.classifier import Classifier
from morphogen.numerics.randomness import Rng

WEIGHTS = Path(__file__).parent / "weights"


class Features(ABC):
    """medium -> vectors, fixed for good.

    Attributes:
        name: what a report calls them.
        sha256: of their weights.
    """

    name: str
    sha256: str

    @torch.no_grad()
    def __call__(self, medium: Tensor) -> Float[Tensor, "n d"]:
        """Features of each row, on the CPU, 256 rows at a time."""
        return torch.cat([self.embed(rows) for rows in medium.cpu().split(256)])

    @abstractmethod
    def embed(self, medium: Tensor) -> Float[Tensor, "b d"]:
        """Features of one batch."""


def features_for(data: Dataset) -> Features:
    """The features a data set is measured in."""
    if data.name == "digits":
        return DigitFeatures()
    return ByteFeatures() if data.medium == "text" else RandomFeatures(data.representation.shape[0])


class DigitFeatures(Features):
    """The committed classifier of scikit-learn's digits; its test accuracy stands in weights/digits.json.

    Errors: ConfigError if the weights are not those of the record.
    """

    name = "digits"

    def __init__(self) -> None:
        content = (WEIGHTS / "digits.safetensors").read_bytes()
        record = json.loads((WEIGHTS / "digits.json").read_text())
        self.sha256 = hashlib.sha256(content).hexdigest()
        if self.sha256 != record["sha256"]:
            raise ConfigError(f"{WEIGHTS}/digits.safetensors is not the recorded file ({self.sha256[:12]}); install morphogen again")
        self.network: Classifier = build(record["config"]).eval()
        copy_tensors(tensors(self.network), load_bytes(content))

    def embed(self, medium: Tensor) -> Float[Tensor, "b d"]:
        return self.network.features(medium)

    @torch.no_grad()
    def classify(self, medium: Tensor) -> Float[Tensor, "n k"]:
        """p(class | picture)."""
        return self.network(medium.cpu()).softmax(1)


class RandomFeatures(Features):
    """Three random convolutions, each halved but the first, averaged to 2 x 2 and projected: no training, no download.

    Arguments:
        channels: of the pictures.
        seed: of the weights.
    """

    name = "random"

    def __init__(self, channels: int, seed: int = 0):
        widths = (channels, 32, 64, 64)
        shapes = [(b, a, 3, 3) for a, b in pairwise(widths)]
        self.convs = [_weights(seed, f"conv{i}", shape) for i, shape in enumerate(shapes)]
        self.project = _weights(seed, "project", (64, 4 * widths[-1]))
        self.sha256 = _digest([*self.convs, self.project])

    def embed(self, medium: Tensor) -> Float[Tensor, "b d"]:
        h = medium
        for i, weight in enumerate(self.convs):
            h = F.leaky_relu(F.conv2d(F.pad(h, (1, 1, 1, 1), mode="replicate"), weight), 0.2)
            h = F.avg_pool2d(h, 2, ceil_mode=True) if i else h
        return F.linear(F.adaptive_avg_pool2d(h, 2).flatten(1), self.project)


class ByteFeatures(Features):
    """mean over t of relu(a[x_t] + b[x_{t+1}] + c[x_{t+2}]) with random a, b, c: which trigrams a text is made of.

    Arguments:
        seed: of the tables.
    """

    name = "random-bytes"

    def __init__(self, seed: int = 0):
        self.tables = _weights(seed, "trigrams", (64, 3, 256)).permute(1, 2, 0) * 16
        self.sha256 = _digest([self.tables])

    def embed(self, medium: Tensor) -> Float[Tensor, "b d"]:
        a, b, c = self.tables
        return F.relu(a[medium[:, :-2]] + b[medium[:, 1:-1]] + c[medium[:, 2:]]).mean(1)


def _weights(seed: int, name: str, shape: tuple[int, ...]) -> Tensor:
    """Uniform with variance 2 / fan_in (He et al. 2015), a row for each output."""
    fan_in = math.prod(shape[1:])
    return (2 * Rng(seed, shape[0], ("features", name)).uniform(*shape[1:]) - 1) * math.sqrt(6 / fan_in)


def _digest(weights: list[Tensor]) -> str:
    content = b"".join(weight.contiguous().numpy().tobytes() for weight in weights)
    return hashlib.sha256(content).hexdigest()
