"""Sound: float [B, 1, T] in [-1, 1], shown as a spectrogram and saved as WAV.

decibels = 20 log10(|X| / max |X|),     X = STFT of the samples
"""

__all__ = ["SOUND", "SoundMedium", "Waveform"]

import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.lazy import lazy
from morphogen.media import Medium, ReadingOptions
from morphogen.numerics.spectrum import stft

LOUDEST = 32767  # largest 16-bit magnitude of both signs
RANGE = 80.0  # dynamic range of a spectrogram, in decibels


@dataclass(frozen=True)
class Waveform:
    """A sound that can be saved as a WAV file or shown as a spectrogram.

    Arguments:
        samples: [T] in [-1, 1].
        rate: samples per second.
    """

    samples: Float[Tensor, " t"]
    rate: int

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return len(self.samples) / self.rate

    def save(self, path: str | Path) -> None:
        """Write a mono 16-bit WAV file; samples outside of [-1, 1] are clipped."""
        values = (self.samples.double().clamp(-1, 1) * LOUDEST).round().to(torch.int16)
        with Path(path).open("wb") as file, wave.open(file) as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(self.rate)
            sound.writeframes(values.numpy().astype("<i2").tobytes())

    def spectrogram(self, window: int = 256) -> Image.Image:
        """The spectrogram, with time to the right and frequency upwards.

        Black is the maximum and white 80 decibels below it; a column is a quarter of `window` samples.
        """
        magnitude = stft(self.samples.double()[None], window, max(1, window // 4))[0].abs()
        magnitude = magnitude.clamp_min(1e-9)
        decibels = 20 * (magnitude / magnitude.amax().clamp_min(1e-6)).log10()
        brightness = (-decibels / RANGE).clamp(0, 1).t().flip(0)
        return Image.fromarray((255 * brightness).round().byte().numpy().astype(np.uint8))


class SoundMedium(Medium):
    """Sounds: `Waveform` objects, from folders with one sub-folder per class, or flat."""

    name = "sound"
    element = "sample"
    suffix = "wav"
    suffixes = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".au")
    has_class_folders = True
    features = lazy("evaluation.features.sound_features")
    corruptions = lazy("evaluation.corruptions.sound_corruptions")
    holds = lazy("data.sound_arrays.holds_sounds")
    collect = lazy("data.sound_arrays.collect_sounds")
    read_folder = lazy("data.sound.load_sounds")
    given = lazy("data.sound_arrays.sounds_for")
    window = lazy("data.sound.LENGTH")
    few = 5_000
    goals = dict.fromkeys(("quality", "likelihood", "speed", "few"), ("wavenet",))

    def save(self, path: Path, samples: Sequence[Any], records: Sequence[Mapping[str, Any]]) -> None:
        samples[0].save(path)

    def preview(self, sample: Waveform) -> Image.Image:
        return sample.spectrogram()

    def confidence(self, path: Path) -> float:
        return super().confidence(path) if path.is_dir() else 0.0

    def read(self, path: Path, options: ReadingOptions) -> Any:
        return self.read_folder(path, self.window if options.length is None else options.length)

    def reading(self, representation: Any) -> Mapping[str, Any]:
        return {"rate": representation.rate, "length": representation.length}

    def check_comparable(self, model: Any, data: Any) -> None:
        """Errors: ConfigError for another rate: the same samples are another sound."""
        if model.rate != data.rate:
            raise ConfigError(
                f"the sounds have {data.rate} samples a second, the model is for {model.rate}; resample "
                f"them, mg.load_data([(44100, x) for x in X], rate={model.rate})"
            )

    def describe(self, data: Any) -> tuple[str, str, int]:
        shape = f"windows of {data.train.length} samples, {data.representation.rate} Hz"
        return shape, f"{data.representation.levels} levels (mu-law)", super().describe(data)[2]


SOUND = SoundMedium()
