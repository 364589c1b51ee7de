r"""Games on a ring of 8 Gaussians and a grid of 25: how many modes a generator covers, and how well.

    within   fraction of samples whose nearest mean is at most 4 sigma away     (1 - exp(-8) of the data)
    modes    means with at least a tenth of their 1/K of the samples within 4 sigma

GANs lose modes of such data (Metz, Poole, Pfau & Sohl-Dickstein 2017; Srivastava et al. 2017). Generator and
critic are equal perceptrons for all games, and so are the plan and the number of turns. The intervals are
those of the mean over trainings that differ in their data, initial weights and noise.
"""

__all__ = ["GAMES", "ClosedFormRows", "Played", "gan_rings", "modes_and_within", "points_gan"]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from morphogen.closed_form import GaussianMixture, grid, ring
from morphogen.contract import Batch
from morphogen.data.dataset import Examples
from morphogen.evaluation.intervals import fraction, mean
from morphogen.families.gan import (
    R1,
    Adversarial,
    Game,
    GradientPenalty,
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    Penalty,
    Wasserstein,
)
from morphogen.model import Model, parameters
from morphogen.networks.lipschitz import ClippedWeights, SpectrallyNormalized
from morphogen.networks.perceptron import Perceptron
from morphogen.numerics.randomness import Rng
from morphogen.plan import Adam, Cosine, Plan
from morphogen.recipes.records import environment, function_record
from morphogen.representations.points import Points
from morphogen.training.loop import train

LATENT, WIDTHS = 2, (128, 128, 128)
ROWS, SAMPLES = 20_000, 10_000
SIGMAS, PART = 4, 0.1  # radius of a mode, and the part of its 1/K of the samples that covers it


@dataclass(frozen=True)
class Played:
    """A game, a penalty of the critic, and a constraint of the critic, which wraps it."""

    game: Game
    penalty: Penalty | None = None
    constraint: Callable[[nn.Module], nn.Module] | None = None


GAMES: Mapping[str, Played] = {
    "minimax": Played(Minimax()),
    "non_saturating": Played(NonSaturating()),
    "least_squares": Played(LeastSquares()),
    "wgan_clipping": Played(Wasserstein(), constraint=partial(ClippedWeights, bound=0.1)),
    "wgan_gp": Played(Wasserstein(), GradientPenalty(0.1)),
    "hinge_spectral_norm": Played(Hinge(), constraint=SpectrallyNormalized),
    "non_saturating_r1": Played(NonSaturating(), R1(0.01)),
}
MEASURED = "wgan_gp", "non_saturating_r1", "minimax"
DATA: Mapping[str, Callable[[], GaussianMixture]] = {"ring": ring, "grid": grid}
TURNS: Mapping[str, int] = {"ring": 1500, "grid": 3000}


class ClosedFormRows(Examples):
    """Samples of a distribution as training rows.

    Arguments:
        medium: the samples [N, ...].
    """

    def __init__(self, medium: Shaped[Tensor, "n ..."]):
        self.medium = medium

    def __len__(self) -> int:
        return len(self.medium)

    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        return Batch(self.medium[indices])


def points_gan(game: str) -> Model:
    """The model of points in the plane that plays a game of `GAMES`."""
    played = GAMES[game]
    critic: nn.Module = Perceptron((2,), (), WIDTHS, activation="relu")
    objective = Adversarial(
        Perceptron((LATENT,), (2,), WIDTHS, activation="relu"),
        critic if played.constraint is None else played.constraint(critic),
        LATENT,
        played.game,
        played.penalty,
    )
    plan = Plan(Adam(4e-3, betas=(0.0, 0.9)), batch=256, schedule=Cosine(), ema=0.99)
    return Model(objective, Points(2), plan=plan)


def gan_rings(
    games: Sequence[str] = MEASURED,
    turns: Mapping[str, int] = TURNS,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    directory: Path | None = None,
) -> dict[str, Any]:
    """Modes that each game covers on both data sets, and the samples near them, after equal turns.

    Arguments:
        games: names of `GAMES`.
        turns: training steps on each data set, half of them the generator's.
        seeds: of the trainings; the samples are of seed 1000.
        directory: its subdirectories keep the trainings, which are resumed; None: nothing is saved.
    """
    figures: dict[str, Any] = {}
    records = {}
    for data, distribution in DATA.items():
        for game in games:
            name, runs = f"{game}_{data}", []
            for seed in seeds:
                folder = None if directory is None else directory / f"{name}-{seed}"
                torch.manual_seed(seed)  # of the initial weights
                model, truth = points_gan(game), distribution()
                rows = ClosedFormRows(truth.sample(Rng(seed, ROWS, ("data",))))
                train(model, rows, steps=turns[data], seed=seed, directory=folder)
                runs.append(modes_and_within(truth, model.sample(SAMPLES, seed=1000, batch=SAMPLES).tensor))
            modes, within = (torch.tensor(one, dtype=torch.float64) for one in zip(*runs, strict=True))
            of_seeds = {"modes": modes.int().tolist(), "within": within.tolist()}
            figures[name] = {"modes": mean(modes), "within": fraction(within), "of_seeds": of_seeds}
            figures[name] |= {"least_modes": int(modes.min()), "least_within": within.min().item()}
            figures[name]["parameters"] = parameters(model)
            records[name] = function_record(points_gan, game=game)
    settings = {"data": "ring of 8 and grid of 25 Gaussians", "split": f"{ROWS} rows", "seed": list(seeds)}
    return {"figures": figures, "models": records} | settings | {"turns": dict(turns)} | environment()


def modes_and_within(truth: GaussianMixture, x: Float[Tensor, "n d"]) -> tuple[int, float]:
    """The number of covered means of an isotropic mixture, and the fraction of samples within 4 sigma."""
    distance, nearest = torch.cdist(x.double(), truth.means).min(1)
    near = distance <= SIGMAS * truth.covariances[0, 0, 0].sqrt()
    counts = torch.bincount(nearest[near], minlength=len(truth.means))
    covered = counts >= PART * len(x) / len(truth.means)
    return int(covered.sum()), near.double().mean().item()
