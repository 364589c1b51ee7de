r"""Sound: float [B, 1, T] in [-1, 1], one number a sample, and as the 256 symbols that telephones have sent since 1972.

    f(x) = sign(x) log(1 + mu |x|) / log(1 + mu),     id = round((f(x) + 1) / 2 mu),     mu = levels - 1

Quiet samples are many and are heard in detail, loud ones are few: mu-law spends its levels accordingly (ITU-T G.711; van den Oord et al.
2016, section 2.2), so that a softmax over 256 symbols stands for 65,536 values of 16 bits.
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
from morphogen.numerics.spectrum import spectrum

LOUDEST = 32767  # of 16 bits, both ways
RANGE = 80.0  # decibels below the loudest that a picture shows


class MuLaw(Representation):
    """Sounds of `length` samples as symbols 0 .. levels-1.

    The likelihood is the mass of the symbols, exact, and dims are the samples: bits/dim are bits a sample *of the sound as mu-law stores
    it*. Of the 16 bits that were recorded it says nothing: a symbol stands for 6 of their values near silence, for 1,400 where it is loud.

    Arguments:
        length: T, samples of one sound.
        rate: samples a second.
        levels: of the scale, mu + 1.

    Raises:
        ConfigError: if there are no two levels, no sample, or no rate.
    """

    discrete = True
    medium_discrete = True

    def __init__(self, length: int, rate: int, levels: int = 256):
        super().__init__()
        if length < 1 or rate < 1 or levels < 2:
            raise ConfigError(f"MuLaw({length=}, {rate=}, {levels=}): take length >= 1, rate >= 1, levels >= 2")
        self.length, self.rate, self.levels, self.shape = length, rate, levels, (length,)
        self.vocabulary = levels

    def encode(self, medium: Float[Tensor, "b 1 t"], rng: Rng) -> Encoded:
        dims = medium.new_full((len(medium),), medium.shape[2])
        return Encoded(compand(medium[:, 0], self.levels), torch.zeros_like(dims), dims)

    def decode(self, x: Int[Tensor, "b t"]) -> Float[Tensor, "b 1 t"]:
        return expand(x, self.levels)[:, None]

    def present(self, medium: Float[Tensor, "b 1 t"]) -> list[Any]:
        """`Waveform`s."""
        return [Waveform(samples, self.rate) for samples in medium[:, 0].float().cpu()]


@dataclass(frozen=True)
class Waveform:
    """A sound as a person has it: to be written, or looked at.

    Arguments:
        samples: [T] in [-1, 1].
        rate: samples a second.
    """

    samples: Float[Tensor, " t"]
    rate: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / self.rate

    def save(self, path: str | Path) -> None:
        """A WAV file of 16 bits, one channel; what is louder than 1 is cut off."""
        values = (self.samples.double().clamp(-1, 1) * LOUDEST).round().to(torch.int16)
        with Path(path).open("wb") as file, wave.open(file) as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(self.rate)
            sound.writeframes(values.numpy().astype("<i2").tobytes())

    def picture(self, window: int = 256) -> Image.Image:
        """The spectrogram: time to the right, frequency up, loudness as ink, 80 decibels from white to black; a quarter window a column."""
        magnitude = spectrum(self.samples.double()[None], window, max(1, window // 4))[0].abs().clamp_min(1e-9)
        decibels = 20 * (magnitude / magnitude.amax().clamp_min(1e-6)).log10()
        paper = (-decibels / RANGE).clamp(0, 1).t().flip(0)
        return Image.fromarray((255 * paper).round().byte().numpy().astype(np.uint8))


def compand(wave: Float[Tensor, "*b"], levels: int = 256) -> Int[Tensor, "*b"]:
    """Samples in [-1, 1] to the nearest of the levels, 0 .. levels-1."""
    mu = levels - 1
    x = wave.double().clamp(-1, 1)
    return ((x.sign() * torch.log1p(mu * x.abs()) / math.log1p(mu) + 1) / 2 * mu).round().long()


def expand(x: Int[Tensor, "*b"], levels: int = 256) -> Float[Tensor, "*b"]:
    """The sample in the middle of each level, by the inverse of f."""
    mu = levels - 1
    f = 2 * x.double() / mu - 1
    return (f.sign() * torch.expm1(f.abs() * math.log1p(mu)) / mu).to(torch.get_default_dtype())
