"""Folders of recordings as windows of samples: one sub-folder per class, or flat.

A window is of one recording (`sound_windows`), and a recording that is shorter is padded with silence. WAV is
read by `wav`; other formats (FLAC, Ogg, MP3, AIFF) need the extra `audio`.

Several channels are averaged. The sample rate is that of the files if all have the same rate of at most 24
kHz, else 16 kHz; files with another rate are resampled (polyphase filter, Kaiser window). Loudness is not
normalised, but a float file beyond full scale is scaled down to it. The split is by the resulting samples.
"""

__all__ = ["LENGTH", "Sound", "load_sounds", "read_sound", "read_sound_content", "sounds_by_content"]

import io
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from morphogen.caller import option
from morphogen.data.announced import announced
from morphogen.data.dataset import DataError, Dataset, with_labels
from morphogen.data.folders import check_skipped, count_alike, list_folder, summarise
from morphogen.data.sound_windows import FULL, Recording, Sounds, place_windows
from morphogen.data.splits import split, trained_only
from morphogen.data.transcripts import one_each
from morphogen.data.wav import is_wav, read_wav
from morphogen.media.sound import SOUND
from morphogen.numerics.resampling import resample
from morphogen.representations.audio import MuLaw

LENGTH = 8192  # samples per window: longer than the receptive field of most networks
LARGEST = 2**28  # bytes per file
RATE, HIGHEST = 16_000, 24_000  # Hz: target rate of resampling, and the highest rate that is not resampled
RATES = 1_000, 384_000  # Hz: valid rates of a file
AVERAGED = "several channels are averaged to one"
LOUDEST = 16.0  # highest peak of floats that are not integers, 24 dB above full scale
WHOLE = 0.75  # fraction of the recordings that fill a window of the length that a note names


class Sound(NamedTuple):
    """A sound file that was read: mono int16 samples [T], their rate, and what was done to them."""

    samples: np.ndarray
    rate: int
    notes: tuple[str, ...] = ()


