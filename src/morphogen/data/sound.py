"""A folder of recordings: one sub-folder a class, or flat, as windows of samples.

The recordings of a part stand one after another, class by class, and windows run over them as over a text: every recorded sample is in
one test window, and none is padding. WAV is read by SciPy, anything else (FLAC, Ogg, MP3, AIFF) by the extra `audio`.

Several channels become their mean. The rate is that of the files, if they agree on one of at most 24 kHz, else 16 kHz; whatever has
another is resampled (polyphase filter, Kaiser window). Loudness is left as it was recorded. The split is by the samples that result.
"""

__all__ = [
    "LENGTH", "Recording", "Sounds", "WithMels", "holds_sounds", "load_sounds", "read_sound", "read_sound_content", "sounds_by_content",
]  # fmt: skip

import io
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from morphogen.conditioning.mel import MelSpectrogram
from morphogen.contract import Batch
from morphogen.data.dataset import DataError, Dataset, Examples
from morphogen.data.folders import check_skipped, files_by_class
from morphogen.data.splits import split
from morphogen.representations.audio import MuLaw

LENGTH = 8192  # samples of a window: more than most networks look back
LARGEST = 2**28  # bytes of one file
RATE, HIGHEST = 16_000, 24_000  # Hz: what files are brought to that disagree, and the most that is kept
RATES = 1_000, 384_000  # Hz that a file may say
FULL = 32768.0  # of 16 bits
SUFFIXES = {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".au"}


@dataclass(frozen=True)
class Recording:
    """One recording.

    Arguments:
        samples: int16 [T].
        rate: samples a second.
        label: number of its class.
        caption: what is said in it.
    """

    samples: np.ndarray
    rate: int
    label: int = 0
    caption: str = ""


class Sounds(Examples):
    """Windows of recordings that stand one after another: medium float [B, 1, length] in [-1, 1].

    Arguments:
        values: int16 [L], all recordings.
        starts: [N], each at most L - length.
        length: samples of one window.
        spans: where each recording begins and ends.
        labels: [N], or None.
        captions: what is said in each recording, () if nothing says.
    """

    def __init__(
        self, values: Int[Tensor, " l"], starts: Int[Tensor, " n"], length: int, spans: Sequence[tuple[int, int]] = (),
        labels: Int[Tensor, " n"] | None = None, captions: Sequence[str] = (),
    ):  # fmt: skip
        self.values, self.starts, self.length, self.spans = values, starts, length, tuple(spans)
        self.labels, self.captions = labels, tuple(captions)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        return Batch(self.around(indices, 0), None if self.labels is None else self.labels[indices])

    def around(self, indices: Int[Tensor, " b"], margin: int) -> Float[Tensor, "b 1 t"]:
        """Windows with so many samples more on either side; before the first recording and behind the last there is silence."""
        at = self.starts[indices][:, None] + torch.arange(-margin, self.length + margin)
        inside = (at >= 0) & (at < len(self.values))
        return (self.values[at.clamp(0, len(self.values) - 1)] * inside)[:, None].float() / FULL

    def recording(self, i: int) -> Float[Tensor, "1 1 t"]:
        """One whole recording."""
        start, end = self.spans[i]
        return self.values[None, None, start:end].float() / FULL


