"""Recordings in memory: samples of any type and number of channels, with their rate beside them.

    (8000, x)                               as scipy.io.wavfile and torchaudio name it
    (x, 8000)                               as soundfile and librosa return it
    {"array": x, "sampling_rate": 8000}     as Hugging Face has it
    Waveform(x, 8000)                       as `samples.decode()` has it

A number behind the samples could also be their label, so that only a usual rate is one.
"""

__all__ = ["Rated", "all_rated", "full_scale", "mono", "rated"]

from collections.abc import Mapping
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from morphogen.media.sound import Waveform

USUAL = frozenset(
    (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000)
)  # rates of recorders and files, Hz


class Rated(NamedTuple):
    """A recording: samples per second, and samples [T], [T, C] or [C, T]."""

    rate: int
    samples: Any


def rated(value: Any) -> Rated | None:
    """A recording that says its rate; None for anything else."""
    if isinstance(value, Rated):
        return value
    if isinstance(value, Waveform):
        return Rated(value.rate, value.samples)
    if isinstance(value, Mapping) and "array" in value and _is_rate(value.get("sampling_rate")):
        return Rated(int(value["sampling_rate"]), value["array"])
    if not isinstance(value, tuple | list) or len(value) != 2:
        return None
    first, second = value
    if _is_rate(first) and _is_wave(second):
        return Rated(int(first), second)
    if _is_rate(second) and int(second) in USUAL and _is_wave(first):
        return Rated(int(second), first)
    return None


def all_rated(given: Any) -> list[Rated] | None:
    """A recording that says its rate, or several of them; None for anything else."""
    if (single := rated(given)) is not None:
        return [single]
    found = [rated(row) for row in given] if isinstance(given, list | tuple) else []
    return [one for one in found if one is not None] if found and all(found) else None


def mono(samples: Any) -> np.ndarray:
    """Samples [T] of one channel as floats: integers divided by their full scale, channels averaged.

    Errors: ValueError that says what they are, and the remedy.
    """
    wave = np.asarray(samples)
    if wave.ndim == 2 and min(wave.shape) <= 2:
        wave = wave.mean(int(wave.shape[0] > wave.shape[1])).astype(wave.dtype)
    if wave.ndim != 1 or not len(wave) or wave.dtype.kind not in "iuf":
        raise ValueError(f"is {wave.dtype} {list(wave.shape)}; give its samples, [T]")
    if not np.isfinite(wave).all():
        raise ValueError("has samples that are not finite; leave it out")
    if wave.dtype == np.uint8:
        return wave / 128 - 1
    if wave.dtype.kind == "f":
        return wave
    own, found = np.iinfo(wave.dtype).max + 1, full_scale(wave)
    if found != own:
        what = f"is {wave.dtype} up to {wave.max()}, which is silent at the full scale of that type"
        raise ValueError(f"{what}, {own}: give np.asarray(x) / {found}, or its own full scale")
    return wave / np.float64(own)


def full_scale(wave: np.ndarray) -> int:
    """The full scale of integers: that of their type, or of 16 to 32 bits if they are silent at that one."""
    own, peak = np.iinfo(wave.dtype).max + 1, float(np.abs(wave.astype(np.float64)).max())
    is_silent = 0 < peak < own / 2**16
    return next((2**bits for bits in (15, 23, 31) if peak <= 2**bits), own) if is_silent else own


def _is_rate(value: Any) -> bool:
    """Whether a value is a positive whole number, as 44100 and 44100.0 are."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    return is_number and float(value) > 0 and float(value).is_integer()


def _is_wave(value: Any) -> bool:
    """Whether a value is an array of samples, [T], or of a few channels, [T, C] or [C, T]."""
    shape = getattr(value, "shape", ())
    return len(shape) == 1 or (len(shape) == 2 and min(shape) <= 2)
