"""Log-mel spectrograms: frame positions and values; as a condition, which samples each frame affects."""

import math

import pytest
import torch

from morphogen.component import ConfigError, from_config, to_config
from morphogen.conditioning.mel import Mel, MelSpectrogram
from morphogen.contract import Batch
from morphogen.numerics.randomness import Rng
from morphogen.representations.audio import MuLaw
from morphogen.systems.wavenet import wavenet
from morphogen.testing import LAWS, check_model


def test_there_is_a_frame_per_hop_plus_one_and_silence_has_the_floor_value() -> None:
    mel = MelSpectrogram(8000)
    assert mel(torch.zeros(1, 1, 1000)).shape == (1, 11, 64) and mel(torch.zeros(1, 1, 1001)).shape == (
        1,
        12,
        64,
    )
    assert torch.allclose(
        mel(torch.zeros(1, 1, 400)), torch.tensor(math.log(1e-4))
    ) and mel.silence == math.log(1e-4)
    click = torch.zeros(1, 1, 2000)
    click[0, 0, 700] = 1
    frames = mel(click)[0].exp().sum(1)
    assert frames.argmax() == 7 and (frames[[4, 10]] < 0.02).all()


def test_tokens_cover_the_sound_and_depend_on_adjacent_frames() -> None:
    mel = MelSpectrogram(8000, window=40, hop=10, bands=4)
    condition = Mel(mel, width=6, tokens_per_frame=5)
    frames = mel(torch.randn(1, 1, 95))
    assert condition.samples_per_token == 2 and condition(frames).tokens.shape == (1, 50, 6)
    other = frames.clone()
    other[:, 6] += 1
    changed = ((condition(other).tokens - condition(frames).tokens).abs().amax(-1)[0] > 0).nonzero()[:, 0]
    assert changed[0] == 5 * 4 and changed[-1] == 5 * 8 - 1, (
        "one frame on either side, plus half a frame by the interpolation"
    )
    assert to_config(from_config(to_config(condition))) == to_config(condition)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: MelSpectrogram(8000, bands=300), "300 bands are too many for a window of 400"),
        (lambda: MelSpectrogram(8000, hop=0), "out of range"),
        (lambda: MelSpectrogram(8000, high=5000.0), "out of range"),
        (lambda: Mel(MelSpectrogram(8000), 8, tokens_per_frame=3), "rise 3: must divide the hop of 100"),
    ],
)
def test_invalid_arguments_raise_in_one_line(make, line: str) -> None:
    with pytest.raises(ConfigError, match=line) as error:
        make()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("law", LAWS)
def test_a_vocoder_satisfies_every_law(law: str) -> None:
    mel = MelSpectrogram(8000, window=16, hop=5, bands=2)
    torch.manual_seed(0)
    medium = 2 * Rng(7, 12).uniform(1, 24) - 1
    check_model(
        wavenet(MuLaw(24, 8000, 16), size="tiny", mel=mel), Batch(medium, {"mel": mel(medium)}), [law]
    )
