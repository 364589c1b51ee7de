"""`python -m benchmarks.vae_bounds DIRECTORY`: pythae's VAE and IWAE beside ours, in nats per test image.

DIRECTORY has the models of the recipe `mnist-10k-vaes` (`morphogen reproduce mnist-10k-vaes --from
DIRECTORY`). The peers have the same networks, first weights, training images and number of epochs, and
are validated by the same bound. Their weights then return into our model, whose bound of 5000 draws measures
both sides; a gain is the mean over the same test images. Stored in results/vaes-DATE-MACHINE.json.
"""

__all__ = ["main"]

import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from benchmarks.peers import pythae_iwae
from benchmarks.record import record_path, write
from morphogen.catalogue import build_system
from morphogen.contract import Encoded
from morphogen.data import Dataset, load_data
from morphogen.evaluation.intervals import mean
from morphogen.numerics.randomness import Rng
from morphogen.recipes.binary_digits import binarise
from morphogen.recipes.binary_vaes import MODELS, NATS, VALIDATE, BinaryVAE, bound, held_out_nats
from morphogen.recipes.reproduce import recipe

SEED = 0


def main(directory: str) -> None:
    """Train and measure every peer, and store the figures after each."""
    epochs = recipe("mnist-10k-vaes").measure.args[1]  # type: ignore[attr-defined]
    data = binarise(load_data("mnist-10k"))
    figures: dict[str, Any] = {}
    path = record_path(kind="vaes-")
    for title, spec in MODELS.items():
        if spec.system == "iwae":
            figures[title] = compare(data, spec, epochs, Path(directory) / title / NATS)
            print(title, figures[title], flush=True)
            write(path, data=data.name, split=data.split, epochs=epochs, figures=figures)


def compare(data: Dataset, spec: BinaryVAE, epochs: int, ours: Path) -> dict[str, Any]:
    """The nats of a peer of one of our models, trained in its networks, and our gain over it, given ours."""
    torch.manual_seed(SEED)  # of the initial weights, as in the recipe
    model = build_system(spec.system, data.representation, changes=spec.changes)
    images, held_out, vae = data.train.first().medium, data.valid.first().medium, model.objective
    start = images[: model.plan.batch]
    vae.prepare(Encoded(start, *torch.ones(2, len(start))), None, Rng(SEED, len(start)))
    optimizer, samples = model.plan.optimizer, getattr(vae.bound, "samples", 1)
    settings = {
        "per_device_train_batch_size": model.plan.batch,
        "learning_rate": optimizer.lr,
        "optimizer_params": {"betas": optimizer.betas, "eps": optimizer.eps},
        "seed": SEED,
    }

    def validate() -> float:
        return -model.log_prob(held_out).nats.mean().item()

    best = pythae_iwae.train(vae.encoder, vae.network, images, samples, epochs, settings, validate, VALIDATE)
    validation = {"epoch": best, "nats": validate(), "draws": vae.bound_samples}
    nats, of_ours = held_out_nats(model, data, spec.draws, SEED), load_file(ours)["nats"]
    both = {"pythae": bound(nats, spec.draws), "ours": bound(of_ours, spec.draws)}
    return both | {"gain": mean(nats - of_ours), "best_validation": validation}


if __name__ == "__main__":
    main(*sys.argv[1:])
