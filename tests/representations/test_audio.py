"""Mu-law equals its equation and is inverted by `expand`; WAV files and spectrograms are correct."""

import math
import wave

import numpy as np
import pytest
import torch

from morphogen.component import ConfigError, from_config, to_config
from morphogen.data.sound import read_sound
from morphogen.media.sound import Waveform
from morphogen.numerics.randomness import Rng
from morphogen.representations.audio import MuLaw, compand, expand


def mu_law(x: float, levels: int) -> int:
    """The equation for one number, in plain Python."""
    mu = levels - 1
    f = math.copysign(math.log(1 + mu * abs(x)) / math.log(1 + mu), x)
    return min(range(levels), key=lambda i: abs((f + 1) / 2 * mu - i))


@pytest.mark.parametrize("levels", [16, 256])
def test_compand_equals_the_equation(levels: int) -> None:
    x = torch.cat([torch.linspace(-1, 1, 401), torch.logspace(-5, 0, 50), -torch.logspace(-5, 0, 50)])
    assert compand(x, levels).tolist() == [mu_law(value, levels) for value in x.tolist()]
    assert compand(torch.tensor([-3.0, 3.0]), levels).tolist() == [0, levels - 1], "samples are not clipped"


@pytest.mark.parametrize("levels", [2, 16, 256])
def test_compand_inverts_expand_and_steps_grow_with_loudness(levels: int) -> None:
    ids = torch.arange(levels)
    sound = expand(ids, levels)
    assert torch.equal(compand(sound, levels), ids)
    assert torch.allclose(sound, -sound.flip(0), atol=1e-7) and (sound.diff() > 0).all()
    assert (sound[levels // 2 :].diff().diff() > 0).all()


def test_the_likelihood_is_the_mass_of_the_levels_and_dims_are_samples() -> None:
    medium = 2 * Rng(0, 3).uniform(1, 50) - 1
    audio = MuLaw(50, 8000)
    x = audio.encode(medium, Rng(0, 3))
    assert x.x.shape == (3, 50) and x.exact and x.dims.tolist() == [50] * 3 and not x.log_weight.any()
    again = audio.decode(x.x)
    assert again.shape == medium.shape and torch.equal(audio.encode(again, Rng(0, 3)).x, x.x)
    assert ((again - medium).abs() <= 0.022 * medium.abs() + 1e-4).all(), "the relative error is bounded"
    assert to_config(from_config(to_config(audio))) == to_config(audio)


def test_silence_after_the_end_has_a_probability_and_no_dims() -> None:
    """Rows of 50, 20, 1 and no samples that are not 0: zeros within a sound are samples."""
    medium = torch.full((4, 1, 50), 0.5)
    medium[1, 0, 20:], medium[2, 0, 1:], medium[3] = 0, 0, 0
    medium[0, 0, 10:20] = 0
    x = MuLaw(50, 8000).encode(medium, Rng(0, 4))
    assert x.dims.tolist() == [50, 20, 1, 1] and x.mask is None and (x.x >= 0).all()


@pytest.mark.parametrize("numbers", [(0, 8000, 256), (10, 0, 256), (10, 8000, 1)])
def test_invalid_numbers_raise_one_line(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(ConfigError, match="give length >= 1") as error:
        MuLaw(*numbers)
    assert "\n" not in str(error.value)


def test_a_wav_file_has_the_samples(tmp_path) -> None:
    samples = torch.cat([torch.linspace(-1, 1, 1001), torch.tensor([1.5, -1.5])])
    (sound,) = MuLaw(1003, 11_025).present(samples[None, None])
    sound.save(tmp_path / "a.wav")
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert file.getparams()[:4] == (1, 2, 11_025, 1003)
    values, rate, _ = read_sound(tmp_path / "a.wav")
    assert rate == 11_025 and sound.seconds == 1003 / 11_025
    assert np.abs(values / 32767 - samples.clamp(-1, 1).numpy()).max() <= 0.5 / 32767


def test_a_spectrogram_shows_the_frequency_of_a_tone() -> None:
    t = torch.arange(4000) / 8000
    picture = np.asarray(Waveform(0.1 * torch.sin(2 * math.pi * 1000 * t), 8000).spectrogram())
    assert picture.shape == (129, 63) and picture.dtype == np.uint8
    middle = picture[:, 5:-5]
    assert (middle.argmin(0) == 128 - 1000 * 256 // 8000).all()
    assert middle.min() < 10 and picture[:40].mean() > 200
    assert np.asarray(Waveform(torch.zeros(100), 8000).spectrogram()).size > 0, "silence has no spectrogram"
