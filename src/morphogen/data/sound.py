"""Folders of recordings as windows of samples: one sub-folder per class, or flat.

The recordings of a part are concatenated class by class, and windows are cut from the result as from a text:
test windows contain recorded samples only, each at most once, and no padding. WAV is read by `wav`; other
formats (FLAC, Ogg, MP3, AIFF) need the extra `audio`.

Several channels are averaged. The sample rate is that of the files if all have the same rate of at most 24
kHz, else 16 kHz; files with another rate are resampled (polyphase filter, Kaiser window). Loudness is not
normalised, but a float file beyond full scale is scaled down to it. The split is by the resulting samples.
"""

__all__ = [
    "LENGTH",
    "Recording",
    "Sound",
    "Sounds",
    "WithMels",
    "load_sounds",
    "read_sound",
    "read_sound_content",
    "sounds_by_content",
]

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from morphogen.conditioning.mel import MelSpectrogram
from morphogen.contract import Batch
from morphogen.data.dataset import DataError, Dataset, Examples, with_labels
from morphogen.data.folders import check_skipped, list_folder, summarise
from morphogen.data.splits import Part, split, trained_only
from morphogen.data.wav import is_wav, read_wav
from morphogen.media.sound import SOUND
from morphogen.representations.audio import MuLaw

LENGTH = 8192  # samples per window: longer than the receptive field of most networks
LARGEST = 2**28  # bytes per file
RATE, HIGHEST = 16_000, 24_000  # Hz: target rate of resampling, and the highest rate that is not resampled
RATES = 1_000, 384_000  # Hz: valid rates of a file
FULL = 32768.0  # full scale of 16 bits
LOUDEST = 16.0  # highest peak of floats that are not integers, 24 dB above full scale
UNUSED = 0.1  # largest fraction of the samples that may be in no window


class Sound(NamedTuple):
    """A sound file that was read: mono int16 samples [T], their rate, and what was done to them."""

    samples: np.ndarray
    rate: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recording:
    """One recording.

    Arguments:
        samples: int16 [T].
        rate: samples per second.
        label: index of its class.
        caption: transcript, or "".
        part: of the data's own split; None: they have none.
    """

    samples: np.ndarray
    rate: int
    label: int = 0
    caption: str = ""
    part: Part | None = None


class Sounds(Examples):
    """Windows of concatenated recordings: medium float [B, 1, length] in [-1, 1].

    Arguments:
        values: int16 [L], all recordings.
        starts: [N], each at most L - length.
        length: samples per window.
        spans: start and end of each recording.
        labels: [N], or None.
        captions: transcript of each recording, or ().
    """

    def __init__(
        self,
        values: Int[Tensor, " l"],
        starts: Int[Tensor, " n"],
        length: int,
        spans: Sequence[tuple[int, int]] = (),
        labels: Int[Tensor, " n"] | None = None,
        captions: Sequence[str] = (),
    ):
        self.values, self.starts, self.length, self.spans = values, starts, length, tuple(spans)
        self.labels, self.captions = labels, tuple(captions)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        return Batch(self.around(indices, 0), {} if self.labels is None else {"label": self.labels[indices]})

    def contents(self) -> Iterator[Shaped[Tensor, "..."]]:
        yield from (self.values, self.starts, *([] if self.labels is None else [self.labels]))

    def around(self, indices: Int[Tensor, " b"], margin: int) -> Float[Tensor, "b 1 t"]:
        """Windows extended by `margin` samples on both sides; zeros where there is no recording."""
        positions = self.starts[indices][:, None] + torch.arange(-margin, self.length + margin)
        inside = (positions >= 0) & (positions < len(self.values))
        return (self.values[positions.clamp(0, len(self.values) - 1)] * inside)[:, None].float() / FULL

    @property
    def covered(self) -> int:
        """Number of samples that are in a window."""
        starts = self.starts.sort().values
        return int(starts.diff().clamp_max(self.length).sum()) + self.length if len(starts) else 0

    def recording(self, i: int) -> Float[Tensor, "1 1 t"]:
        """One whole recording."""
        start, end = self.spans[i]
        return self.values[None, None, start:end].float() / FULL


