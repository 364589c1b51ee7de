r"""Film of games on a ring of eight Gaussians: the samples of each generator, several times in a training.

    >>> from morphogen.recipes.gan_film import gan_film
    >>> gan_film("docs/gan-games.gif")  # doctest: +SKIP

The generators are shown with the weights that play, without averaging. Oscillation and lost modes are visible
in them; Mescheder, Geiger & Nowozin 2018 show such figures of the games in one dimension.
"""

__all__ = ["gan_film"]

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from PIL import Image, ImageDraw
from torch import Tensor

from morphogen.closed_form import ring
from morphogen.evaluation.film import save_film
from morphogen.model import Model
from morphogen.numerics.randomness import Rng
from morphogen.plan import Plan
from morphogen.recipes.gan_rings import GAMES, ROWS, ClosedFormRows, points_gan
from morphogen.training.loop import train
from morphogen.training.progress import Progress

SIDE, REACH, COLUMNS = 132, 1.6, 4  # pixels of a panel, the largest coordinate in it, panels of a row
SHOWN = 400  # samples of a panel
TITLE, DATA, SAMPLE = 14, "#e08040", "#2060b0"  # pixels of a title; colours


class _Snapshots(Progress):
    """Samples of the model that is being trained, of the same latents each time.

    Arguments:
        model: in training.
        every: steps between two of them.
    """

    def __init__(self, model: Model, every: int):
        super().__init__()
        self.model, self.every, self.steps = model, every, 0
        self.taken: list[Float[Tensor, "n 2"]] = []

    def update(self, *_: object, **__: object) -> None:
        """Count a step, and draw samples if they are due."""
        self.steps += 1
        if self.steps % self.every:
            return
        was_training = self.model.training
        self.taken.append(self.model.sample(SHOWN, seed=0, batch=SHOWN).tensor.cpu())
        self.model.train(was_training)


def gan_film(
    path: str | Path, games: Sequence[str] = tuple(GAMES), turns: int = 1200, frames: int = 24, seed: int = 0
) -> Path:
    """Train the games and save the film; the last panel shows as many points of the data.

    Arguments:
        path: of the GIF.
        games: names of `GAMES`.
        turns: training steps of each game.
        frames: of the film, evenly spaced in the training.
        seed: of data, initial weights and training.
    """
    data = ring().sample(Rng(seed, ROWS, ("data",)))
    films = {game: _played(game, data, turns, frames, seed) for game in games}
    return save_film(
        [
            _frame({game: film[i] for game, film in films.items()} | {"data": data[:SHOWN]}, data)
            for i in range(frames)
        ],
        path,
        {"games": list(games), "turns": turns, "seed": seed},
    )


def _played(
    game: str, data: Float[Tensor, "n 2"], turns: int, frames: int, seed: int
) -> list[Float[Tensor, "m 2"]]:
    torch.manual_seed(seed)  # of the initial weights
    model = points_gan(game)
    model.plan = Plan(**model.plan.arguments | {"ema": 0.0, "schedule": None})
    every = turns // frames
    snapshots = _Snapshots(model, every)
    train(model, ClosedFormRows(data), steps=every * frames, seed=seed, progress=snapshots)
    return snapshots.taken


def _frame(panels: dict[str, Float[Tensor, "m 2"]], data: Float[Tensor, "n 2"]) -> Image.Image:
    """One frame: a panel per game, with its samples over the data."""
    rows = -(-len(panels) // COLUMNS)
    canvas = Image.new("RGB", (COLUMNS * SIDE, rows * (SIDE + TITLE)), "#ffffff")
    draw = ImageDraw.Draw(canvas)
    for i, (title, samples) in enumerate(panels.items()):
        left, top = i % COLUMNS * SIDE, i // COLUMNS * (SIDE + TITLE)
        draw.text((left + 4, top + 2), title.replace("_", " "), fill="#000000")
        for points, colour in ((data[:SHOWN], DATA), *(((samples, SAMPLE),) if title != "data" else ())):
            inside = points[(points.abs() < REACH).all(1)]
            pixels = (inside / REACH * torch.tensor([1.0, -1.0]) + 1) * (SIDE / 2)
            for x, y in pixels.tolist():
                draw.rectangle((left + x, top + TITLE + y, left + x + 1, top + TITLE + y + 1), fill=colour)
    return canvas
