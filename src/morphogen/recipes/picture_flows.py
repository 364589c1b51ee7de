"""Glow and RealNVP on pictures: bits/dim beside PNG, Frechet distance, temperature, and paths in noise.

Both flows have the same representation, data and training time, and parameters that differ by at most a
tenth. Their likelihood is exact as a density and a lower bound on the mass of the pixels, as their noise is
uniform over each bin (Theis, van den Oord & Bethge 2016). PNG and WebP compress the same pictures.

A flow maps every picture to noise, so that a path between two real pictures is an arc between their noises
(Kingma & Dhariwal 2018, section 5.2).
"""

__all__ = ["SYSTEMS", "path", "picture_flows"]

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.catalogue import build_system
from morphogen.contract import Batch
from morphogen.data import Dataset, load_data
from morphogen.evaluation.codecs import codec_baselines
from morphogen.evaluation.features import features_for
from morphogen.evaluation.frechet import frechet_interval
from morphogen.evaluation.intervals import Interval
from morphogen.evaluation.likelihood import bits_per_dim
from morphogen.evaluation.sheet import sheet
from morphogen.families.flow import FlowSampler
from morphogen.inference.latent_space import slerp
from morphogen.model import Model, evaluating, parameters
from morphogen.numerics.randomness import Rng
from morphogen.recipes.records import environment, evaluation_settings, model_record
from morphogen.recipes.train_system import SIZE
from morphogen.recipes.unconditional import without_labels
from morphogen.training import train

SYSTEMS = "glow", "realnvp"
COOL, COLUMNS = 0.7, 12  # temperature of the samples that are shown, and pictures in a row
PAIRS = ((0, 1), (2, 3))  # of test pictures, between which paths are shown


def picture_flows(
    name: str = "fashion-mnist",
    budget: float = 720.0,
    systems: Sequence[str] = SYSTEMS,
    directory: Path | None = None,
    seed: int = 0,
    n: int = 500,
) -> dict[str, Any]:
    """Bits/dim and Frechet distance of flows of unlabelled pictures; flows.png is written to the directory.

    Arguments:
        name: of the data, pictures.
        budget: seconds of training of each system.
        systems: names of flows.
        directory: its subdirectories keep the trainings, which are resumed; None: runs/fashion-flows.
        seed: of training and sampling.
        n: number of samples, and of test pictures whose likelihood is measured.
    """
    data = without_labels(load_data(name))
    directory = Path("runs") / "fashion-flows" if directory is None else directory
    held_out = data.test.first(n).medium
    frechet = _Frechet(data, seed)
    figures = {row.pop("system"): row for row in codec_baselines(data, n)}
    figures["real data"], models = {"frechet": frechet(held_out)}, {}
    shown = {"real": held_out[: 2 * COLUMNS]}
    for system in systems:
        model, steps = _trained(system, data, budget, directory / system, seed)
        likelihood = bits_per_dim(model, data.test, n, seed=seed)
        figures[system] = {"likelihood": likelihood, "parameters": parameters(model), "steps": steps}
        for t, key in ((1.0, "frechet"), (COOL, f"frechet at temperature {COOL}")):
            samples = model.sample(n, sampler=FlowSampler(t), seed=seed, batch=100).tensor
            figures[system][key] = frechet(samples)
        models[system] = model_record(system, SIZE, data, model)
        shown[f"{system}, {COOL}"] = samples[: 2 * COLUMNS]
        for ends in PAIRS:
            shown[f"{system}, path {ends[0]}-{ends[1]}"] = path(model, held_out[list(ends)], COLUMNS)
    sheet(shown, columns=COLUMNS).quantize(64).save(directory / "flows.png", optimize=True)
    settings = evaluation_settings(data, frechet.features, n, seed) | {"budget": budget}
    return {"figures": figures, "models": models} | settings | environment()


def path(model: Model, ends: Float[Tensor, "2 c h w"], steps: int) -> Float[Tensor, "n c h w"]:
    """Pictures on the arc between the noises of two pictures, which are its ends, of a flow."""
    objective: Any = model.objective
    with evaluating(model), torch.no_grad():
        x, context = model.encode_batch(Batch(ends), Rng(0, 2, ("path",)))
        z, _ = objective.bijection(x.x, context)
        arc = objective.bijection.inverse(slerp(z[0], z[1], steps), None)
        return model.representation.decode(arc)


def _trained(system: str, data: Dataset, budget: float, directory: Path, seed: int) -> tuple[Model, int]:
    """A system after its training, which is resumed, and the steps that it took."""
    torch.manual_seed(seed)  # of the initial weights
    model = build_system(system, data.representation, data.conditions, SIZE)
    assert isinstance(model, Model)
    trained = train(model, data.train, time=budget, seed=seed, directory=directory)
    return model, trained.steps


class _Frechet:
    """The Frechet distance of pictures from the training part of a data set."""

    def __init__(self, data: Dataset, seed: int):
        self.features, self.seed = features_for(data), seed
        self.real = self.features(data.train.first().medium)

    def __call__(self, pictures: Float[Tensor, "n c h w"]) -> Interval:
        return frechet_interval(self.real, self.features(pictures), seed=self.seed)
