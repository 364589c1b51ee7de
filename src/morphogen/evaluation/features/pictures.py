"""Features of pictures, in the order in which they are chosen.

    digits, mnist,        last hidden layer of a committed classifier, 64-d; see `CLASSIFIERS` and
    fashion-mnist         `evaluation.classifiers`
    efficientnet-lite0    pooled features of a classifier of ImageNet, 1280-d, where its weights are in the
                          cache (`data.pretrained`)
    trained-...           a small network trained on the data's own classes or on rotations (`trained.py`)
    random                a random convolutional network, 64-d, for fewer pictures than that needs; only for
                          the Frechet distance (Naeem et al. 2020): it counts white noise as realistic

References: EfficientNet, Tan & Le, 2019; On aliased resizing and surprising subtleties in GAN evaluation,
Parmar, Zhang & Zhu, 2022; Reliable fidelity and diversity metrics for generative models, Naeem et al., 2020.
"""

__all__ = [
    "CLASSIFIERS",
    "WEIGHTS",
    "ClassifierFeatures",
    "EfficientNetFeatures",
    "RandomFeatures",
    "picture_features",
]

import hashlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors.torch import load as load_bytes
from torch import Tensor
from torch.nn import functional as F

from morphogen.component import ConfigError, from_config
from morphogen.data.cache import cached
from morphogen.data.dataset import Dataset
from morphogen.data.pretrained import PRETRAINED, weights
from morphogen.evaluation.features.space import Features, digest, random_weights
from morphogen.evaluation.features.trained import enough_to_train, trained_features
from morphogen.model import copy_tensors, tensors
from morphogen.networks.classifier import Classifier
from morphogen.networks.efficientnet_lite import EfficientNetLite0
from morphogen.saved_config import check_format

WEIGHTS = Path(__file__).parents[1] / "weights"
CLASSIFIERS = {  # data set -> the classifier that provides its features
    "digits": "digits",
    "mnist-5k": "mnist",
    "mnist-10k": "mnist",
    "mnist": "mnist",
    "fashion-mnist": "fashion-mnist",
}


def picture_features(data: Dataset) -> Features:
    """The classifier of a known data set, or else the first of the other features that is available."""
    if data.name in CLASSIFIERS:
        features = ClassifierFeatures(CLASSIFIERS[data.name])
        # a user's folder may have the name of a known data set
        if data.representation.shape == features.network.shape:
            return features
    if cached(EfficientNetFeatures.name, PRETRAINED[EfficientNetFeatures.name].files):
        return EfficientNetFeatures()
    if enough_to_train(data):
        return trained_features(data)
    return RandomFeatures(data.representation.shape[0])


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
    def classify(self, medium: Any) -> Float[Tensor, "b k"]:
        """Class probabilities p(class | picture), [N, K], of what the features take."""
        return torch.cat([self.network(rows).softmax(1) for rows in self.check(medium).cpu().split(256)])


class EfficientNetFeatures(Features):
    """Pooled features of EfficientNet-Lite0, trained on ImageNet; grey pictures have three equal channels.

    Errors: DataError if the weights are not in the cache.
    """

    name = "efficientnet-lite0"
    side = 224
    resize = f"to {side} x {side}, bicubic, antialiased"
    affordable = 2000  # a minute or two on one core
    batch = 32  # rows at a time, since a resized picture takes 600 kB

    def __init__(self) -> None:
        content = weights(self.name)["model.safetensors"]
        self.sha256 = hashlib.sha256(content).hexdigest()
        network = EfficientNetLite0()
        copy_tensors(tensors(network), load_bytes(content))
        self.network = network.eval()

    def embed(self, medium: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        return torch.cat([self.network.features(self._input(rows)) for rows in medium.split(self.batch)])

    def _input(self, medium: Tensor) -> Tensor:
        """Pictures in [-1, 1] as the network was trained: (byte - 127) / 128."""
        size = (self.side, self.side)
        resized = F.interpolate(medium, size, mode="bicubic", antialias=True, align_corners=False)
        scaled = (127.5 * resized.clamp(-1, 1) + 0.5) / 128
        # a third faster in this layout
        return scaled.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


class RandomFeatures(Features):
    """A random convolutional network that needs neither training nor a download.

    Three convolutions, the second and third followed by 2 x 2 average pooling, then average pooling to 2 x 2
    and a linear projection.

    Arguments:
        channels: channels of the pictures.
        seed: of the weights.
    """

    name = "random"
    fidelity = False

    def __init__(self, channels: int, seed: int = 0):
        widths = (channels, 32, 64, 64)
        shapes = [(b, a, 3, 3) for a, b in pairwise(widths)]
        self.convs = [random_weights(seed, f"conv{i}", shape) for i, shape in enumerate(shapes)]
        self.project = random_weights(seed, "project", (64, 4 * widths[-1]))
        self.sha256 = digest([*self.convs, self.project])

    def embed(self, medium: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        h = medium
        for i, weight in enumerate(self.convs):
            h = F.leaky_relu(F.conv2d(F.pad(h, (1, 1, 1, 1), mode="replicate"), weight), 0.2)
            h = F.avg_pool2d(h, 2, ceil_mode=True) if i else h
        return F.linear(F.adaptive_avg_pool2d(h, 2).flatten(1), self.project)
