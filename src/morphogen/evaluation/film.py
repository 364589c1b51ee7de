"""Animation of diffusion sampling, one frame per network call. Top row: x_t; bottom row: predicted x_0.

    top       x_t / sqrt(alpha_t^2 + sigma_t^2), which has roughly the scale of the data for every process
    bottom    the network's prediction of x_0 from x_t

No paper: this is a visualization, not a metric; Ho, Jain & Abbeel 2020 show such rows in figure 6.
"""

__all__ = ["film", "save_film"]

import io
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Shaped
from PIL import Image
from torch import Tensor

from morphogen.contract import Context, Sampler, Unsupported
from morphogen.files import write_bytes
from morphogen.media import is_text
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like
from morphogen.numerics.trees import Tree

FRAMES = 40  # largest number of network calls shown
TILE, GAP, BACKGROUND = 60, 2, "#ffffff"  # approximate size of a picture and gap between pictures, in pixels
FRAME_MS, LAST_FRAME_MS = 100, 2500  # duration of a frame and of the last one, in milliseconds
MAX_FILM_BYTES = 200_000  # largest size of a file, in bytes
REDUCTIONS = (
    (64, 1),
    (16, 1),
    (8, 1),
    (8, 2),
    (8, 3),
    (8, 4),
    (4, 4),
    (4, 8),
)  # (colours, keep every k-th frame)


def film(
    model: Any,
    n: int,
    sampler: Sampler | None = None,
    seed: int = 0,
    condition: Tree | int | None = None,
    frames: int = FRAMES,
    **options: Any,
) -> list[Image.Image]:
    """The frames of an animation of `Model.sample` with the same arguments; the last frame shows the samples.

    Each sample is a column.

    Arguments:
        model: diffusion model of pictures.
        n, sampler, seed, condition: see `Model.sample`.
        frames: largest number of network calls to show, evenly spaced.
        options: further arguments of `Model.sample`: indices, negative, precision.

    Errors: Unsupported if the model is not a diffusion model or does not generate pictures.
    """
    if not hasattr(model.objective, "schedule"):
        raise Unsupported(
            f"a film requires a diffusion model, not {type(model.objective).__name__}; sample without a film"
        )
    recorder = _CallRecorder(frames)
    recorded = _recorded(sampler if sampler is not None else model.objective.default_sampler(), recorder)
    samples = model.sample(n, condition, recorded, seed, batch=n, **options)
    finished = samples.to_displayable()
    if is_text(finished):
        raise Unsupported(
            f"a film requires a model of pictures, not {type(model.representation).__name__}; "
            "sample without a film"
        )
    with torch.no_grad():
        shown = [
            [_pictures(model.representation, x.to(model.device)) for x in call]
            for call in recorder.evenly_spaced()
        ]
    return [_frame(rows) for rows in [*shown, [finished, finished]]]


def save_film(
    frames: Sequence[Image.Image], path: str | Path, record: Mapping[str, Any] | None = None
) -> Path:
    """Save an animation as a looping GIF that pauses on its last frame.

    Colours and frames are reduced until the file is smaller than `MAX_FILM_BYTES` bytes, since noise
    compresses badly; the last frame always keeps all 64 colours.

    Arguments:
        frames: of equal size.
        path: of the file.
        record: metadata, written as JSON to the comment of the file.
    """
    path, comment = Path(path), json.dumps(dict(record or {}), default=str).encode()
    for colours, stride in REDUCTIONS:
        kept = [*_quantized(frames[:-1:stride], colours), *_quantized(frames[-1:], REDUCTIONS[0][0])]
        durations = [FRAME_MS * stride] * (len(kept) - 1) + [LAST_FRAME_MS]
        file = io.BytesIO()
        kept[0].save(
            file, "GIF", save_all=True, append_images=kept[1:], duration=durations, loop=0, comment=comment
        )
        if len(file.getbuffer()) < MAX_FILM_BYTES:
            break
    write_bytes(path, file.getvalue())
    return path


class _CallRecorder:
    """Records every call of a prediction, or every 2nd, 4th, ...: at most twice as many as are wanted."""

    def __init__(self, wanted: int):
        self.wanted, self.count, self.stride = wanted, 0, 1
        self.kept: list[tuple[Tensor, Tensor]] = []

    def add(self, x_t: Tensor, x_0: Tensor) -> None:
        """Record a call, or skip it."""
        if self.count % self.stride == 0:
            self.kept.append((x_t.cpu(), x_0.cpu()))
        self.count += 1
        if len(self.kept) == 2 * self.wanted:
            self.kept, self.stride = self.kept[::2], 2 * self.stride

    def evenly_spaced(self) -> list[tuple[Tensor, Tensor]]:
        """At most `wanted` of the recorded calls, including the first and the last."""
        last, most = len(self.kept) - 1, self.wanted - 1
        return self.kept if last <= most else [self.kept[round(i * last / most)] for i in range(self.wanted)]


class _RecordingSampler(Sampler):
    """A sampler whose calls of the prediction are recorded."""

    def __init__(self, sampler: Any, recorder: _CallRecorder):
        self.sampler, self.recorder = sampler, recorder

    def __call__(
        self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng
    ) -> Shaped[Tensor, "b ..."]:
        recorded = objective.steered(lambda predict: partial(self._predict, objective.schedule, predict))
        return self.sampler(recorded, shape, context, rng)

    def _predict(self, process: Any, predict: Any, x_t: Tensor, t: Tensor, context: Context | None) -> Any:
        prediction = predict(x_t, t, context)
        alpha, sigma = expand_like(process.alpha(t), x_t), expand_like(process.sigma(t), x_t)
        self.recorder.add(x_t / (alpha.square() + sigma.square()).sqrt(), prediction.x_0)
        return prediction


def _recorded(sampler: Any, recorder: _CallRecorder) -> Sampler:
    """Wrap the innermost sampler, so that the recorded predictions include the guidance around it."""
    if isinstance(getattr(sampler, "sampler", None), Sampler):
        return type(sampler)(**sampler.arguments | {"sampler": _recorded(sampler.sampler, recorder)})
    return _RecordingSampler(sampler, recorder)


def _pictures(representation: Any, x: Tensor) -> list[Image.Image]:
    return [
        representation.medium.preview(sample) for sample in representation.present(representation.decode(x))
    ]


def _frame(rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Tile rows of pictures, each enlarged by an integer factor."""
    zoom = max(1, round(TILE / max(rows[0][0].size)))
    width, height = (side * zoom + GAP for side in rows[0][0].size)
    canvas = Image.new("RGB", (len(rows[0]) * width - GAP, len(rows) * height - GAP), BACKGROUND)
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            tile = picture.convert("RGB").resize((width - GAP, height - GAP), Image.Resampling.NEAREST)
            canvas.paste(tile, (x * width, y * height))
    return canvas


def _quantized(frames: Sequence[Image.Image], colours: int) -> list[Image.Image]:
    """Quantize all frames to one palette, so that the animation does not flicker."""
    width, height = frames[0].size
    strip = Image.new("RGB", (width, height * len(frames)))
    for i, frame in enumerate(frames):
        strip.paste(frame, (0, i * height))
    palette = strip.quantize(colours)
    return [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
