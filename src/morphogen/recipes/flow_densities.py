r"""Flows on densities of the plane: how far the log-likelihood of fresh points is from the true one.

    nats above the entropy = E[log p(x)] - E[log q(x)] = KL(p || q),   x ~ p

The mean is over a test set of fresh points, on which the noise of the data cancels; its interval is that of
one trained model. Every choice of the architectures and plans was made on other points, the validation set.
`density_sheet` draws the densities; such figures are in Masked autoregressive flow (Papamakarios, Pavlakou &
Murray 2017), Neural spline flows (Durkan, Bekasov, Murray & Papamakarios 2019) and FFJORD (Grathwohl et al.
2019).
"""

__all__ = ["DATA", "FLOWS", "Fitted", "density_sheet", "flow_densities", "flow_of_points", "nats_above"]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image, ImageDraw
from torch import Tensor

from morphogen.closed_form import Checkerboard, ClosedForm, grid, ring, spirals, two_moons
from morphogen.evaluation.intervals import mean
from morphogen.families.flow import (
    Bijection,
    Flow,
    MaskedAutoregressiveFlow,
    RationalQuadraticSpline,
    SingleScale,
)
from morphogen.model import Model, load, parameters
from morphogen.numerics.randomness import Rng
from morphogen.plan import Adam, Cosine, Plan
from morphogen.recipes.gan_rings import ClosedFormRows
from morphogen.recipes.records import environment, function_record
from morphogen.representations.points import Points
from morphogen.systems.ffjord import free_form
from morphogen.training.loop import train

DATA: Mapping[str, Callable[[], ClosedForm]] = {
    "ring": ring, "grid": grid, "moons": two_moons, "checkerboard": Checkerboard, "spirals": spirals,
}  # fmt: skip
ROWS, HELD_OUT = 200_000, 10_000  # training rows, and rows of the validation set and of the test set
SIDE, TITLE, BANDS, NATS = 150, 16, 7, 1.0  # pixels of a panel and its title; contours, and nats between them
INK = "#c05020"  # of the data


@dataclass(frozen=True)
class Fitted:
    """An architecture of the plane, how it is trained, and on which data.

    Arguments:
        bijection: makes it.
        steps: of the training.
        lr, batch: of the training.
        data: names of `DATA`.
    """

    bijection: Callable[[], Bijection]
    steps: int
    lr: float
    batch: int = 512
    data: tuple[str, ...] = tuple(DATA)


FLOWS: Mapping[str, Fitted] = {
    "neural_spline_flow": Fitted(
        lambda: SingleScale(2, 64, 2, 4, transform=RationalQuadraticSpline(16, 3.0)), 4000, 2e-3
    ),
    "maf": Fitted(lambda: MaskedAutoregressiveFlow(2, 64, 2, 10), 5000, 2e-3),
    "realnvp": Fitted(lambda: SingleScale(2, 64, 1, 12), 4000, 2e-3),
    "ffjord": Fitted(lambda: free_form(2), 2000, 3e-3, 256, ("moons",)),
}


def flow_of_points(flow: str) -> Model:
    """The model of points in the plane of a name in `FLOWS`."""
    fitted = FLOWS[flow]
    plan = Plan(Adam(fitted.lr), batch=fitted.batch, schedule=Cosine(warmup=50), ema=0.999, clip=5.0)
    return Model(Flow(fitted.bijection()), Points(2), plan=plan)


