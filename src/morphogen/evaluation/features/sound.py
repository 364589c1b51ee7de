"""Statistics of log-mel bands as features of sound, 96-d; they hear timbre and rhythm, not words.

No paper: these are plain statistics; `conditioning.mel` has the reference of the bands.
"""

__all__ = ["SpectrumFeatures", "sound_features"]

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.conditioning.mel import MelSpectrogram
from morphogen.data.dataset import Dataset
from morphogen.evaluation.features.space import Features, digest


def sound_features(data: Dataset) -> Features:
    """Statistics of log-mel bands, at the sampling rate of the data."""
    representation: Any = data.representation
    return SpectrumFeatures(representation.rate)


class SpectrumFeatures(Features):
    """Statistics over time of 32 log-mel bands: mean, standard deviation and mean absolute change per frame.

    Arguments:
        rate: sampling rate in Hz; frames are 32 ms long with a hop of 16 ms.
    """

    name = "mel"

    def __init__(self, rate: int):
        self.mel = MelSpectrogram(rate, window=rate // 125 * 4, hop=rate // 125 * 2, bands=32)
        self.sha256 = digest([self.mel.filters])

    def embed(self, medium: Float[Tensor, "b 1 t"]) -> Float[Tensor, "b d"]:
        frames = self.mel(medium)
        return torch.cat([frames.mean(1), frames.std(1, correction=0), frames.diff(dim=1).abs().mean(1)], 1)
