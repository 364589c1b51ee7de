"""Feature extractors in which distances between real and generated data are measured.

    digits          last hidden layer of a committed classifier, 64-d; see `CLASSIFIERS` and `classifiers.py`
    mnist           the same
    fashion-mnist   the same
    random          a random convolutional network, 64-d, for data without a classifier (Naeem et al. 2020)
    random-bytes    a random embedding of byte trigrams, 64-d, averaged over the text
    mel             mean, standard deviation and mean absolute change over time of 32 log-mel bands
    columns         columns of a table (elements of any other tensor), standardized by the mean and standard
                    deviation of the train part

A distance is meaningful only together with its features, so each extractor has a name and a hash. Random
weights come from a keyed uniform generator (multiples of 2^-32 before rounding) and are bit-identical on
every machine.
"""

__all__ = [
    "CLASSIFIERS",
    "WEIGHTS",
    "ByteFeatures",
    "ClassifierFeatures",
    "ColumnFeatures",
    "Features",
    "RandomFeatures",
    "SpectrumFeatures",
    "column_features",
    "features_for",
    "picture_features",
    "sound_features",
    "text_features",
]

import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from safetensors.torch import load as load_bytes
from torch import Tensor
from torch.nn import functional as F

from morphogen.component import ConfigError, from_config
from morphogen.conditioning.mel import MelSpectrogram
from morphogen.data.dataset import Dataset
from morphogen.model import copy_tensors, tensors
from morphogen.networks.classifier import Classifier
from morphogen.numerics.gower import Gower
from morphogen.numerics.randomness import Rng
from morphogen.representations.text import Text
from morphogen.saved_config import check_format

WEIGHTS = Path(__file__).parent / "weights"
CLASSIFIERS = {  # data set -> the classifier that provides its features
    "digits": "digits",
    "mnist-5k": "mnist",
    "mnist-10k": "mnist",
    "mnist": "mnist",
    "fashion-mnist": "fashion-mnist",
}


class Features(ABC):
    """Base class of fixed feature extractors, medium -> vectors.

    Attributes:
        name: name in a report.
        sha256: hash of the weights.
    """

    name: str
    sha256: str

    @torch.no_grad()
    def __call__(self, medium: Shaped[Tensor, "n ..."]) -> Float[Tensor, "n d"]:
        """Features of each row, computed on the CPU in batches of 256."""
        return torch.cat([self.embed(rows) for rows in medium.cpu().split(256)])

    @abstractmethod
    def embed(self, medium: Shaped[Tensor, "b ..."]) -> Float[Tensor, "b d"]:
        """Features of one batch."""


def features_for(data: Dataset) -> Features:
    """The default feature extractor of a data set, chosen by its medium."""
    return data.representation.medium.features(data)


def picture_features(data: Dataset) -> Features:
    """The classifier of a known data set, or else the random network."""
    if data.name in CLASSIFIERS:
        features = ClassifierFeatures(CLASSIFIERS[data.name])
        # a user's folder may have the name of a known data set
        if data.representation.shape == features.network.shape:
            return features
    return RandomFeatures(data.representation.shape[0])


def text_features(data: Dataset) -> Features:
    """Byte trigrams, whatever the tokenizer."""
    representation: Any = data.representation
    return ByteFeatures(representation)


def column_features(data: Dataset) -> Features:
    """Standardized columns; of any other tensor, its elements as columns."""
    columns = getattr(data.representation.source, "columns", ())
    levels = [len(getattr(column, "levels", ())) for column in columns]
    return ColumnFeatures(data.train.first().medium.flatten(1), levels)


def sound_features(data: Dataset) -> Features:
    """Statistics of log-mel bands, at the sampling rate of the data."""
    representation: Any = data.representation
    return SpectrumFeatures(representation.rate)