def flow_densities(
    flows: Sequence[str] = tuple(FLOWS),
    data: Sequence[str] = tuple(DATA),
    steps: int | None = None,
    seed: int = 0,
    directory: Path | None = None,
) -> dict[str, Any]:
    """Nats above the entropy of each flow on each density.

    Arguments:
        flows, data: names of `FLOWS` and `DATA`.
        steps: of each training; None: those of `FLOWS`.
        seed: of data, initial weights and training.
        directory: its subdirectories keep the trainings, which are resumed; None: nothing is saved.
    """
    figures: dict[str, Any] = {}
    records: dict[str, Any] = {}
    for name in data:
        truth = DATA[name]()
        rows = ClosedFormRows(truth.sample(Rng(seed, ROWS, ("data",))))
        for flow in (flow for flow in flows if name in FLOWS[flow].data):
            torch.manual_seed(seed)  # of the initial weights
            model = flow_of_points(flow)
            folder = None if directory is None else directory / f"{flow}-{name}"
            trained = train(model, rows, steps=steps or FLOWS[flow].steps, seed=seed, directory=folder)
            cost = {"steps": trained.steps, "seconds": round(trained.seconds)}
            figures[f"{flow}_{name}"] = _measured(truth, model, seed) | cost
            records[f"{flow}_{name}"] = function_record(flow_of_points, flow=flow)
    entropies = {name: DATA[name]().entropy()._asdict() for name in data}
    rows_of = f"{ROWS} rows, {HELD_OUT} fresh ones"
    settings = {"data": "densities of the plane", "split": rows_of, "seed": seed}
    return {"figures": figures, "models": records} | settings | {"entropy": entropies} | environment()


def nats_above(truth: ClosedForm, model: Model, seed: int, part: str) -> Float[Tensor, " n"]:
    """log p(x) - log q(x) of fresh points of the truth; `part` is "validation" or "test"."""
    x = truth.sample(Rng(seed, HELD_OUT, (part,)))
    return truth.log_prob(x) - model.log_prob(x, batch=HELD_OUT).nats.double().cpu()


def density_sheet(
    path: str | Path, directory: Path, flows: Sequence[str] = tuple(FLOWS), data: Sequence[str] = tuple(DATA)
) -> Path:
    """Draw samples of each density beside the contours of the flows that `flow_densities` saved.

    A contour is a nat below the next; the highest band is within a nat of the highest true density.

    Arguments:
        path: of the picture.
        directory: where `flow_densities` saved the trainings.
        flows, data: the columns and the rows of the sheet.
    """
    canvas = Image.new("RGB", (SIDE * (1 + len(flows)), (SIDE + TITLE) * len(data)), "#ffffff")
    draw = ImageDraw.Draw(canvas)
    for i, name in enumerate(data):
        truth, top = DATA[name](), i * (SIDE + TITLE)
        x = truth.sample(Rng(0, 1500, ("shown",)))
        reach, highest = 1.15 * x.abs().max().item(), truth.log_prob(x).max().item()
        draw.text((4, top + 2), name, fill="#000000")
        for across, down in ((x / reach * torch.tensor([1.0, -1.0]) + 1) * (SIDE / 2)).tolist():
            draw.point((across, top + TITLE + down), fill=INK)
        for j, flow in enumerate(flows):
            left = (j + 1) * SIDE
            draw.text((left + 4, top + 2), flow.replace("_", " "), fill="#000000")
            folder = directory / f"{flow}-{name}" / "model"
            if folder.exists():
                canvas.paste(_contours(load(folder), reach, highest), (left, top + TITLE))
    canvas.save(path)
    return Path(path)


def _measured(truth: ClosedForm, model: Model, seed: int) -> dict[str, Any]:
    """The nats above the entropy, on both parts, and the number of parameters."""
    return {
        "nats_above": mean(nats_above(truth, model, seed, "test")),
        "validation": nats_above(truth, model, seed, "validation").mean().item(),
        "parameters": parameters(model),
    }


def _contours(model: Model, reach: float, highest: float) -> Image.Image:
    """Bands of log q on [-reach, reach]^2, from white to blue."""
    axis = torch.linspace(-reach, reach, SIDE)
    points = torch.cartesian_prod(-axis, axis).flip(1)
    nats = model.log_prob(points, batch=len(points)).nats.reshape(SIDE, SIDE)
    band = (BANDS + (nats - highest) / NATS).floor().clamp(0, BANDS)[..., None] / BANDS
    colours = 255 - band * (255 - torch.tensor([20.0, 70.0, 150.0]))
    return Image.fromarray(colours.byte().numpy())
