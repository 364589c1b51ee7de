"""The classifiers that judge generated pictures, and how each was made: `python -m morphogen.evaluation.classifiers NAME`.

    name             learns on                 moved by                                        kept as
    digits           digits, train part        a pixel each way                                fp32
    mnist            mnist-5k, train part      2 pixels, 10 degrees, a tenth in size           fp16
    fashion-mnist    fashion-mnist, train      mirrored, a pixel each way                      fp16

Each is chosen by its valid loss alone; its test figures stand in `weights/NAME.json`, read once, of the weights as they lie on
disk. From one seed the result is the same on one machine; another machine's arithmetic may round otherwise, hence the committed
files, of at most 200 kB each. No paper: the network is LeNet's descendant (`networks.classifier`), the measures cite whose they are.
"""

__all__ = ["RECIPES", "Recipe", "Tilt", "evaluate", "train", "write"]

import copy
import hashlib
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import ConfigError, describe
from morphogen.contract import Batch
from morphogen.data import load
from morphogen.data.dataset import Dataset
from morphogen.evaluation.features import WEIGHTS, ClassifierFeatures
from morphogen.model import tensors
from morphogen.networks.classifier import Classifier
from morphogen.numerics.randomness import Rng
from morphogen.plan import Augmentation, Flip, Shift


class Tilt(Augmentation):
    """Turn pictures and change their size, about the middle; the ground (-1) moves in.

    Arguments:
        degrees: the largest angle, either way.
        scale: the largest change in size, a share of it.
    """

    def __init__(self, degrees: float, scale: float):
        self.degrees, self.scale = degrees, scale

    def __call__(self, medium: Float[Tensor, "b c h w"], rng: Rng) -> Float[Tensor, "b c h w"]:
        angle, size = (2 * rng.uniform(2) - 1).unbind(1)
        angle, zoom = angle * math.radians(self.degrees), 1 / (1 + self.scale * size)
        cos, sin, zero = zoom * angle.cos(), zoom * angle.sin(), torch.zeros_like(angle)
        affine = torch.stack([cos, -sin, zero, sin, cos, zero], 1).reshape(-1, 2, 3)
        grid = F.affine_grid(affine, list(medium.shape), align_corners=False)
        return F.grid_sample(medium + 1, grid, align_corners=False) - 1


@dataclass(frozen=True)
class Recipe:
    """How a classifier is made: AdamW, a cosine to zero.

    Arguments:
        data: name of the data set whose train part it learns.
        augment: changes of the pictures, one after the other.
        widths: channels of each convolution.
        epochs, batch, lr: passes over the train part, rows of a step, largest learning rate.
        kept: type of the numbers on disk.
    """

    data: str
    augment: tuple[Augmentation, ...]
    widths: tuple[int, ...]
    epochs: int
    batch: int = 64
    lr: float = 2e-3
    kept: torch.dtype = torch.float16


RECIPES = {
    "digits": Recipe("digits", (Shift(1),), (24, 40, 48), epochs=40, kept=torch.float32),
    "mnist": Recipe("mnist-5k", (Tilt(10, 0.1), Shift(2)), (8, 24, 48, 64, 64), epochs=60),
    "fashion-mnist": Recipe("fashion-mnist", (Flip(), Shift(1)), (8, 24, 48, 64, 64), epochs=5, batch=128, lr=3e-3),
}


def train(recipe: Recipe, data: Dataset, seed: int = 0) -> Classifier:
    """The network of the epoch with the lowest valid loss."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Classifier(data.representation.shape, len(data.classes), recipe.widths)  # type: ignore[arg-type]
        optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.lr, weight_decay=0.01)
        steps = recipe.epochs * (len(data.train) // recipe.batch)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        best, chosen = math.inf, copy.deepcopy(network.state_dict())
        for epoch in range(recipe.epochs):
            rng = Rng(seed, len(data.train), ("classifier", epoch))
            order = rng.fork("order").uniform().argsort(stable=True)
            for rows in order[: len(order) // recipe.batch * recipe.batch].split(recipe.batch):
                given = data.train[rows]
                moved = _moved(given.medium, recipe.augment, rng[rows])
                optimizer.zero_grad()
                F.cross_entropy(network.train()(moved), _labels(given)).backward()
                optimizer.step()
                schedule.step()
            loss = evaluate(network, data.valid.first())["nats"]
            if loss < best:
                best, chosen = loss, copy.deepcopy(network.state_dict())
    network.load_state_dict(chosen)
    return network.eval()


def evaluate(network: nn.Module, batch: Batch) -> dict[str, float]:
    """Accuracy, cross-entropy in nats, and the share of pictures of which the classifier is at least 0.9 sure, with its accuracy there."""
    with torch.no_grad():
        logits = torch.cat([network.eval()(rows) for rows in batch.medium.split(1024)])
    labels, p = _labels(batch), logits.softmax(1)
    right, sure = p.argmax(1) == labels, p.amax(1) >= 0.9
    return {
        "accuracy": right.double().mean().item(), "nats": F.cross_entropy(logits, labels).item(),
        "sure": sure.double().mean().item(), "accuracy_where_sure": right[sure].double().mean().item(),
    }  # fmt: skip


def write(name: str, folder: Path = WEIGHTS, seed: int = 0, recipe: Recipe | None = None) -> dict[str, Any]:
    """Train, write NAME.safetensors and NAME.json into `folder`, and evaluate what was written.

    Errors: ConfigError for a name without a recipe.
    """
    recipe = recipe if recipe is not None else RECIPES.get(name)
    if recipe is None:
        raise ConfigError(f"classifier {name!r}: there is no recipe of that name; give one of {', '.join(RECIPES)}")
    data = load(recipe.data)
    network = train(recipe, data, seed)
    content = {key: tensor.contiguous().to(recipe.kept) for key, tensor in tensors(network).items()}
    save_file(content, folder / f"{name}.safetensors")
    record = {
        "config": describe(network), "made_by": f"python -m morphogen.evaluation.classifiers {name} (seed {seed})",
        "sha256": hashlib.sha256((folder / f"{name}.safetensors").read_bytes()).hexdigest(), "data": data.name, "split": data.split,
    }  # fmt: skip
    for part in ("valid", "test"):
        (folder / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n")  # what ClassifierFeatures reads
        record[part] = evaluate(ClassifierFeatures(name, folder).network, getattr(data, part).first())
    (folder / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n")
    return record


def _moved(medium: Tensor, augment: tuple[Augmentation, ...], rng: Rng) -> Tensor:
    for change in augment:
        medium = change(medium, rng.fork(type(change).__name__.lower()))
    return medium


def _labels(batch: Batch) -> Tensor:
    assert batch.condition is not None
    return batch.condition


if __name__ == "__main__":
    for made in sys.argv[1:] or RECIPES:
        print(made, json.dumps(write(made), indent=2))
