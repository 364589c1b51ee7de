"""Sounds in memory: waveforms with their rate, [N, T], [N, 1, T], or a list of recordings of any length."""

__all__ = ["collect_sounds", "holds_sounds"]

from collections.abc import Mapping
from typing import Any

import numpy as np

from morphogen.data.dataset import DataError, Dataset
from morphogen.data.held import Held, joined, numbers_of
from morphogen.data.memory import read_labels
from morphogen.data.sound import AVERAGED, LENGTH, RATES, sounds_by_content
from morphogen.data.sound_windows import FULL, Recording
from morphogen.data.splits import Part
from morphogen.media import ReadingOptions

LOUDEST = 1.5  # beyond full scale, above which floats are not taken for waveforms


def holds_sounds(values: Any, options: ReadingOptions) -> float:
    """1 with a rate; 0.6 for lists of numbers of different lengths, which need one."""
    rows = numbers_of(values)
    if not rows:
        return 0.0
    return 1.0 if options.rate is not None else 0.6 * float({row.ndim for row in rows} == {1})


def collect_sounds(name: str, parts: Mapping[Part, Held], options: ReadingOptions) -> Dataset:
    """A data set of recordings in memory. Errors: DataError."""
    values, of_part, given, captions = joined(parts)
    classes, labels, notes = read_labels(given)
    rate = options.rate
    if rate is None:
        what = "lists of numbers of different lengths"
        raise DataError(f"{name}: {what}; if they are sounds, give their rate: rate=16000")
    if not RATES[0] <= rate <= RATES[1]:
        raise DataError(f"rate {rate}: give the samples per second, {RATES[0]} to {RATES[1]}")
    arrays = [np.asarray(value) for value in values]
    waves = [_mono(i, array) for i, array in enumerate(arrays)]
    peak = max(float(np.abs(wave).max(initial=0.0)) for wave in waves)
    if peak > LOUDEST:
        raise DataError(f"samples reach {peak:g}, where full scale is 1; divide by their full scale")
    more = [f"samples reach {peak:.3g}: those beyond 1 are cut off"] if peak > 1 else []
    if stereo := sum(array.ndim == 2 and min(array.shape) == 2 for array in arrays):
        more.append(f"{stereo} sounds: {AVERAGED}")
    recordings = [
        Recording(
            (wave * FULL).round().clip(-FULL, FULL - 1).astype(np.int16),
            rate,
            0 if labels is None else int(labels[i]),
            captions[i] if captions else "",
            **({"part": of_part[i]} if of_part else {}),
        )
        for i, wave in enumerate(waves)
    ]
    length = LENGTH if options.length is None else options.length
    return sounds_by_content(name, recordings, classes, length, (*more, *notes))


def _mono(i: int, wave: np.ndarray) -> np.ndarray:
    """Samples [T] as floats, integers divided by their full scale. Errors: DataError."""
    if wave.ndim == 2 and min(wave.shape) <= 2:
        wave = wave.mean(int(wave.shape[0] > wave.shape[1])).astype(wave.dtype)
    if wave.ndim != 1 or not len(wave) or wave.dtype.kind not in "iuf":
        raise DataError(f"sound {i} is {wave.dtype} {list(wave.shape)}; give its samples, [T]")
    if not np.isfinite(wave).all():
        raise DataError(f"sound {i} has samples that are not finite; leave it out")
    if wave.dtype == np.uint8:
        return wave / 128 - 1
    return wave / np.float64(np.iinfo(wave.dtype).max + 1) if wave.dtype.kind in "iu" else wave