class ClassifierFeatures(Features):
    """Last hidden layer of a committed classifier; NAME.json records its training data and test accuracy.

    Arguments:
        name: of the classifier, one of the values of `CLASSIFIERS`.
        folder: contains NAME.safetensors and NAME.json.

    Errors: ConfigError if the weights are missing or differ from the recorded hash.
    """

    def __init__(self, name: str, folder: Path = WEIGHTS) -> None:
        self.name, file = name, folder / f"{name}.safetensors"
        try:
            content, record = file.read_bytes(), json.loads((folder / f"{name}.json").read_text())
        except FileNotFoundError as error:
            available = ", ".join(dict.fromkeys(CLASSIFIERS.values()))
            raise ConfigError(
                f"{error.filename} not found: no classifier {name!r}; choose from {available}"
            ) from None
        self.sha256 = hashlib.sha256(content).hexdigest()
        if self.sha256 != record["sha256"]:
            raise ConfigError(
                f"{file} is not the recorded file: its sha256 is {self.sha256[:12]}...; reinstall morphogen"
            )
        check_format(record, folder / f"{name}.json", "reinstall morphogen")
        self.network: Classifier = from_config(record["config"]).eval()
        copy_tensors(tensors(self.network), load_bytes(content))

    def embed(self, medium: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        return self.network.features(medium)

    @torch.no_grad()
    def classify(self, medium: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k"]:
        """Class probabilities p(class | picture), [N, K]."""
        return torch.cat([self.network(rows).softmax(1) for rows in medium.cpu().split(256)])


class RandomFeatures(Features):
    """A random convolutional network that needs neither training nor a download.

    Three convolutions, the second and third followed by 2 x 2 average pooling, then average pooling to 2 x 2
    and a linear projection.

    Arguments:
        channels: channels of the pictures.
        seed: of the weights.
    """

    name = "random"

    def __init__(self, channels: int, seed: int = 0):
        widths = (channels, 32, 64, 64)
        shapes = [(b, a, 3, 3) for a, b in pairwise(widths)]
        self.convs = [_weights(seed, f"conv{i}", shape) for i, shape in enumerate(shapes)]
        self.project = _weights(seed, "project", (64, 4 * widths[-1]))
        self.sha256 = _digest([*self.convs, self.project])

    def embed(self, medium: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        h = medium
        for i, weight in enumerate(self.convs):
            h = F.leaky_relu(F.conv2d(F.pad(h, (1, 1, 1, 1), mode="replicate"), weight), 0.2)
            h = F.avg_pool2d(h, 2, ceil_mode=True) if i else h
        return F.linear(F.adaptive_avg_pool2d(h, 2).flatten(1), self.project)


class ByteFeatures(Features):
    """Random embedding of byte trigrams: mean over t of relu(a[x_t] + b[x_{t+1}] + c[x_{t+2}]).

    Arguments:
        text: representation that decodes tokens to bytes, so that features do not depend on the tokenizer.
        seed: of the tables.
    """

    name = "random-bytes"

    def __init__(self, text: Text, seed: int = 0):
        self.text = text
        self.tables = _weights(seed, "trigrams", (64, 3, 256)).permute(1, 2, 0) * 16
        self.sha256 = _digest([self.tables])

    def embed(self, medium: Int[Tensor, "b t"]) -> Float[Tensor, "b d"]:
        utf8_bytes = F.pad(self.text.utf8_bytes(medium), (0, 2), value=-1)
        mask = (utf8_bytes[:, 2:] >= 0)[..., None]
        x, (a, b, c) = utf8_bytes.clamp_min(0), self.tables
        trigrams = F.relu(a[x[:, :-2]] + b[x[:, 1:-1]] + c[x[:, 2:]])
        return (trigrams * mask).sum(1) / mask.sum(1).clamp_min(1)


class ColumnFeatures(Features):
    """Columns of a table, such that units and the order of categories do not matter (see `Gower`).

    Arguments:
        train: table [N, D] that the moments are computed from, NaN where a cell is missing; a constant column
            is only centred.
        levels: number of categories of each column, 0: numbers; (): all are numbers.

    Errors: ValueError unless the table is a matrix of finite numbers and missing cells.
    """

    name = "columns"

    def __init__(self, train: Float[Tensor, "n d"], levels: Sequence[int] = ()):
        if train.ndim != 2 or train.isinf().any():
            raise ValueError(
                f"cannot standardize a table of shape {tuple(train.shape)}: "
                "pass finite numbers, [rows, columns]"
            )
        self.vectors = Gower(train, levels)
        kinds = torch.stack([torch.tensor(self.vectors.levels), self.vectors.can_be_missing.long()])
        # summed in fp64 and hashed in fp32, so that the order of summation does not change the hash
        self.sha256 = _digest([self.vectors.mean.float(), self.vectors.std.float(), kinds])

    def embed(self, medium: Shaped[Tensor, "b ..."]) -> Float[Tensor, "b d"]:
        return self.vectors(medium.flatten(1)).float()


class SpectrumFeatures(Features):
    """Statistics over time of 32 log-mel bands: mean, standard deviation and mean absolute change per frame.

    Arguments:
        rate: sampling rate in Hz; frames are 32 ms long with a hop of 16 ms.
    """

    name = "mel"

    def __init__(self, rate: int):
        self.mel = MelSpectrogram(rate, window=rate // 125 * 4, hop=rate // 125 * 2, bands=32)
        self.sha256 = _digest([self.mel.filters])

    def embed(self, medium: Float[Tensor, "b 1 t"]) -> Float[Tensor, "b d"]:
        frames = self.mel(medium)
        return torch.cat([frames.mean(1), frames.std(1, correction=0), frames.diff(dim=1).abs().mean(1)], 1)


def _weights(seed: int, name: str, shape: tuple[int, ...]) -> Tensor:
    """Uniform weights with variance 2 / fan_in (He et al. 2015), one row per output."""
    fan_in = math.prod(shape[1:])
    return (2 * Rng(seed, shape[0], ("features", name)).uniform(*shape[1:]) - 1) * math.sqrt(6 / fan_in)


def _digest(weights: list[Tensor]) -> str:
    content = b"".join(weight.contiguous().numpy().tobytes() for weight in weights)
    return hashlib.sha256(content).hexdigest()
