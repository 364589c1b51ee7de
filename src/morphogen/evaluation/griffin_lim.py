r"""Sound from its mel spectrogram without learning: the baseline that a vocoder must beat.

    |X|  from the mels: non-negative least squares, by multiplicative updates   S <- S (W^T m) / (W^T W S)
    phase: begin anywhere, then again and again            X <- |X| Z / |Z|,   Z = spectrum(sound closest to X)

Each round lowers the distance between |Z| and |X| (Griffin & Lim 1984, "Signal estimation from modified short-time Fourier transform");
the updates are those of Lee & Seung (2001, "Algorithms for non-negative matrix factorization").
"""

__all__ = ["griffin_lim"]

import math

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.conditioning.mel import MelSpectrogram
from morphogen.numerics.randomness import Rng
from morphogen.numerics.spectrum import from_spectrum, spectrum


def griffin_lim(
    frames: Float[Tensor, "b f m"], mel: MelSpectrogram, length: int, rounds: int = 100, seed: int = 0
) -> Float[Tensor, "b 1 t"]:
    """The sound of log-mel frames.

    Arguments:
        frames: [B, F, M].
        mel: what made them.
        length: samples of the sound.
        rounds: of the phase.
        seed: of the first phase, uniform.
    """
    magnitude = _magnitude(frames.double().exp(), mel.filters.double())
    b, f, k = magnitude.shape
    whole = (f - 1) * mel.hop
    phase = 2 * math.pi * Rng(seed, b, ("griffin-lim",)).uniform(f, k).to(magnitude)
    x = torch.polar(magnitude, phase)
    for _ in range(rounds):
        z = spectrum(from_spectrum(x, mel.window, mel.hop, whole), mel.window, mel.hop)
        x = magnitude * z / z.abs().clamp_min(1e-12)
    return from_spectrum(x, mel.window, mel.hop, whole)[:, None, :length].float()


def _magnitude(mels: Float[Tensor, "b f m"], filters: Float[Tensor, "m k"], rounds: int = 100) -> Float[Tensor, "b f k"]:
    """The spectrum whose mels are closest to these, no number below zero."""
    toward, gram = mels @ filters, filters.t() @ filters
    s = toward.clone()
    for _ in range(rounds):
        s = s * toward / (s @ gram).clamp_min(1e-12)
    return s
