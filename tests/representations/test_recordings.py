"""Recordings that say their rate are told from labelled rows, and mixed down to one channel."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from morphogen.media.sound import Waveform
from morphogen.representations.recordings import USUAL, mono, rated

WAVE = np.linspace(-0.5, 0.5, 40)


@given(st.integers(1, 400_000), st.sampled_from([(), (1,), (2,)]))
def test_the_rate_may_be_on_both_sides(rate: int, channels: tuple[int, ...]) -> None:
    """Behind the samples only a usual rate is one: other numbers can be labels."""
    wave = np.zeros((40, *channels))
    assert rated((rate, wave)).rate == rate  # type: ignore[union-attr]
    assert (rated((wave, rate)) is not None) == (rate in USUAL)
    assert rated({"array": wave, "sampling_rate": rate}).rate == rate  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "value",
    [
        (WAVE, 3),
        (WAVE, True),
        (3.5, WAVE),
        (WAVE, "8000"),
        (np.zeros((8, 8)), 8000),
        WAVE,
        (8000, 16000),
        None,
    ],
)
def test_what_does_not_say_a_rate(value: Any) -> None:
    assert rated(value) is None


def test_a_waveform_and_tensors_say_theirs() -> None:
    sound = Waveform(torch.zeros(40), 11_025)
    assert rated(sound).rate == 11_025 == rated((sound.samples, np.int64(11_025))).rate  # type: ignore[union-attr]
    assert rated((WAVE, 22_050.0)).rate == 22_050  # type: ignore[union-attr]


def test_mono() -> None:
    integers = (WAVE * 32768).astype(np.int16)
    assert np.abs(mono(integers) - WAVE).max() < 1e-4 and np.array_equal(mono(WAVE), WAVE)
    assert np.allclose(mono(np.stack([WAVE, -WAVE], 1)), 0) and np.allclose(mono(np.stack([WAVE] * 2)), WAVE)
    assert mono(np.array([0, 128], np.uint8)).tolist() == [-1, 0]
    for wrong in (np.zeros((3, 3)), np.zeros(0), np.array(["a"]), np.array([np.nan])):
        with pytest.raises(ValueError, match=r"give its samples, \[T\]|not finite"):
            mono(wrong)
