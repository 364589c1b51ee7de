"""A resampled tone is the same tone at the other rate."""

import numpy as np
import pytest

from morphogen.numerics.resampling import resample


@pytest.mark.parametrize(("rate", "to"), [(44_100, 16_000), (8000, 22_050), (16_000, 16_000)])
def test_a_tone_keeps_its_pitch(rate: int, to: int) -> None:
    seconds = 0.1
    tone = np.sin(2 * np.pi * 440 * np.arange(round(rate * seconds)) / rate)
    got = resample(tone, rate, to)
    want = np.sin(2 * np.pi * 440 * np.arange(len(got)) / to)
    inner = slice(len(got) // 5, -len(got) // 5)  # a filter has edges
    assert abs(len(got) - to * seconds) <= 1 and np.abs(got - want)[inner].max() < 0.01
