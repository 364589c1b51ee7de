"""Train the classifiers that evaluate generated pictures: `python -m morphogen.evaluation.classifiers NAME`.

    name             training data             augmentation                                    saved as
    digits           digits, train part        shifts of 1 pixel                               fp32
    mnist            mnist-5k, train part      shifts of 2 pixels, 10 degrees, 10 % zoom       fp16
    fashion-mnist    fashion-mnist, train      horizontal flips, shifts of 1 pixel             fp16

The checkpoint is selected by validation loss alone. Its test metrics are computed once, from the weights as
saved, and written to `weights/NAME.json`. Training is deterministic for a given seed on one machine;
floating-point rounding may differ on another, which is why the weights are committed (at most 200 kB each).

No paper: the network is a small convolutional classifier in the tradition of LeNet, see
`networks.classifier`.
"""

__all__ = ["RECIPES", "Recipe", "Tilt", "evaluate", "train", "train_and_save"]

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

from morphogen.component import ConfigError, to_config
from morphogen.contract import Batch
from morphogen.data import load_data
from morphogen.data.dataset import Dataset
from morphogen.evaluation.features import WEIGHTS, ClassifierFeatures
from morphogen.model import tensors
from morphogen.networks.classifier import Classifier
from morphogen.numerics.randomness import Rng
from morphogen.plan import Augmentation, Flip, Shift
from morphogen.saved_config import FORMAT

CONFIDENT = 0.9  # class probability above which the classifier counts as confident


class Tilt(Augmentation):
    """Random rotation and scaling about the centre, padding with the background value -1.

    Arguments:
        degrees: largest rotation in either direction.
        scale: largest relative change of size.
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
    """Training settings of a classifier; the optimizer is AdamW with cosine decay to zero.

    Arguments:
        data: name of the data set; its train part is used.
        augment: augmentations, applied in this order.
        widths: channels of each convolution.
        epochs: passes over the train part.
        batch: rows per step.
        lr: peak learning rate.
        saved_dtype: dtype of the weights on disk.
    """

    data: str
    augment: tuple[Augmentation, ...]
    widths: tuple[int, ...]
    epochs: int
    batch: int = 64
    lr: float = 2e-3
    saved_dtype: torch.dtype = torch.float16


RECIPES = {
    "digits": Recipe("digits", (Shift(1),), (24, 40, 48), epochs=40, saved_dtype=torch.float32),
    "mnist": Recipe("mnist-5k", (Tilt(10, 0.1), Shift(2)), (8, 24, 48, 64, 64), epochs=60),
    "fashion-mnist": Recipe(
        "fashion-mnist", (Flip(), Shift(1)), (8, 24, 48, 64, 64), epochs=5, batch=128, lr=3e-3
    ),
}


def train(recipe: Recipe, data: Dataset, seed: int = 0) -> Classifier:
    """Train a classifier and return it with the weights of the epoch with the lowest validation loss."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Classifier(data.representation.shape, len(data.classes), recipe.widths)
        optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.lr, weight_decay=0.01)
        steps = recipe.epochs * (len(data.train) // recipe.batch)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        best_loss, best_weights = math.inf, copy.deepcopy(network.state_dict())
        for epoch in range(recipe.epochs):
            rng = Rng(seed, len(data.train), ("classifier", epoch))
            order = rng.fork("order").uniform().argsort(stable=True)
            for rows in order[: len(order) // recipe.batch * recipe.batch].split(recipe.batch):
                batch = data.train[rows]
                augmented = _augmented(batch.medium, recipe.augment, rng[rows])
                optimizer.zero_grad()
                F.cross_entropy(network.train()(augmented), _labels(batch)).backward()
                optimizer.step()
                schedule.step()
            loss = evaluate(network, data.valid.first())["nats"]
            if loss < best_loss:
                best_loss, best_weights = loss, copy.deepcopy(network.state_dict())
    network.load_state_dict(best_weights)
    return network.eval()


def evaluate(network: nn.Module, batch: Batch) -> dict[str, float]:
    """Accuracy, cross-entropy and confidence of a classifier.

    Returns "accuracy"; "nats", the cross-entropy; "confident", the fraction of rows whose largest class
    probability is at least 0.9; and "accuracy_where_confident", the accuracy on those rows.
    """
    with torch.no_grad():
        logits = torch.cat([network.eval()(rows) for rows in batch.medium.split(1024)])
    labels, p = _labels(batch), logits.softmax(1)
    correct, confident = p.argmax(1) == labels, p.amax(1) >= CONFIDENT
    return {
        "accuracy": correct.double().mean().item(),
        "nats": F.cross_entropy(logits, labels).item(),
        "confident": confident.double().mean().item(),
        "accuracy_where_confident": correct[confident].double().mean().item(),
    }


def train_and_save(
    name: str, folder: Path = WEIGHTS, seed: int = 0, recipe: Recipe | None = None
) -> dict[str, Any]:
    """Train a classifier, save NAME.safetensors and NAME.json in `folder`, and evaluate the saved weights.

    Returns the content of NAME.json.

    Errors: ConfigError for a name without a recipe.
    """
    recipe = recipe if recipe is not None else RECIPES.get(name)
    if recipe is None:
        raise ConfigError(f"no recipe for a classifier named {name!r}; choose from {', '.join(RECIPES)}")
    data = load_data(recipe.data)
    network = train(recipe, data, seed)
    weights = {key: tensor.contiguous().to(recipe.saved_dtype) for key, tensor in tensors(network).items()}
    save_file(weights, folder / f"{name}.safetensors")
    record = {
        "format": FORMAT,
        "config": to_config(network),
        "made_by": f"python -m morphogen.evaluation.classifiers {name} (seed {seed})",
        "sha256": hashlib.sha256((folder / f"{name}.safetensors").read_bytes()).hexdigest(),
        "data": data.name,
        "split": data.split,
    }
    for part in ("valid", "test"):
        (folder / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n")  # for ClassifierFeatures
        record[part] = evaluate(ClassifierFeatures(name, folder).network, getattr(data, part).first())
    (folder / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n")
    return record


def _augmented(medium: Tensor, augment: tuple[Augmentation, ...], rng: Rng) -> Tensor:
    """Apply the augmentations in turn; the class name of each keys its random stream."""
    for augmentation in augment:
        medium = augmentation(medium, rng.fork(type(augmentation).__name__.lower()))
    return medium


def _labels(batch: Batch) -> Tensor:
    return batch.condition["label"]


if __name__ == "__main__":
    for name in sys.argv[1:] or RECIPES:
        print(name, json.dumps(train_and_save(name), indent=2))
