r"""Sound: waveforms, float [B, 1, T] in [-1, 1], and their mu-law encoding with 256 levels.

    f(x) = sign(x) log(1 + mu |x|) / log(1 + mu),     id = round((f(x) + 1) / 2 mu),     mu = levels - 1

Most samples are quiet, and the ear resolves quiet samples finely, so mu-law quantises them more finely than
loud ones (ITU-T G.711, used in telephony since 1972; van den Oord et al. 2016, section 2.2). A softmax over
256 levels then replaces one over the 65,536 values of 16 bits.
"""

__all__ = ["MuLaw", "compand", "expand"]

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad

from morphogen.component import ConfigError
from morphogen.contract import Encoded, Representation
from morphogen.media.sound import SOUND, Waveform
from morphogen.numerics.arrays import tensor_of_array
from morphogen.numerics.randomness import Rng
from morphogen.numerics.resampling import resample
from morphogen.representations.given import check_finite, check_range, check_shape, tensor_of
from morphogen.representations.recordings import Rated, all_rated, full_scale, mono


class MuLaw(Representation):
    """Sounds of `length` samples as mu-law levels 0 .. levels-1.

    The likelihood is the exact probability mass of the levels, and dims counts the samples, so bits/dim are
    bits per sample *of the mu-law encoded sound*. They are not comparable with bits per sample of the 16-bit
    recording: a level covers 6 values of it near silence and 1,400 where it is loud.

    A sound that is shorter than T is followed by zeros, which are modelled and have a probability, as the end
    of a text has. dims counts the samples up to the last that is not 0, so that this silence, which costs
    almost nothing, does not lower the bits per sample.

    Arguments:
        length: T, samples per sound.
        rate: samples per second.
        levels: number of levels, mu + 1.

    Raises:
        ConfigError: for a length or rate below 1, or fewer than two levels.
    """

    medium = SOUND
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

    @property
    def medium_shape(self) -> tuple[int, ...]:
        return 1, self.length

    def check(self, medium: Any) -> Float[Tensor, "b 1 t"]:
        """Waveforms [N, 1, T] at the model's rate in [-1, 1], of any length, or recordings that say theirs.

        These (see `recordings`) are resampled, and followed by silence if they are shorter than T. Errors:
        ConfigError.
        """
        if (recordings := all_rated(medium)) is not None:
            return self._at_own_rate(recordings)
        shapes = {np.shape(row) for row in medium} if isinstance(medium, list | tuple) else ()
        if len(shapes) > 1:
            raise ConfigError(f"sounds of different shapes have no rate: {self._remedy()}")
        values = tensor_of(medium, "sounds")
        if values.ndim < 3:
            remedy = self._remedy(*values.shape)
            raise ConfigError(f"sounds have shape {list(values.shape)} and no rate: {remedy}")
        check_shape(values, (1, None), "sounds")
        check_finite(values, "sounds")
        if not values.is_floating_point():
            scale = "128 - 1" if values.dtype == torch.uint8 else full_scale(values.cpu().numpy())
            raise ConfigError(f"sounds are {values.dtype}, the model takes -1 to 1: write x / {scale}")
        check_range(values, "sounds", self.levels - 1)
        return values

    def _at_own_rate(self, recordings: Sequence[Rated]) -> Float[Tensor, "b 1 t"]:
        """Recordings at the model's rate, of one length: T, or that of all if they are longer."""
        waves = []
        for i, (rate, samples) in enumerate(recordings):
            try:
                wave = mono(samples)
            except ValueError as error:
                raise ConfigError(f"sound {i} {error}") from None
            check_range(tensor_of_array(wave), f"samples of sound {i}", self.levels - 1)
            resampled = tensor_of_array(resample(wave, rate, self.rate)).to(torch.get_default_dtype())
            waves.append(resampled.clamp(-1, 1))
        sizes = {max(self.length, len(wave)) for wave in waves}
        if len(sizes) > 1:
            raise ConfigError(
                f"sounds have {min(sizes)} to {max(sizes)} samples at {self.rate} Hz: "
                f"give them one by one, or at most {self.length} samples of each"
            )
        return torch.stack([pad(wave, (0, max(sizes) - len(wave))) for wave in waves])[:, None]

    def _remedy(self, *shape: int) -> str:
        """What to write for waveforms of a shape (none: of several), whose rate is not known."""
        if len(shape) == 1 or (shape and shape[1] <= 2 < min(shape[0], self.length)):  # [T] or [T, C]
            mono = "x" if len(shape) == 1 else "x.mean(1)"
            return (
                f"give one recording with it, (44100, x); of the model's {self.rate} Hz, {mono}[None, None]"
            )
        own = "X[:, None]" if shape else f"[({self.rate}, x) for x in X]"
        rated = "[(44100, x) for x in X]"
        return (
            f"give it, {rated} or, to train with labels, mg.load_data({rated}, y, rate={self.rate}, "
            f"length={self.length}); of the model's {self.rate} Hz, {own}"
        )

    def encode(self, medium: Float[Tensor, "b 1 t"], rng: Rng, measure: bool = True) -> Encoded:
        place = torch.arange(1, medium.shape[2] + 1, device=medium.device, dtype=medium.dtype)
        dims = ((medium[:, 0] != 0) * place).amax(1).clamp_min(1)
        return Encoded(compand(medium[:, 0], self.levels), torch.zeros_like(dims), dims)

    def decode(self, x: Int[Tensor, "b t"]) -> Float[Tensor, "b 1 t"]:
        return expand(x, self.levels)[:, None]

    def present(self, medium: Float[Tensor, "b 1 t"]) -> list[Any]:
        """A `Waveform` per row."""
        return [Waveform(samples, self.rate) for samples in medium[:, 0].float().cpu()]


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
