r"""Short-time Fourier transform, its inverse, and mel filter banks.

    X_fk = sum_n w_n x_(f hop + n - window / 2) e^(-2 pi i k n / window)
    mel(f) = 3 f / 200 below 1 kHz, logarithmic above

Frames are centred at multiples of hop; w is the Hann window. Filters are triangular with corners equally
spaced in mels and area 1 in Hz (Slaney 1998, "Auditory toolbox"), the defaults of librosa.
"""

__all__ = ["istft", "mel_filterbank", "stft"]

import math

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

KNEE = 1000.0  # frequency in Hz above which the mel scale is logarithmic
PER_HZ = 3 / 200  # mels per Hz below
STEP = math.log(6.4) / 27  # log Hz per mel above


def stft(wave: Float[Tensor, "b t"], window: int, hop: int) -> Shaped[Tensor, "b f k"]:
    """Short-time Fourier transform, zero-padded: complex [B, F, K], F = T // hop + 1, K = window // 2 + 1."""
    hann = torch.hann_window(window, dtype=wave.dtype, device=wave.device)
    return torch.stft(
        wave, window, hop, window=hann, center=True, pad_mode="constant", return_complex=True
    ).transpose(1, 2)


def istft(frames: Shaped[Tensor, "b f k"], window: int, hop: int, length: int) -> Float[Tensor, "b t"]:
    """Inverse short-time Fourier transform by least-squares overlap-add (Griffin & Lim 1984, eq. 6)."""
    hann = torch.hann_window(window, dtype=frames.real.dtype, device=frames.device)
    return torch.istft(frames.transpose(1, 2), window, hop, window=hann, center=True, length=length)


def mel_filterbank(rate: int, window: int, bands: int, low: float, high: float) -> Float[Tensor, "m k"]:
    """Triangular mel filter bank from `low` to `high` Hz, [bands, window // 2 + 1]."""
    first, last = (_mel(frequency) for frequency in (low, high))
    corners = torch.tensor(
        [_hertz(first + (last - first) * i / (bands + 1)) for i in range(bands + 2)], dtype=torch.float64
    )
    frequencies = torch.arange(window // 2 + 1, dtype=torch.float64) * rate / window
    left, middle, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising = (frequencies - left) / (middle - left)
    falling = (right - frequencies) / (right - middle)
    triangle = torch.minimum(rising, falling).clamp_min(0)
    return (triangle * 2 / (right - left)).float()


def _mel(frequency: float) -> float:
    return frequency * PER_HZ if frequency < KNEE else KNEE * PER_HZ + math.log(frequency / KNEE) / STEP


def _hertz(mel: float) -> float:
    return mel / PER_HZ if mel < KNEE * PER_HZ else KNEE * math.exp(STEP * (mel - KNEE * PER_HZ))
