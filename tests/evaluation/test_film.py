"""A film is of the very samples, from the noise they began with to the pictures they became, and small enough to send."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from morphogen.conditioning.guidance import Guided
from morphogen.contract import Unsupported
from morphogen.evaluation.film import FULL, GAP, REST, film, save_film
from morphogen.families.diffusion import DDIM, DDPM, Heun
from morphogen.model import Model
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels
from morphogen.systems.ddpm import ddpm
from morphogen.systems.edm import edm
from morphogen.systems.vae import vae

PIXELS = Pixels(17, (1, 8, 8))
ZOOM = 8  # of 8 pixels in about 60


def shaken(system: Any = ddpm, pixels: Pixels = PIXELS) -> Model:
    torch.manual_seed(0)
    model = system(pixels, 10, "tiny")
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.05 * torch.randn_like(p))
    return model


def tiles(frame: Image.Image, row: int) -> np.ndarray:
    """[N, 8, 8] of a row of a frame, in grey, and that each pixel is a square of one colour."""
    step, grey = 8 * ZOOM + GAP, np.asarray(frame.convert("L"))
    cut = [grey[row * step : row * step + 8 * ZOOM, left : left + 8 * ZOOM] for left in range(0, grey.shape[1], step)]
    squares = np.stack(cut).reshape(-1, 8, ZOOM, 8, ZOOM)
    assert (squares == squares[:, :, :1, :, :1]).all()
    return squares[:, :, 0, :, 0]


def pictures(medium: torch.Tensor) -> np.ndarray:
    return np.stack([np.asarray(picture) for picture in PIXELS.present(medium)])


@pytest.mark.parametrize("sampler", [DDIM(6), Guided(DDIM(6), 3.0), DDPM()], ids=["DDIM", "Guided", "DDPM"])
def test_it_begins_with_their_noise_and_ends_with_the_samples(sampler: Any) -> None:
    model, indices = shaken(), torch.tensor([4, 0, 9])
    frames = film(model, 3, sampler, seed=5, condition=7, indices=indices)
    samples = model.sample(3, 7, sampler, 5, indices)
    assert len(frames) == (41 if isinstance(sampler, DDPM) else 7)  # 50 calls, or 6; and what came of them
    noise = Rng(5, indices, ("sample", "x", "start")).normal(1, 8, 8)
    assert (tiles(frames[0], 0) == pictures(PIXELS.decode(noise))).all()
    for row in (0, 1):
        assert (tiles(frames[-1], row) == pictures(samples.tensor)).all()
    if not isinstance(sampler, DDPM):  # of which the last call need not be shown: the last guess is the sample, guidance included
        assert (tiles(frames[-2], 1) == pictures(samples.tensor)).all()
    assert (tiles(frames[0], 1) != pictures(samples.tensor)).any()


def test_every_call_is_seen_and_noise_of_any_size_is_shown_as_noise() -> None:
    frames = film(shaken(edm), 2, Heun(9))
    assert len(frames) == 10
    begun = tiles(frames[0], 0)
    assert ((begun > 0) & (begun < 255)).mean() > 0.1, "x_T of standard deviation 80 would be black and white"
    assert len(film(shaken(), 2, DDPM(), frames=5)) == 6


def test_a_film_of_noise_alone_is_small_enough(tmp_path: Path) -> None:
    """The worst: 40 frames of ten pictures of 28 x 28, twice, of noise that is another in each, from seed 0."""
    noise = np.random.default_rng(0).integers(0, 256, (41, 114 // 2, 578 // 2), dtype=np.uint8)
    frames = [Image.fromarray(values).resize((578, 114), Image.Resampling.NEAREST).convert("RGB") for values in noise]
    path = save_film(frames, tmp_path / "noise.gif", {"seed": 0})
    assert path.stat().st_size < FULL
    with Image.open(path) as found:
        assert 5 < found.n_frames < 41 and found.size == (578, 114) and json.loads(found.info["comment"]) == {"seed": 0}  # type: ignore[attr-defined]


def test_an_untrained_models_film_of_ten_is_small_enough_and_rests_on_its_last_frame(tmp_path: Path) -> None:
    frames = film(ddpm(Pixels(256, (1, 28, 28)), 10, "tiny"), 10, DDIM(20))
    assert frames[0].size == (578, 114)
    path = save_film(frames, tmp_path / "film.gif")
    assert path.stat().st_size < FULL
    with Image.open(path) as found:
        found.seek(found.n_frames - 1)  # type: ignore[attr-defined]
        assert found.info["duration"] == REST
        last = np.asarray(found.convert("L")).astype(int)
    assert np.abs(last - np.asarray(frames[-1].convert("L"))).max() <= 8  # 64 shades


def test_what_takes_no_noise_away_has_no_film() -> None:
    with pytest.raises(Unsupported, match="VAE takes no noise away") as error:
        film(vae(PIXELS, size="tiny"), 2)
    assert "\n" not in str(error.value)
