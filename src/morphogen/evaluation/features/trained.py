r"""Features of a small network that is trained on the pictures themselves, where no packaged one is at hand.

    trained-on-classes      predicts the class of a picture,               if the data have classes
    trained-on-rotations    predicts by which quarter turns it is rotated, if not (Gidaris et al. 2018)

Both learn to refuse noise as well: a further class holds training pictures with their pixels shuffled, and
uniform noise, half and half. Without it a network is free to map noise between pictures (Nguyen et al. 2015).

A fixed number of steps takes a quarter of a minute on an idle core, and a minute on a busy one. Training is
deterministic by the seed on one machine; the weights are cached under the hash of the data and of these
settings.

References: Unsupervised representation learning by predicting image rotations, Gidaris, Singh & Komodakis,
2018; Deep neural networks are easily fooled, Nguyen, Yosinski & Clune, 2015.
"""

__all__ = ["TrainedFeatures", "enough_to_train", "resized", "trained_features"]

import hashlib

import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.data.cache import cache_directory
from morphogen.data.dataset import Dataset
from morphogen.evaluation.corruptions import picture_corruptions
from morphogen.evaluation.features.space import Features, digest
from morphogen.files import write_tensors
from morphogen.model import copy_tensors, tensors
from morphogen.networks.classifier import Classifier
from morphogen.numerics.randomness import Rng

LEAST = 300  # training pictures
SIDE = 32  # larger pictures, and those that are not square, are resized to this
STEPS, BATCH, LR = 300, 32, 2e-3
WIDTHS = (16, 32, 48, 64)
TURNS = 4
VERSION = 1  # of these settings; changes the hash under which weights are cached


def enough_to_train(data: Dataset) -> bool:
    """Whether there are enough pictures to train on."""
    return len(data.train) >= LEAST


def trained_features(data: Dataset, seed: int = 0) -> "TrainedFeatures":
    """Features of a network trained on the train part, or of the cached one."""
    shape, task = (
        _shape(tuple(data.representation.shape)),
        "classes" if len(data.classes) > 1 else "rotations",
    )
    network = Classifier(shape, 1 + (len(data.classes) if task == "classes" else TURNS), WIDTHS)
    key = hashlib.sha256(f"{data.sha256} {task} {STEPS} {seed} {VERSION}".encode()).hexdigest()[:32]
    file = cache_directory() / "features" / f"{key}.safetensors"
    try:
        copy_tensors(tensors(network), load_file(file))
    except (OSError, SafetensorError, ConfigError):  # not there, or damaged
        _train(network, data, task == "classes", seed)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_tensors(file, tensors(network))
    return TrainedFeatures(f"trained-on-{task}", network.eval())


class TrainedFeatures(Features):
    """Last hidden layer of a network that was trained on the pictures.

    Arguments:
        name: says what the network was trained to predict.
        network: the classifier.
    """

    def __init__(self, name: str, network: Classifier):
        self.name, self.network = name, network
        self.sha256 = digest(list(tensors(network).values()))
        self.resize = f"to {SIDE} x {SIDE}, bicubic, antialiased, unless square and smaller"

    def embed(self, medium: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        return self.network.features(resized(medium))


def resized(medium: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c i j"]:
    """Pictures as the network receives them."""
    size = _shape(tuple(medium.shape[1:]))[1:]
    if medium.shape[2:] == size:
        return medium
    return F.interpolate(medium, size, mode="bicubic", antialias=True, align_corners=False).clamp(-1, 1)


def _shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Channels, height and width of the resized pictures."""
    channels, height, width = shape
    return (channels, height, width) if height == width <= SIDE else (channels, SIDE, SIDE)


def _train(network: Classifier, data: Dataset, on_classes: bool, seed: int) -> None:
    """Train in place with AdamW and cosine decay."""
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        network.apply(lambda part: getattr(part, "reset_parameters", lambda: None)())
        optimizer = torch.optim.AdamW(network.parameters(), lr=LR, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
        for step in range(STEPS):
            rng = Rng(seed, BATCH, ("trained features", step))
            batch = data.train[rng.fork("rows").integers(len(data.train))]
            medium, label = resized(batch.medium), batch.condition.get("label") if on_classes else None
            inputs, target = _task(medium, label, rng, network.classes - 1)
            optimizer.zero_grad()
            F.cross_entropy(network.train()(inputs), target).backward()
            optimizer.step()
            schedule.step()


def _task(
    medium: Float[Tensor, "b c h w"], label: Int[Tensor, " b"] | None, rng: Rng, noise_class: int
) -> tuple[Float[Tensor, "n c h w"], Int[Tensor, " n"]]:
    """Pictures with their class, or rotated with the number of quarter turns, and as many noisy ones."""
    if label is None:
        label = rng.fork("turns").integers(TURNS)
        medium = torch.stack([x.rot90(int(k), (1, 2)) for x, k in zip(medium, label, strict=True)])
    noise, shuffled = picture_corruptions(medium, None, rng).values()
    refused = torch.cat([shuffled[::4], noise[1::4]])
    return torch.cat([medium, refused]), torch.cat([label, label.new_full((len(refused),), noise_class)])
