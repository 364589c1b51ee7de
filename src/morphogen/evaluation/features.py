"""Features: where data are compared. Distances in them mean what the features mean, so they carry a name and a hash.

    digits          the last hidden layer of a committed classifier (`CLASSIFIERS` says of which data), 64-d; made by classifiers.py
    mnist           the same
    fashion-mnist   the same
    random          a fixed random convolutional network, 64-d: as Naeem et al. (2020) advise where no classifier knows the data
    random-bytes    a fixed random map of byte trigrams, 64-d, averaged over the text
    mel             the mel spectrogram of a sound, 32 bands by their mean, their spread and their change over time
    columns         the columns of a table, each by the mean and the standard deviation of the train part

Random weights are uniform and keyed: exact multiples of 2^-32 before rounding, hence the same bits on every machine.
"""

__all__ = [
    "CLASSIFIERS", "WEIGHTS", "ByteFeatures", "ClassifierFeatures", "ColumnFeatures", "Features", "RandomFeatures", "SpectrumFeatures",
    "features_for",
]  # fmt: skip

import hashlib
import json
import math
from abc import ABC, abstractmethod
from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Float, Int, Shaped
from safetensors.torch import load as load_bytes
from torch import Tensor
from torch.nn import functional as F

from morphogen.component import ConfigError, build
from morphogen.conditioning.mel import MelSpectrogram
from morphogen.data.dataset import Dataset
from morphogen.model import copy_tensors, tensors
from morphogen.networks.classifier import Classifier
from morphogen.numerics.randomness import Rng
from morphogen.representations.audio import MuLaw
from morphogen.representations.text import Text

WEIGHTS = Path(__file__).parent / "weights"
CLASSIFIERS = {  # name of a data set -> the classifier in whose features it is measured
    "digits": "digits", "mnist-5k": "mnist", "mnist-10k": "mnist", "mnist": "mnist", "fashion-mnist": "fashion-mnist",
}  # fmt: skip


class Features(ABC):
    """medium -> vectors, fixed for good.

    Attributes:
        name: what a report calls them.
        sha256: of their weights.
    """

    name: str
    sha256: str

    @torch.no_grad()
    def __call__(self, medium: Shaped[Tensor, "n ..."]) -> Float[Tensor, "n d"]:
        """Features of each row, on the CPU, 256 rows at a time."""
        return torch.cat([self.embed(rows) for rows in medium.cpu().split(256)])

    @abstractmethod
    def embed(self, medium: Shaped[Tensor, "b ..."]) -> Float[Tensor, "b d"]:
        """Features of one batch."""


def features_for(data: Dataset) -> Features:
    """The features a data set is measured in."""
    if isinstance(data.representation, Text):
        return ByteFeatures(data.representation)
    if data.medium == "table":
        return ColumnFeatures(data.train.first().medium)
    if isinstance(data.representation, MuLaw):
        return SpectrumFeatures(data.representation.rate)
    if data.name in CLASSIFIERS:
        known = ClassifierFeatures(CLASSIFIERS[data.name])
        if data.representation.shape == known.network.shape:  # a person's own folder may bear the name of a known data set
            return known
    return RandomFeatures(data.representation.shape[0])


