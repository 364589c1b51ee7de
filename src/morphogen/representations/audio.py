r"""Sound: waveforms, float [B, 1, T] in [-1, 1], and their mu-law encoding with 256 levels.

    f(x) = sign(x) log(1 + mu |x|) / log(1 + mu),     id = round((f(x) + 1) / 2 mu),     mu = levels - 1

Most samples are quiet, and the ear resolves quiet samples finely, so mu-law quantises them more finely than
loud ones (ITU-T G.711, used in telephony since 1972; van den Oord et al. 2016, section 2.2). A softmax over
256 levels then replaces one over the 65,536 values of 16 bits.
"""

__all__ = ["MuLaw", "Waveform", "compand", "expand"]

import math
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Encoded, Representation
from morphogen.numerics.randomness import Rng
from morphogen.numerics.spectrum import stft

LOUDEST = 32767  # largest 16-bit magnitude of both signs
RANGE = 80.0  # dynamic range of a spectrogram, in decibels


class MuLaw(Representation):
    """Sounds of `length` samples as mu-law levels 0 .. levels-1.

    The likelihood is the exact probability mass of the levels, and dims counts the samples, so bits/dim are
    bits per sample *of the mu-law encoded sound*. They are not comparable with bits per sample of the 16-bit
    recording: a level covers 6 values of it near silence and 1,400 where it is loud.

    Arguments:
        length: T, samples per sound.
        rate: samples per second.
        levels: number of levels, mu + 1.

    Raises:
        ConfigError: for a length or rate below 1, or fewer than two levels.
    """

    discrete = True
    medium_discrete = True

    def __init__(self, length: int, rate: int, levels: int = 256):
        super().__init__()
        if length < 1 or rate < 1 or levels < 2:
            raise ConfigError(
                f"MuLaw({length=}, {rate=}, {levels=}): give length >= 1, rate >= 1, levels >= 2"
            )
        self.length, self.rate, self.levels, self.shape = length, rate, levels, (length,)
        self.vocabulary = levels

    def encode(self, medium: Float[Tensor, "b 1 t"], rng: Rng, measure: bool = True) -> Encoded:
        dims = medium.new_full((len(medium),), medium.shape[2])
        return Encoded(compand(medium[:, 0], self.levels), torch.zeros_like(dims), dims)

    def decode(self, x: Int[Tensor, "b t"]) -> Float[Tensor, "b 1 t"]:
        return expand(x, self.levels)[:, None]

    def present(self, medium: Float[Tensor, "b 1 t"]) -> list[Any]:
        """A `Waveform` per row."""
        return [Waveform(samples, self.rate) for samples in medium[:, 0].float().cpu()]


@dataclass(frozen=True)
class Waveform:
    """A sound that can be saved as a WAV file or shown as a spectrogram.

    Arguments:
        samples: [T] in [-1, 1].
        rate: samples per second.
    """

    samples: Float[Tensor, " t"]
    rate: int

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return len(self.samples) / self.rate

    def save(self, path: str | Path) -> None:
        """Write a mono 16-bit WAV file; samples outside of [-1, 1] are clipped."""
        values = (self.samples.double().clamp(-1, 1) * LOUDEST).round().to(torch.int16)
        with Path(path).open("wb") as file, wave.open(file) as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(self.rate)
            sound.writeframes(values.numpy().astype("<i2").tobytes())

    def spectrogram(self, window: int = 256) -> Image.Image:
        """The spectrogram, with time to the right and frequency upwards.

        Black is the maximum and white 80 decibels below it; a column is a quarter of `window` samples.
        """
        magnitude = stft(self.samples.double()[None], window, max(1, window // 4))[0].abs()
        magnitude = magnitude.clamp_min(1e-9)
        decibels = 20 * (magnitude / magnitude.amax().clamp_min(1e-6)).log10()
        brightness = (-decibels / RANGE).clamp(0, 1).t().flip(0)
        return Image.fromarray((255 * brightness).round().byte().numpy().astype(np.uint8))


def compand(wave: Float[Tensor, "*b"], levels: int = 256) -> Int[Tensor, "*b"]:
    """Mu-law encoding: samples in [-1, 1] to the nearest level, 0 .. levels-1."""
    mu = levels - 1
    x = wave.double().clamp(-1, 1)
    return ((x.sign() * torch.log1p(mu * x.abs()) / math.log1p(mu) + 1) / 2 * mu).round().long()


def expand(x: Int[Tensor, "*b"], levels: int = 256) -> Float[Tensor, "*b"]:
    """Mu-law decoding: levels to samples, by the inverse of f."""
    mu = levels - 1
    f = 2 * x.double() / mu - 1
    return (f.sign() * torch.expm1(f.abs() * math.log1p(mu)) / mu).to(torch.get_default_dtype())
