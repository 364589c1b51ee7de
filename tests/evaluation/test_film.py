"""Films show the sampled pictures from the initial noise to the final sample, in files of limited size."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from morphogen.conditioning.guidance import Guided
from morphogen.conditioning.specs import Classes
from morphogen.contract import Unsupported
from morphogen.evaluation.film import GAP, LAST_FRAME_MS, MAX_FILM_BYTES, film, save_film
from morphogen.families.diffusion import DDIM, DDPM, Heun
from morphogen.model import Model
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels
from morphogen.systems.ddpm import ddpm
from morphogen.systems.edm import edm
from morphogen.systems.vae import vae

PIXELS = Pixels(17, (1, 8, 8))
ZOOM = 8  # of pictures of 8 pixels


def perturbed_model(system: Any = ddpm, pixels: Pixels = PIXELS) -> Model:
    torch.manual_seed(0)
    model = system(pixels, Classes(10), "tiny")
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.05 * torch.randn_like(p))
    return model


def tiles(frame: Image.Image, row: int) -> np.ndarray:
    """The pictures of a row of a frame as [N, 8, 8]; checks that each pixel is a uniform square."""
    step, grey = 8 * ZOOM + GAP, np.asarray(frame.convert("L"))
    enlarged = [
        grey[row * step : row * step + 8 * ZOOM, left : left + 8 * ZOOM]
        for left in range(0, grey.shape[1], step)
    ]
    squares = np.stack(enlarged).reshape(-1, 8, ZOOM, 8, ZOOM)
    assert (squares == squares[:, :, :1, :, :1]).all()
    return squares[:, :, 0, :, 0]


def pictures(medium: torch.Tensor) -> np.ndarray:
    return np.stack([np.asarray(picture) for picture in PIXELS.present(medium)])


@pytest.mark.parametrize("sampler", [DDIM(6), Guided(DDIM(6), 3.0), DDPM()], ids=["DDIM", "Guided", "DDPM"])
def test_the_first_frame_is_the_initial_noise_and_the_last_the_samples(sampler: Any) -> None:
    model, indices = perturbed_model(), torch.tensor([4, 0, 9])
    frames = film(model, 3, sampler, seed=5, condition=7, indices=indices)
    samples = model.sample(3, 7, sampler, 5, indices)
    assert len(frames) == (
        41 if isinstance(sampler, DDPM) else 7
    )  # 50 calls (40 shown) or 6, and the samples
    noise = Rng(5, indices, ("sample", "x", "start")).normal(1, 8, 8)
    assert (tiles(frames[0], 0) == pictures(PIXELS.decode(noise))).all()
    for row in (0, 1):
        assert (tiles(frames[-1], row) == pictures(samples.tensor)).all()
    if not isinstance(sampler, DDPM):  # the last prediction is the sample, including guidance
        assert (tiles(frames[-2], 1) == pictures(samples.tensor)).all()
    assert (tiles(frames[0], 1) != pictures(samples.tensor)).any()


def test_every_call_is_shown_and_noise_is_rescaled() -> None:
    frames = film(perturbed_model(edm), 2, Heun(9))
    assert len(frames) == 10
    noise = tiles(frames[0], 0)
    assert ((noise > 0) & (noise < 255)).mean() > 0.1, "unscaled noise of std 80 would be black and white"
    assert len(film(perturbed_model(), 2, DDPM(), frames=5)) == 6


def test_a_film_of_pure_noise_is_below_the_size_limit(tmp_path: Path) -> None:
    """Worst case: 41 frames of two rows of ten 28 x 28 pictures, independent noise in each (seed 0)."""
    noise = np.random.default_rng(0).integers(0, 256, (41, 114 // 2, 578 // 2), dtype=np.uint8)
    frames = [
        Image.fromarray(values).resize((578, 114), Image.Resampling.NEAREST).convert("RGB")
        for values in noise
    ]
    path = save_film(frames, tmp_path / "noise.gif", {"seed": 0})
    assert path.stat().st_size < MAX_FILM_BYTES
    with Image.open(path) as gif:
        assert 5 < gif.n_frames < 41 and gif.size == (578, 114)  # type: ignore[attr-defined]
        assert json.loads(gif.info["comment"]) == {"seed": 0}


def test_a_film_of_an_untrained_model_is_below_the_size_limit_and_pauses_at_the_end(tmp_path: Path) -> None:
    frames = film(ddpm(Pixels(256, (1, 28, 28)), Classes(10), "tiny"), 10, DDIM(20))
    assert frames[0].size == (578, 114)
    path = save_film(frames, tmp_path / "film.gif")
    assert path.stat().st_size < MAX_FILM_BYTES
    with Image.open(path) as gif:
        gif.seek(gif.n_frames - 1)  # type: ignore[attr-defined]
        assert gif.info["duration"] == LAST_FRAME_MS
        last = np.asarray(gif.convert("L")).astype(int)
    assert np.abs(last - np.asarray(frames[-1].convert("L"))).max() <= 8  # 64 colours


def test_a_film_requires_a_diffusion_model() -> None:
    with pytest.raises(Unsupported, match="a film requires a diffusion model, not VAE") as error:
        film(vae(PIXELS, size="tiny"), 2)
    assert "\n" not in str(error.value)
