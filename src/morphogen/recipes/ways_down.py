"""One trained diffusion and the many ways down from noise: what each costs in quality, what guidance buys, what the model knows.

Every way draws the same n labels from the same noise, so that the figures differ by the sampler alone. Beside them stand held-out
pictures, a mixture of Gaussians, and the chain as it was trained, one call for every step.
"""

__all__ = ["REFERENCE", "SYSTEM", "ways_down"]

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from morphogen.catalogue import compose
from morphogen.conditioning.guidance import Guided
from morphogen.contract import Sampler
from morphogen.data import Dataset, load
from morphogen.evaluation.features import Features, features_for
from morphogen.evaluation.frechet import frechet_interval
from morphogen.evaluation.likelihood import bits_per_dim
from morphogen.evaluation.sheet import sheet
from morphogen.evaluation.steering import read_as_asked, steering
from morphogen.families.diffusion import DDIM, DDPM, DPMSolver, Heun, ProbabilityFlow
from morphogen.model import Model
from morphogen.recipes.records import circumstances, specimen, spent, terms
from morphogen.recipes.trained import SIZE, trained
from morphogen.representations.pixels import Dequantised
from morphogen.run import Run
from morphogen.training.loop import train

SYSTEM = "v_diffusion"
SCALES, GUIDED_CALLS = (1.0, 2.0, 3.0, 5.0), 20
SHEET = (5, 10, 20, 50), (1.0, 2.0, 4.0)  # calls and guidance of the picture
REFERENCE = 10_000  # training examples that samples are held against
MEASURED, FLOW = 256, 60  # held-out pictures whose log p is found; intervals of the flow
MIXTURE = 120.0  # seconds


def ways_down(
    name: str = "fashion-mnist", budget: float = 1200.0, directory: Path | None = None, seed: int = 0, n: int = 500
) -> dict[str, Any]:
    """Frechet distances by sampler and calls, steering by scale, bits/dim by the bound and by the flow; a picture is left in the run.

    Arguments:
        name: of the data, pictures with classes.
        budget: seconds of training.
        directory: a run that `morphogen train v_diffusion` has left; None: train, into runs/.
        seed: of training and sampling.
        n: samples of each way.
    """
    data = load(name)
    run = trained(SYSTEM, data, budget, seed) if directory is None else Run.open(directory)
    model, features, asked = run.model(), features_for(data), torch.arange(n) % len(data.classes)
    real, held = features(data.train.first(REFERENCE).medium), data.test.first(n)
    assert held.condition is not None
    figures: dict[str, Any] = {
        "real data": {
            "frechet": frechet_interval(real, features(held.medium), seed=seed),
            "read_as_asked": read_as_asked(held.medium, held.condition, features),
        },
        "mixture": {"frechet": frechet_interval(real, features(_mixture(data, asked, seed)), seed=seed)},
    }
    found = {label: frechet_interval(real, features(_drawn(model, asked, way, seed)), seed=seed) for label, way in _ways(model)}
    steered = {f"scale {scale:g}": _steered(model, scale, asked, data, features, seed) for scale in SCALES}
    figures[SYSTEM] = {"frechet": found, "guidance": steered, "likelihood": _likelihood(model, data, seed)}
    _sheet(model, data, seed).quantize(64).save(run.directory / "calls-guidance.png", optimize=True)
    return (
        {"figures": figures, "models": {SYSTEM: specimen(SYSTEM, SIZE, data, model)}}
        | terms(data, features, n, seed)
        | spent(run, budget)
        | circumstances()
    )


def _ways(model: Any) -> Iterator[tuple[str, Sampler]]:
    """Every way by its name, the whole chain last."""
    for calls in (5, 10, 20, 50):
        yield f"DDIM, {calls} calls", DDIM(calls)
        yield f"DPM-Solver++, {calls} calls", DPMSolver(calls)
    for calls in (10, 20):
        yield f"Heun, {calls} calls", Heun(calls)
    yield f"DDPM, {model.objective.schedule.last} calls", DDPM()


def _drawn(model: Model, asked: Tensor, way: Sampler, seed: int) -> Tensor:
    return model.sample(len(asked), asked, way, seed=seed, batch=250).tensor


def _steered(model: Model, scale: float, asked: Tensor, data: Dataset, features: Features, seed: int) -> dict[str, Any]:
    """Read as asked, and variance within a class, at one scale."""
    return dict(steering(_drawn(model, asked, Guided(DPMSolver(GUIDED_CALLS), scale), seed), asked, data, features))


def _likelihood(model: Any, data: Dataset, seed: int) -> dict[str, Any]:
    """Bits of held-out pictures, by the chain's bound and along the flow."""
    along = model.objective.with_network(model.objective.network)
    along.measured_by = ProbabilityFlow(FLOW)
    flow = Model(along, Dequantised(data.representation), model.conditioner)  # type: ignore[arg-type]
    return {kind: bits_per_dim(of, data.test, MEASURED, seed=seed) for kind, of in (("bound", model), ("flow", flow))}


def _mixture(data: Dataset, asked: Tensor, seed: int) -> Tensor:
    """Samples of the model to beat."""
    torch.manual_seed(seed)
    model = compose("mixture", data.representation, len(data.classes), SIZE)
    train(model, data.train, time=MIXTURE, seed=seed)
    return model.sample(len(asked), asked, seed=seed, batch=250).tensor


def _sheet(model: Model, data: Dataset, seed: int) -> Any:
    """One picture of each class, the same noise in every row: more calls from row to row, more guidance from block to block."""
    (calls, scales), classes, held = SHEET, len(data.classes), data.test.first(REFERENCE)
    assert held.condition is not None
    rows = {"real": torch.stack([held.medium[held.condition == label][0] for label in range(classes)])}
    ways = {f"guidance {scale:g}, {steps} calls": Guided(DPMSolver(steps), scale) for scale in scales for steps in calls}
    rows |= {label: _drawn(model, torch.arange(classes), way, seed) for label, way in ways.items()}
    return sheet(rows, columns=classes)