class WithMels(Examples):
    """Windows with their log-mel frames as the condition, as training data for a vocoder.

    The frames are computed with context before and after the window, so that its edges are not treated
    differently.

    Arguments:
        sounds: the windows.
        mel: computes the frames [F, M] of a window.
    """

    def __init__(self, sounds: Sounds, mel: MelSpectrogram):
        self.sounds, self.mel = sounds, mel

    def __len__(self) -> int:
        return len(self.sounds)

    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        # the first and the last frame of a window extend beyond it by half a frame
        frames = -(-self.mel.window // (2 * self.mel.hop))
        margin = frames * self.mel.hop
        extended = self.sounds.around(indices, margin)
        return Batch(extended[:, :, margin:-margin], {"mel": self.mel(extended)[:, frames:-frames]})

    def contents(self) -> Iterator[Shaped[Tensor, "..."]]:
        yield from self.sounds.contents()  # the frames are a function of the sounds


def load_sounds(path: Path, length: int = LENGTH) -> Dataset:
    """The recordings below `path`; the names of its sub-folders are the classes."""
    listing = list_folder(path, lambda file: file.suffix.lower() in SOUND.suffixes, "recording")
    sounds = [(example, read_sound(example.path)) for example in listing.examples]
    good = [(example, sound) for example, sound in sounds if isinstance(sound, Sound)]
    bad = [f"skipped {example.name}: {why}" for example, why in sounds if isinstance(why, str)]
    check_skipped(str(path), len(good), bad, "recording")
    recordings = [Recording(s.samples, s.rate, e.label, e.caption, e.part) for e, s in good]
    notes = (*listing.notes, *summarise({e.name: s.notes for e, s in good}), *bad)
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
) -> Dataset:
    """Split by the samples of each recording; training windows start every 12.5 ms, others do not overlap.

    Arguments:
        name: of the data set.
        recordings: all of them.
        classes: the class names, () if there are none.
        length: samples per window.
        notes: other facts for the user.

    Errors: DataError if a part would be shorter than a window.
    """
    _check_length(length)
    resampled, rate, note = _at_one_rate(recordings)
    parts = split([recording.samples.tobytes() for recording in resampled], [r.part for r in resampled])
    notes = (note, *notes, *parts.copied("recording"))
    if classes:
        parts, kept, more = trained_only(parts, [r.label for r in resampled], classes, "recording")
        resampled = [replace(r, label=kept.index(r.label) if r.label in kept else -1) for r in resampled]
        classes, notes = tuple(classes[label] for label in kept), (*notes, *more)
    strides = max(1, rate // 80), length, length
    train, valid, test = (
        _windows([resampled[i] for i in part], length, stride, bool(classes))
        for part, stride in zip((parts.train, parts.valid, parts.test), strides, strict=True)
    )
    notes = (*notes, *_check_unused((train, valid, test), length))
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
    mono = samples.mean(1) if samples.ndim == 2 else samples
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


def _check_length(length: int) -> None:
    """Errors: DataError for a window without a next sample to predict."""
    if length < 2:
        raise DataError(f"length {length}: a window needs at least 2 samples")


def _check_unused(parts: Sequence[Sounds], length: int) -> tuple[str, ...]:
    """A note on the samples in no window. Errors: DataError if those are over a tenth, or a part is empty."""
    if min(map(len, parts)) == 0:
        least = min(len(part.values) for part in parts)
        raise DataError(
            f"length {length}: a part of the split, or a class in it, is shorter than a window "
            f"(the shortest part has {least} samples); give more sound or a smaller --length"
        )
    total = sum(len(part.values) for part in parts)
    unused = 1 - sum(part.covered for part in parts) / total
    if unused > UNUSED:
        raise DataError(
            f"length {length}: {unused:.0%} of the samples would be in no window; give a smaller --length, "
            f"such as {max(2, length // 4)}"
        )
    return (f"{unused:.1%} of the samples are in no window",) if unused >= 0.001 else ()


def _at_one_rate(recordings: Sequence[Recording]) -> tuple[list[Recording], int, str]:
    """The recordings at their common rate, or resampled; the rate, and a note on it."""
    rates = {recording.rate for recording in recordings}
    rate = rates.pop() if len(rates) == 1 and max(rates) <= HIGHEST else RATE
    same = all(recording.rate == rate for recording in recordings)
    note = f"{rate} Hz as recorded" if same else f"resampled to {rate} Hz (polyphase, Kaiser window)"
    return [replace(r, samples=_resample(r, rate), rate=rate) for r in recordings], rate, note


def _resample(recording: Recording, rate: int) -> np.ndarray:
    """The samples of a recording at another rate, int16."""
    if recording.rate == rate:
        return recording.samples
    from scipy.signal import resample_poly

    divisor = math.gcd(rate, recording.rate)
    samples = resample_poly(recording.samples.astype(np.float64), rate // divisor, recording.rate // divisor)
    return samples.round().clip(-FULL, FULL - 1).astype(np.int16)


def _windows(recordings: Sequence[Recording], length: int, stride: int, labelled: bool) -> Sounds:
    """Concatenate the recordings of a part, and place windows that do not cross from one class into the next.

    The windows are in golden-ratio order, so that the first n of them are spread evenly over the part for
    every n.
    """
    ordered = sorted(recordings, key=lambda recording: recording.label)  # stable: by hash within a class
    ends = np.cumsum([len(recording.samples) for recording in ordered]).tolist()
    spans = [(end - len(recording.samples), end) for end, recording in zip(ends, ordered, strict=True)]
    classes: dict[int, tuple[int, int]] = {}  # start and end of the recordings of each class
    for recording, (start, end) in zip(ordered, spans, strict=True):
        classes[recording.label] = (classes.get(recording.label, (start, end))[0], end)
    starts_of = [torch.arange(start, max(start, end - length + 1), stride) for start, end in classes.values()]
    starts = torch.cat(starts_of)
    label = torch.cat(
        [torch.full((len(part),), label) for label, part in zip(classes, starts_of, strict=True)]
    )
    order = _golden(len(starts))
    values = torch.from_numpy(np.concatenate([recording.samples for recording in ordered]))
    captions = [recording.caption for recording in ordered]
    return Sounds(
        values,
        starts[order],
        length,
        spans,
        label[order] if labelled else None,
        captions if any(captions) else (),
    )


def _golden(n: int) -> Tensor:
    """A permutation of 0 .. n-1 that advances by about 0.618 n per step, modulo n."""
    step = max(1, round(n * (math.sqrt(5) - 1) / 2))
    while n and math.gcd(step, n) != 1:
        step += 1
    return torch.arange(n) * step % max(1, n)
