r"""Short-time spectra of sound, and the mel scale, on which equal steps sound equally far apart.

    X_fk = sum_n w_n x_(f hop + n - window / 2) e^(-2 pi i k n / window),     mel(f) = 3 f / 200 below 1 kHz, then logarithmic

A frame's middle lies at a multiple of hop; w is Hann's window. Filters are triangles between equally spaced mels, each of area 1 over the
frequencies in Hz (Slaney 1998, "Auditory toolbox"), which are the defaults of librosa.
"""

__all__ = ["from_spectrum", "mel_filters", "spectrum"]

import math

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

KNEE, PER_HZ, STEP = 1000.0, 3 / 200, math.log(6.4) / 27  # Hz where the scale turns logarithmic, mels a Hz below, log Hz a mel above


def spectrum(wave: Float[Tensor, "b t"], window: int, hop: int) -> Shaped[Tensor, "b f k"]:
    """X of each frame, complex, k = 0 .. window / 2; outside the sound there is silence: F = T / hop + 1 frames, rounded down."""
    hann = torch.hann_window(window, dtype=wave.dtype, device=wave.device)
    return torch.stft(wave, window, hop, window=hann, center=True, pad_mode="constant", return_complex=True).transpose(1, 2)


def from_spectrum(frames: Shaped[Tensor, "b f k"], window: int, hop: int, length: int) -> Float[Tensor, "b t"]:
    """The sound whose spectrum is closest in the mean square (Griffin & Lim 1984, eq. 6): overlapping frames added, windows divided out."""
    hann = torch.hann_window(window, dtype=frames.real.dtype, device=frames.device)
    return torch.istft(frames.transpose(1, 2), window, hop, window=hann, center=True, length=length)


def mel_filters(rate: int, window: int, bands: int, low: float, high: float) -> Float[Tensor, "m k"]:
    """Triangles from `low` to `high` Hz, one a band, over the frequencies of a spectrum."""
    first, last = (_mel(frequency) for frequency in (low, high))
    corners = torch.tensor([_hertz(first + (last - first) * i / (bands + 1)) for i in range(bands + 2)], dtype=torch.float64)
    at = torch.arange(window // 2 + 1, dtype=torch.float64) * rate / window
    left, middle, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    triangle = torch.minimum((at - left) / (middle - left), (right - at) / (right - middle)).clamp_min(0)
    return (triangle * 2 / (right - left)).float()


def _mel(frequency: float) -> float:
    return frequency * PER_HZ if frequency < KNEE else KNEE * PER_HZ + math.log(frequency / KNEE) / STEP


def _hertz(mel: float) -> float:
    return mel / PER_HZ if mel < KNEE * PER_HZ else KNEE * math.exp(STEP * (mel - KNEE * PER_HZ))
