r"""Griffin-Lim: invert a mel spectrogram without learning, the baseline for a vocoder.

    magnitude    non-negative least squares, multiplicative updates    S <- S (W^T m) / (W^T W S)
    phase        iterated from a random phase                          X <- |X| Z / |Z|,   Z = stft(istft(X))

Each iteration decreases the distance between |Z| and |X| (Griffin & Lim 1984, "Signal estimation from
modified short-time Fourier transform"). The updates are those of Lee & Seung (2001, "Algorithms for
non-negative matrix factorization").
"""

__all__ = ["griffin_lim"]

import math

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.conditioning.mel import MelSpectrogram
from morphogen.numerics.randomness import Rng
from morphogen.numerics.spectrum import istft, stft


def griffin_lim(
    frames: Float[Tensor, "b f m"], mel: MelSpectrogram, length: int, iterations: int = 100, seed: int = 0
) -> Float[Tensor, "b 1 t"]:
    """Waveform of a log-mel spectrogram.

    Arguments:
        frames: log-mel frames [B, F, M].
        mel: the transform that produced the frames.
        length: number of samples to return.
        iterations: number of phase updates.
        seed: of the initial phase, which is uniform.
    """
    magnitude = _magnitude(frames.double().exp(), mel.filters.double())
    b, f, k = magnitude.shape
    full_length = (f - 1) * mel.hop
    phase = 2 * math.pi * Rng(seed, b, ("griffin-lim",)).uniform(f, k).to(magnitude)
    x = torch.polar(magnitude, phase)
    for _ in range(iterations):
        z = stft(istft(x, mel.window, mel.hop, full_length), mel.window, mel.hop)
        x = magnitude * z / z.abs().clamp_min(1e-12)
    return istft(x, mel.window, mel.hop, full_length)[:, None, :length].float()


def _magnitude(
    mels: Float[Tensor, "b f m"], filters: Float[Tensor, "m k"], iterations: int = 100
) -> Float[Tensor, "b f k"]:
    """The non-negative magnitude spectrum whose mel bands are closest to `mels`."""
    target, gram = mels @ filters, filters.t() @ filters
    s = target.clone()
    for _ in range(iterations):
        s = s * target / (s @ gram).clamp_min(1e-12)
    return s