class ClassifierFeatures(Features):
    """A committed classifier's; who made it, on what, and how well it reads the test part stands in weights/NAME.json.

    Arguments:
        name: of the classifier, one of `CLASSIFIERS`' values.
        folder: where NAME.safetensors and NAME.json lie.

    Errors: ConfigError if the weights are not those of the record, or are not there.
    """

    def __init__(self, name: str, folder: Path = WEIGHTS) -> None:
        self.name, file = name, folder / f"{name}.safetensors"
        try:
            content, record = file.read_bytes(), json.loads((folder / f"{name}.json").read_text())
        except FileNotFoundError as error:
            known = ", ".join(dict.fromkeys(CLASSIFIERS.values()))
            raise ConfigError(f"{error.filename}: no classifier {name!r} lies there; name one of {known}") from None
        self.sha256 = hashlib.sha256(content).hexdigest()
        if self.sha256 != record["sha256"]:
            raise ConfigError(f"{file} is not the recorded file ({self.sha256[:12]}); install morphogen again")
        self.network: Classifier = build(record["config"]).eval()
        copy_tensors(tensors(self.network), load_bytes(content))

    def embed(self, medium: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        return self.network.features(medium)

    @torch.no_grad()
    def classify(self, medium: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k"]:
        """p(class | picture)."""
        return torch.cat([self.network(rows).softmax(1) for rows in medium.cpu().split(256)])


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

    def embed(self, medium: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        h = medium
        for i, weight in enumerate(self.convs):
            h = F.leaky_relu(F.conv2d(F.pad(h, (1, 1, 1, 1), mode="replicate"), weight), 0.2)
            h = F.avg_pool2d(h, 2, ceil_mode=True) if i else h
        return F.linear(F.adaptive_avg_pool2d(h, 2).flatten(1), self.project)


class ByteFeatures(Features):
    """mean over t of relu(a[x_t] + b[x_{t+1}] + c[x_{t+2}]) with random a, b, c: which trigrams of bytes a text is made of.

    Arguments:
        text: what spells the bytes, so that tokens are compared as bytes are.
        seed: of the tables.
    """

    name = "random-bytes"

    def __init__(self, text: Text, seed: int = 0):
        self.text = text
        self.tables = _weights(seed, "trigrams", (64, 3, 256)).permute(1, 2, 0) * 16
        self.sha256 = _digest([self.tables])

    def embed(self, medium: Int[Tensor, "b t"]) -> Float[Tensor, "b d"]:
        octets = F.pad(self.text.octets(medium), (0, 2), value=-1)
        there = (octets[:, 2:] >= 0)[..., None]
        x, (a, b, c) = octets.clamp_min(0), self.tables
        return (F.relu(a[x[:, :-2]] + b[x[:, 1:-1]] + c[x[:, 2:]]) * there).sum(1) / there.sum(1).clamp_min(1)


class ColumnFeatures(Features):
    """(x - mean) / sd, a column each: so that no unit outweighs another.

    Arguments:
        train: the table that gives the moments [N, D]; a column that does not vary there keeps its unit.

    Errors: ValueError where the table is no matrix of finite numbers.
    """

    name = "columns"

    def __init__(self, train: Float[Tensor, "n d"]):
        if train.ndim != 2 or not train.isfinite().all():
            raise ValueError(f"a table of shape {tuple(train.shape)} has no moments; give finite numbers, [rows, columns]")
        table = train.double()
        varies = table.amax(0) > table.amin(0)
        # summed in fp64, kept in fp32: another machine's order of summation leaves the same bits, and the same hash
        self.mean, self.deviation = table.mean(0).float(), table.std(0, correction=0).where(varies, torch.ones(())).float()
        self.sha256 = _digest([self.mean, self.deviation])

    def embed(self, medium: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        return ((medium - self.mean) / self.deviation).float()


class SpectrumFeatures(Features):
    """What a sound is like on the whole: of each of 32 log-mel bands the mean, the deviation and the mean change from frame to frame.

    Arguments:
        rate: samples a second; frames are of 32 ms, every 16.
    """

    name = "mel"

    def __init__(self, rate: int):
        self.mel = MelSpectrogram(rate, window=rate // 125 * 4, hop=rate // 125 * 2, bands=32)
        self.sha256 = _digest([self.mel.filters])

    def embed(self, medium: Float[Tensor, "b 1 t"]) -> Float[Tensor, "b d"]:
        frames = self.mel(medium)
        return torch.cat([frames.mean(1), frames.std(1, correction=0), frames.diff(dim=1).abs().mean(1)], 1)


def _weights(seed: int, name: str, shape: tuple[int, ...]) -> Tensor:
    """Uniform with variance 2 / fan_in (He et al. 2015), a row for each output."""
    fan_in = math.prod(shape[1:])
    return (2 * Rng(seed, shape[0], ("features", name)).uniform(*shape[1:]) - 1) * math.sqrt(6 / fan_in)


def _digest(weights: list[Tensor]) -> str:
    content = b"".join(weight.contiguous().numpy().tobytes() for weight in weights)
    return hashlib.sha256(content).hexdigest()
