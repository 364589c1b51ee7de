"""Sounds in memory: waveforms with their rate, [N, T], [N, 1, T], recordings that say theirs, or files."""

__all__ = ["collect_sounds", "holds_sounds", "sounds_for"]

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from morphogen.data.containers import unpack
from morphogen.data.dataset import DataError, Dataset
from morphogen.data.held import Held, file_at, fraction_of_files, joined, listed_files, names_file, numbers_of
from morphogen.data.memory import read_labels
from morphogen.data.sound import AVERAGED, LENGTH, RATES, Sound, read_sound, sounds_by_content
from morphogen.data.sound_windows import FULL, Recording
from morphogen.data.splits import Part
from morphogen.media import ReadingOptions
from morphogen.media.sound import SOUND
from morphogen.representations.audio import MuLaw
from morphogen.representations.recordings import Rated, mono, rated

LOUDEST = 1.5  # beyond full scale, above which floats are not taken for waveforms


def holds_sounds(values: Any, options: ReadingOptions) -> float:
    """1 with a rate and for files of sound; 0.6 for lists of numbers of different lengths, which need one."""
    rows = _rows(values)
    if listed_files(rows):
        return fraction_of_files(rows, SOUND)
    if rows and all(map(rated, rows)):
        return 1.0
    arrays = numbers_of(values)
    if not arrays:
        return 0.0
    return 1.0 if options.rate is not None else 0.6 * float({array.ndim for array in arrays} == {1})


def collect_sounds(name: str, parts: Mapping[Part, Held], options: ReadingOptions) -> Dataset:
    """A data set of recordings in memory. Errors: DataError."""
    values, of_part, given, several = joined(parts)
    captions = [each if isinstance(each, str) else each[0] for each in several]
    classes, labels, notes = read_labels(given)
    sounds = [_sound(name, i, value, options.rate) for i, value in enumerate(values)]
    if all(len(sound.samples) <= 2 for sound in sounds):
        what = f"{len(sounds)} recordings of 2 samples or fewer"
        raise DataError(f"{name}: {what}: [T, C] is one recording; give a list of several, [x1, x2, ...]")
    recordings = [
        Recording(
            sound.samples,
            sound.rate,
            0 if labels is None else int(labels[i]),
            captions[i] if captions else "",
            **({"part": of_part[i]} if of_part else {}),
        )
        for i, sound in enumerate(sounds)
    ]
    length = LENGTH if options.length is None else options.length
    found = Counter(note for sound in sounds for note in sound.notes)
    more = [f"{count} sounds: {note}" for note, count in found.items()]
    says_rate = all(rated(value) or names_file(value) for value in values)
    return sounds_by_content(
        name, recordings, classes, length, (*more, *notes), options.rate if says_rate else None
    )


def sounds_for(given: Any, representation: MuLaw) -> Any:
    """Recordings in memory that say their rate, for a model of sound; rows [N, 1, T] have the model's.

    Errors: ConfigError for waveforms whose rate is not known.
    """
    if isinstance(given, str | Path):
        return given
    held = unpack(given)
    rows = _rows(held.values)
    if not rows or not all(rated(row) or names_file(row) for row in rows):
        rows = [Rated(representation.rate, row) for row in representation.check(held.values)[:, 0]]
    return rows if held.labels is None else (rows, held.labels)


def _rows(values: Any) -> list[Any]:
    """The items of a list; [] for arrays of several axes, tables and texts."""
    if isinstance(values, str | bytes | Mapping) or hasattr(values, "columns"):
        return []
    return list(values) if isinstance(values, Iterable) and getattr(values, "ndim", 1) == 1 else []


def _sound(name: str, i: int, value: Any, rate: int | None) -> Sound:
    """One recording as int16 [T]. Errors: DataError for what is none, or has no rate."""
    if names_file(value):
        path = file_at(value)
        sound = read_sound(path)
        if isinstance(sound, str):
            raise DataError(f"{path}: {sound}; leave it out")
        return sound
    recording = rated(value)
    if recording is None and rate is None:
        what = "lists of numbers of different lengths"
        raise DataError(f"{name}: {what}; if they are sounds, give their rate: rate=16000")
    own, samples = recording or Rated(rate or 0, value)
    if not RATES[0] <= own <= RATES[1]:
        raise DataError(f"rate {own}: give the samples per second, {RATES[0]} to {RATES[1]}")
    try:
        wave = mono(samples)
    except ValueError as error:
        raise DataError(f"sound {i} {error}") from None
    peak = float(np.abs(wave).max())
    if peak > LOUDEST:
        raise DataError(f"samples reach {peak:g}, where full scale is 1; divide by their full scale")
    is_stereo = np.ndim(samples) == 2 and min(np.shape(samples)) == 2
    notes = ("samples beyond 1 are cut off",) * (peak > 1) + (AVERAGED,) * is_stereo
    return Sound((wave * FULL).round().clip(-FULL, FULL - 1).astype(np.int16), own, notes)
