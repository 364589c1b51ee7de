"""The classifier that judges generated digits: `python -m morphogen.evaluation.digits_classifier` makes its weights again.

It learns on the digits' train part, is chosen by its valid loss, and its test figures stand in `weights/digits.json`. From
one seed the result is the same on one machine; another machine's arithmetic may round otherwise, hence the committed file.
"""

__all__ = ["evaluate", "train", "write"]

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from morphogen.component import describe
from morphogen.contract import Batch
from morphogen.data import load
from morphogen.data.dataset import Dataset
from morphogen.evaluation.features import WEIGHTS
from morphogen.model import tensors
from morphogen.networks.classifier import Classifier
from morphogen.numerics.randomness import Rng
from morphogen.plan import Shift


def train(data: Dataset, seed: int = 0, epochs: int = 40, batch: int = 64, lr: float = 2e-3) -> Classifier:
    """AdamW with a cosine to zero, pictures moved by up to a pixel; the epoch with the lowest valid loss."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Classifier(data.representation.shape, len(data.classes))  # type: ignore[arg-type]
        optimizer = torch.optim.AdamW(network.parameters(), lr=lr, weight_decay=0.01)
        steps = epochs * (len(data.train) // batch)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        best, chosen = float("inf"), copy.deepcopy(network.state_dict())
        for epoch in range(epochs):
            rng = Rng(seed, len(data.train), ("classifier", epoch))
            order = rng.fork("order").uniform().argsort(stable=True)
            for rows in order[: len(order) // batch * batch].split(batch):
                given = data.train[rows]
                moved = Shift(1)(given.medium, rng.fork("shift")[rows])
                optimizer.zero_grad()
                F.cross_entropy(network.train()(moved), _labels(given)).backward()
                optimizer.step()
                schedule.step()
            loss = evaluate(network, data.valid.first())["nats"]
            if loss < best:
                best, chosen = loss, copy.deepcopy(network.state_dict())
    network.load_state_dict(chosen)
    return network.eval()


def evaluate(network: Classifier, batch: Batch) -> dict[str, float]:
    """Accuracy, cross-entropy in nats, and the share of pictures of which the classifier is at least 0.9 sure, with its accuracy there."""
    with torch.no_grad():
        logits = network.eval()(batch.medium)
    labels, p = _labels(batch), logits.softmax(1)
    right, sure = p.argmax(1) == labels, p.amax(1) >= 0.9
    return {
        "accuracy": right.double().mean().item(), "nats": F.cross_entropy(logits, labels).item(),
        "sure": sure.double().mean().item(), "accuracy_where_sure": right[sure].double().mean().item(),
    }  # fmt: skip


def write(folder: Path = WEIGHTS, seed: int = 0) -> dict[str, Any]:
    """Train, and write digits.safetensors and digits.json into `folder`."""
    data = load("digits")
    network = train(data, seed)
    save_file({name: tensor.contiguous() for name, tensor in tensors(network).items()}, folder / "digits.safetensors")
    record = {
        "config": describe(network), "made_by": f"python -m morphogen.evaluation.digits_classifier (seed {seed})",
        "sha256": hashlib.sha256((folder / "digits.safetensors").read_bytes()).hexdigest(), "split": data.split,
        "valid": evaluate(network, data.valid.first()), "test": evaluate(network, data.test.first()),
    }  # fmt: skip
    (folder / "digits.json").write_text(json.dumps(record, indent=2) + "\n")
    return record


def _labels(batch: Batch) -> torch.Tensor:
    assert batch.condition is not None
    return batch.condition


if __name__ == "__main__":
    write()