def load_sounds(path: Path, length: int = LENGTH) -> Dataset:
    """The recordings below `path`; the names of its sub-folders are the classes."""
    listing = list_folder(path, lambda file: file.suffix.lower() in SOUND.suffixes, "recording")
    examples = announced(listing.examples, "recordings read")
    sounds = [(example, read_sound(example.path)) for example in examples]
    good = [(example, sound) for example, sound in sounds if isinstance(sound, Sound)]
    bad = [f"skipped {example.name}: {why}" for example, why in sounds if isinstance(why, str)]
    check_skipped(str(path), len(good), bad, "recording")
    recordings = [Recording(s.samples, s.rate, e.label, e.caption, e.part) for e, s in good]
    several = one_each({example.path: example.captions for example, _ in good if example.captions})
    notes = (*listing.notes, *several, *summarise({e.name: s.notes for e, s in good}), *count_alike(bad))
    try:
        return sounds_by_content(path.resolve().name, recordings, listing.classes, length, notes)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def sounds_by_content(
    name: str,
    recordings: Sequence[Recording],
    classes: tuple[str, ...] = (),
    length: int = LENGTH,
    notes: tuple[str, ...] = (),
    rate: int | None = None,
) -> Dataset:
    """Split by the samples of each recording; training windows start every 12.5 ms, others do not overlap.

    Arguments:
        name: of the data set.
        recordings: all of them.
        classes: the class names, () if there are none.
        length: samples per window.
        notes: other facts for the user.
        rate: to which they are resampled; None: their common one, or 16 kHz.

    Errors: DataError if there are too few recordings, or a window is longer than all of them.
    """
    resampled, rate, note = _at_one_rate(recordings, rate)
    sizes = [len(recording.samples) for recording in resampled]
    _check_length(length, max(sizes))
    parts = split([recording.samples.tobytes() for recording in resampled], [r.part for r in resampled])
    notes = (note, *notes, *parts.copied("recording"))
    if classes:
        parts, kept, more = trained_only(parts, [r.label for r in resampled], classes, "recording")
        resampled = [replace(r, label=kept.index(r.label) if r.label in kept else -1) for r in resampled]
        classes, notes = tuple(classes[label] for label in kept), (*notes, *more)
    strides = min(length, max(1, rate // 80)), length, length
    train, valid, test = (
        place_windows([resampled[i] for i in part], length, stride, bool(classes))
        for part, stride in zip((parts.train, parts.valid, parts.test), strides, strict=True)
    )
    notes = (*notes, *_silent(resampled), *_padded(sizes, length, rate), *_overlapping(train, rate))
    line = parts.line.replace("each example's content", "each recording's samples")
    line = line.replace(" train", " recordings train", 1)
    sound = MuLaw(length, rate)
    return Dataset(name, "sound", train, valid, test, with_labels(classes), sound, line, notes)


def read_sound(path: Path) -> Sound | str:
    """The sound of a file; or why it cannot be read."""
    try:
        if path.stat().st_size > LARGEST:
            return f"larger than {LARGEST >> 20} MB; cut it into shorter files"
        content = path.read_bytes()
    except PermissionError:
        return "permission denied; change its permissions"
    return read_sound_content(content, path.suffix.lower() in SOUND.suffixes)


def read_sound_content(content: bytes, has_suffix: bool = True) -> Sound | str:
    """`read_sound` for the content of a file; `has_suffix`: its name has the suffix of a sound file."""
    try:
        rate, samples, notes = read_wav(content) if is_wav(content) else _from_soundfile(content)
    except ImportError:
        return "needs the extra `audio`: pip install 'morphogen[audio]'" if has_suffix else "not a sound file"
    except Exception as error:  # ValueError, struct.error, LibsndfileError, ... on broken files
        return "not a readable sound file" if content else f"it is empty ({type(error).__name__})"
    if not RATES[0] <= rate <= RATES[1]:
        return f"{rate} samples per second, outside {RATES[0]} to {RATES[1]}"
    if samples.size == 0:
        return "it has no samples"
    if not np.isfinite(samples).all():
        return "it has samples that are not finite (NaN or infinite); write it again"
    several = samples.ndim == 2 and samples.shape[1] > 1
    mono, notes = samples.mean(1) if samples.ndim == 2 else samples, (*notes, *[AVERAGED] * several)
    peak = float(np.abs(mono).max())
    if peak > LOUDEST:
        return (
            f"its float samples reach {peak:.6g}, but full scale is 1: they are integers stored as floats; "
            f"divide them by {2 ** max(7, math.ceil(math.log2(peak)))}"
        )
    if peak > 1:
        mono, notes = mono / peak, (*notes, "float samples beyond full scale: scaled down to it")
    return Sound((mono * FULL).round().clip(-FULL, FULL - 1).astype(np.int16), int(rate), notes)


def _from_soundfile(content: bytes) -> tuple[int, np.ndarray, tuple[str, ...]]:
    """Rate, and samples in [-1, 1], [T] or [T, C]. Errors: what soundfile raises; ImportError without it."""
    import soundfile

    samples, rate = soundfile.read(io.BytesIO(content), dtype="float64")
    return rate, samples, ()


def _check_length(length: int, longest: int) -> None:
    """Errors: DataError for a window without a next sample to predict, or longer than all recordings."""
    if length < 2:
        raise DataError(f"length {length}: a window needs at least 2 samples")
    if length > max(LENGTH, longest):
        raise DataError(
            f"length {length}: the longest recording has {longest} samples; "
            f"give {option('length', longest)} or less"
        )


def _silent(recordings: Sequence[Recording]) -> tuple[str, ...]:
    """A note on recordings without a sound: all samples are equal."""
    count = sum(bool((r.samples == r.samples[:1]).all()) for r in recordings)
    are = "recordings are" if count > 1 else "recording is"
    return (f"{count:,} {are} silent throughout: leave out what is no example",) * (count > 0)


def _padded(sizes: Sequence[int], length: int, rate: int) -> tuple[str, ...]:
    """A note on recordings that are shorter than a window; if most are, with a length that suits them."""
    short = sum(size < length for size in sizes)
    if not short:
        return ()
    note = (
        f"{short:,} of {len(sizes):,} recordings are shorter than a window of {length:,} samples "
        f"({length / rate:.2g} s) and padded with silence"
    )
    fits = 2 ** int(math.log2(max(2.0, float(np.quantile(sizes, 1 - WHOLE)))))
    if 2 * short <= len(sizes) or fits >= length:
        return (note,)
    return (f"{note}; with {option('length', fits)} it would be {sum(size < fits for size in sizes):,}",)


def _overlapping(train: Sounds, rate: int) -> tuple[str, ...]:
    """A note on the number of training windows, if they overlap."""
    if len(train) == len(train.spans):
        return ()
    return (
        f"{len(train):,} windows of {len(train.spans):,} recordings in train: in a recording that is longer "
        f"than a window, one starts every {1000 * max(1, rate // 80) / rate:.3g} ms",
    )


def _at_one_rate(recordings: Sequence[Recording], given: int | None) -> tuple[list[Recording], int, str]:
    """The recordings at a given or their common rate, or resampled; the rate, and a note on it."""
    rates = {recording.rate for recording in recordings}
    rate = given or (rates.pop() if len(rates) == 1 and max(rates) <= HIGHEST else RATE)
    same = all(recording.rate == rate for recording in recordings)
    note = f"{rate} Hz as recorded" if same else f"resampled to {rate} Hz (polyphase, Kaiser window)"
    shown = recordings if same else announced(recordings, "recordings resampled")
    return [replace(r, samples=_resampled(r, rate), rate=rate) for r in shown], rate, note


def _resampled(recording: Recording, rate: int) -> np.ndarray:
    """The samples of a recording at another rate, int16."""
    if recording.rate == rate:
        return recording.samples
    return resample(recording.samples, recording.rate, rate).round().clip(-FULL, FULL - 1).astype(np.int16)