class WithMels(Examples):
    """The same windows, each with its own log-mel frames as the condition: what a vocoder learns from.

    Frames hear what stands before and behind the window too, so that its ends are like its middle.

    Arguments:
        sounds: the windows.
        mel: makes the frames [F, M] of a window.
    """

    def __init__(self, sounds: Sounds, mel: MelSpectrogram):
        self.sounds, self.mel = sounds, mel

    def __len__(self) -> int:
        return len(self.sounds)

    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        beside = -(-self.mel.window // (2 * self.mel.hop))  # frames that the window's first and last one reach over
        margin = beside * self.mel.hop
        around = self.sounds.around(indices, margin)
        return Batch(around[:, :, margin:-margin], self.mel(around)[:, beside:-beside])


def holds_sounds(path: Path) -> bool:
    """Whether most of a folder's files are named as sounds are."""
    files = [file for file in path.rglob("*") if not file.name.startswith(".") and file.is_file()]
    return 2 * sum(file.suffix.lower() in SUFFIXES for file in files) > len(files)


def load_sounds(path: Path, length: int = LENGTH) -> Dataset:
    """The recordings under `path`, with the names of its sub-folders as classes."""
    files, classes = files_by_class(path, lambda file: file.suffix.lower() in SUFFIXES, "recording")
    made = [(file, label, read_sound(file)) for file, label in files]
    good = [Recording(*sound, label) for _, label, sound in made if not isinstance(sound, str)]
    bad = [f"skipped {file.relative_to(path)}: {why}" for file, _, why in made if isinstance(why, str)]
    check_skipped(str(path), len(good), bad, "recording")
    try:
        return sounds_by_content(path.resolve().name, good, classes, length, tuple(bad))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def sounds_by_content(
    name: str, recordings: Sequence[Recording], classes: tuple[str, ...] = (), length: int = LENGTH, notes: tuple[str, ...] = ()
) -> Dataset:
    """Split by the samples of each recording; training windows begin every 12.5 ms, the others do not overlap.

    Arguments:
        name: of the data set.
        recordings: all of them.
        classes: the labels' names, () if there are none.
        length: samples of one window.
        notes: what else a person should know.

    Errors: DataError where a part would be shorter than a window.
    """
    if length < 2:
        raise DataError(f"length {length}: a window needs at least 2 samples")
    rates = {recording.rate for recording in recordings}
    rate = rates.pop() if len(rates) == 1 and max(rates) <= HIGHEST else RATE
    same = all(recording.rate == rate for recording in recordings)
    said = f"{rate} Hz as they are" if same else f"resampled to {rate} Hz (polyphase, Kaiser window)"
    heard = [Recording(_at_rate(r, rate), rate, r.label, r.caption) for r in recordings]
    parts = split([recording.samples.tobytes() for recording in heard])
    train, valid, test = (
        _windows([heard[i] for i in part], length, stride, bool(classes))
        for part, stride in ((parts.train, max(1, rate // 80)), (parts.valid, length), (parts.test, length))
    )
    if min(map(len, (train, valid, test))) == 0:
        least = min(len(part.values) for part in (train, valid, test))
        raise DataError(f"length {length}: a part or a class of it has {least} samples, less than one window; give more sound, or --length")
    line = parts.line.replace("each example's content", "each recording's samples").replace(" train,", " recordings train,", 1)
    return Dataset(name, "sound", train, valid, test, classes, MuLaw(length, rate), line, (said, *notes))


def read_sound(path: Path) -> tuple[np.ndarray, int] | str:
    """Samples of one channel, int16, and their rate; or why there are none."""
    try:
        if path.stat().st_size > LARGEST:
            return f"over {LARGEST >> 20} MB; cut it"
        content = path.read_bytes()
    except PermissionError:
        return "it may not be read; change its permissions"
    return read_sound_content(content, path.suffix.lower() in SUFFIXES)


def read_sound_content(content: bytes, named: bool = True) -> tuple[np.ndarray, int] | str:
    """The same of a file's content; `named`: as sounds are."""
    try:
        rate, samples = _from_wav(content) if content[:4] in (b"RIFF", b"RIFX", b"RF64") else _from_soundfile(content)
    except ImportError:
        return "needs the extra `audio`: pip install 'morphogen[audio]'" if named else "no sound"
    except Exception as error:  # ValueError, struct.error, LibsndfileError, ... on broken files
        return "no sound that can be read" if content else f"it is empty ({type(error).__name__})"
    if not RATES[0] <= rate <= RATES[1]:
        return f"{rate} samples a second, outside {RATES[0]} to {RATES[1]}"
    if samples.size == 0:
        return "it holds no sample"
    if not np.isfinite(samples).all():
        return "it holds samples that are no numbers"
    mono = samples.mean(1) if samples.ndim == 2 else samples
    return (mono * FULL).round().clip(-FULL, FULL - 1).astype(np.int16), int(rate)


def _from_wav(content: bytes) -> tuple[int, np.ndarray]:
    """Rate and samples in [-1, 1], [T] or [T, C]. Errors: whatever SciPy raises; a file that ends too early is an error too."""
    from scipy.io import wavfile

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=wavfile.WavFileWarning)
        warnings.filterwarnings("error", "Reached EOF")  # the later filter is asked first
        rate, samples = wavfile.read(io.BytesIO(content))
    if samples.dtype == np.uint8:
        return rate, (samples.astype(np.float32) - 128) / 128
    if np.issubdtype(samples.dtype, np.integer):
        return rate, samples / np.float64(-np.iinfo(samples.dtype).min)
    return rate, samples.astype(np.float64)


def _from_soundfile(content: bytes) -> tuple[int, np.ndarray]:
    import soundfile

    samples, rate = soundfile.read(io.BytesIO(content), dtype="float64")
    return rate, samples


def _at_rate(recording: Recording, rate: int) -> np.ndarray:
    if recording.rate == rate:
        return recording.samples
    from scipy.signal import resample_poly

    shared = math.gcd(rate, recording.rate)
    samples = resample_poly(recording.samples.astype(np.float64), rate // shared, recording.rate // shared)
    return samples.round().clip(-FULL, FULL - 1).astype(np.int16)


def _windows(recordings: Sequence[Recording], length: int, stride: int, labelled: bool) -> Sounds:
    """The recordings of a part one after another, and where its windows begin: none runs from one class into the next.

    In golden order, so that the first n windows are spread evenly over the part, whatever n is.
    """
    ordered = sorted(recordings, key=lambda recording: recording.label)  # stable: by hash within a class
    ends = np.cumsum([len(recording.samples) for recording in ordered]).tolist()
    spans = [(end - len(recording.samples), end) for end, recording in zip(ends, ordered, strict=True)]
    runs: dict[int, tuple[int, int]] = {}
    for recording, (start, end) in zip(ordered, spans, strict=True):
        runs[recording.label] = (runs.get(recording.label, (start, end))[0], end)
    each = [torch.arange(start, max(start, end - length + 1), stride) for start, end in runs.values()]
    starts = torch.cat(each)
    labels = torch.cat([torch.full((len(part),), label) for label, part in zip(runs, each, strict=True)])
    order = _golden(len(starts))
    values = torch.from_numpy(np.concatenate([recording.samples for recording in ordered]))
    captions = [recording.caption for recording in ordered] if any(recording.caption for recording in ordered) else ()
    return Sounds(values, starts[order], length, spans, labels[order] if labelled else None, captions)


def _golden(n: int) -> Tensor:
    """0 .. n-1, each step about 0.618 n onwards."""
    step = max(1, round(n * (math.sqrt(5) - 1) / 2))
    while n and math.gcd(step, n) != 1:
        step += 1
    return torch.arange(n) * step % max(1, n)
