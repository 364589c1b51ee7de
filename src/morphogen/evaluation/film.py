"""Noise that becomes pictures, call by call: above, what the sampler holds; below, what it takes the picture for.

    above   x_t / sqrt(alpha_t^2 + sigma_t^2)       for every process of about the size of data
    below   x_0 as the network guesses it of x_t

No paper: a picture to look at, not a measure; Ho, Jain & Abbeel 2020 show such rows in figure 6.
"""

__all__ = ["film", "save_film"]

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Real, Shaped
from PIL import Image
from torch import Tensor

from morphogen.contract import Context, Sampler, Unsupported
from morphogen.files import write_bytes
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like

FRAMES = 40  # calls that are shown, at most
SIDE, GAP, PAPER = 60, 2, "#ffffff"  # about how large a picture is shown, pixels between pictures
PACE, REST = 100, 2500  # milliseconds of a frame, and of the last
FULL = 200_000  # bytes of a film
THINNED = ((64, 1), (16, 1), (8, 1), (8, 2), (8, 3), (8, 4), (4, 4), (4, 8))  # shades, and every which frame: until it is no more


def film(
    model: Any, n: int, sampler: Sampler | None = None, seed: int = 0, condition: Shaped[Tensor, "..."] | int | None = None,
    frames: int = FRAMES, **options: Any,
) -> list[Image.Image]:  # fmt: skip
    """The frames of the very samples that `Model.sample` draws, one a column; the last shows them finished.

    Arguments:
        model: of diffusion, over pictures.
        n, sampler, seed, condition: as of `Model.sample`.
        frames: how many of the sampler's calls to show at most, evenly.
        options: of `Model.sample`: indices, negative, precision.

    Errors: Unsupported for a model that takes no noise away, or draws no pictures.
    """
    if not hasattr(model.objective, "denoise"):
        raise Unsupported(f"{type(model.objective).__name__} takes no noise away: there is no film of it; sample without one")
    calls = _Calls(frames)
    watched = _watched(sampler if sampler is not None else model.objective.sampler(), calls)
    samples = model.sample(n, condition, watched, seed, batch=n, **options)
    finished = samples.decode()
    if not isinstance(finished[0], Image.Image):
        raise Unsupported(f"{type(model.representation).__name__} is of no pictures: there is no film of it; sample without one")
    with torch.no_grad():
        shown = [[_pictures(model.representation, x.to(model.device)) for x in call] for call in calls.evenly()]
    return [_frame(rows) for rows in [*shown, [finished, finished]]]


def save_film(frames: Sequence[Image.Image], path: str | Path, record: Mapping[str, Any] | None = None) -> Path:
    """A GIF that goes round, the last frame at rest and in full shades, the others in as many as stay below `FULL`: noise packs badly.

    Arguments:
        frames: of one size.
        path: of the file.
        record: what made it, as JSON in the file's comment.
    """
    path, comment = Path(path), json.dumps(dict(record or {}), default=str).encode()
    for shades, stride in THINNED:
        kept = [*_reduced(frames[:-1:stride], shades), *_reduced(frames[-1:], THINNED[0][0])]
        pace = [PACE * stride] * (len(kept) - 1) + [REST]
        made = io.BytesIO()
        kept[0].save(made, "GIF", save_all=True, append_images=kept[1:], duration=pace, loop=0, comment=comment)
        if len(made.getbuffer()) < FULL:
            break
    write_bytes(path, made.getvalue())
    return path


class _Calls:
    """Of the calls of an objective every one, or every 2nd, 4th, ...: never more than twice as many as are wanted."""

    def __init__(self, wanted: int):
        self.wanted, self.count, self.stride = wanted, 0, 1
        self.kept: list[tuple[Tensor, Tensor]] = []

    def add(self, *seen: Tensor) -> None:
        if self.count % self.stride == 0:
            self.kept.append((seen[0].cpu(), seen[1].cpu()))
        self.count += 1
        if len(self.kept) == 2 * self.wanted:
            self.kept, self.stride = self.kept[::2], 2 * self.stride

    def evenly(self) -> list[tuple[Tensor, Tensor]]:
        """Those that are wanted, the first and the last that were kept among them."""
        last, most = len(self.kept) - 1, self.wanted - 1
        return self.kept if last <= most else [self.kept[round(i * last / most)] for i in range(self.wanted)]


class _Watching(Sampler):
    """A sampler whose objective is watched."""

    def __init__(self, sampler: Any, calls: _Calls):
        self.sampler, self.calls = sampler, calls

    def __call__(self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng) -> Shaped[Tensor, "b ..."]:
        return self.sampler(_Watched(objective, self.calls), shape, context, rng)


class _Watched:
    """An objective whose calls are kept."""

    def __init__(self, objective: Any, calls: _Calls):
        self.objective, self.seen = objective, calls

    def __getattr__(self, name: str) -> Any:
        return getattr(self.objective, name)

    def denoise(self, x_t: Float[Tensor, "b ..."], t: Real[Tensor, " b"], context: Context | None) -> Any:
        found = self.objective.denoise(x_t, t, context)
        alpha, sigma = (expand_like(level(t), x_t) for level in (self.schedule.alpha, self.schedule.sigma))
        self.seen.add(x_t / (alpha.square() + sigma.square()).sqrt(), found.x_0)
        return found


def _watched(sampler: Any, calls: _Calls) -> Sampler:
    """The sampler inside all guidance is the one that calls, and what it is told is what guidance made of it."""
    if isinstance(getattr(sampler, "sampler", None), Sampler):
        return type(sampler)(**sampler.arguments | {"sampler": _watched(sampler.sampler, calls)})
    return _Watching(sampler, calls)


def _pictures(representation: Any, x: Tensor) -> list[Image.Image]:
    return representation.present(representation.decode(x))


def _frame(rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Rows below each other, each pixel a whole number of the frame's."""
    zoom = max(1, round(SIDE / max(rows[0][0].size)))
    wide, high = (side * zoom + GAP for side in rows[0][0].size)
    page = Image.new("RGB", (len(rows[0]) * wide - GAP, len(rows) * high - GAP), PAPER)
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            tile = picture.convert("RGB").resize((wide - GAP, high - GAP), Image.Resampling.NEAREST)
            page.paste(tile, (x * wide, y * high))
    return page


def _reduced(frames: Sequence[Image.Image], shades: int) -> list[Image.Image]:
    """All frames in the same few shades, so that nothing flickers."""
    width, height = frames[0].size
    strip = Image.new("RGB", (width, height * len(frames)))
    for i, frame in enumerate(frames):
        strip.paste(frame, (0, i * height))
    palette = strip.quantize(shades)
    return [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
