"""The progress of reading is printed on a terminal, at most every few seconds."""

import sys

import numpy as np
import pytest

from morphogen.data import announced as module
from morphogen.data import sound
from morphogen.data.sound_windows import Recording


@pytest.fixture
def clock(monkeypatch):
    """A clock that advances by two seconds at each look; `terminal(False)` makes standard error a pipe."""
    seconds = iter(range(0, 10_000, 2))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(seconds))

    def terminal(is_one):
        monkeypatch.setattr(sys.stderr, "isatty", lambda: is_one)

    return terminal


@pytest.mark.parametrize("is_terminal", [True, False])
def test_lines_on_a_terminal_only(clock, capsys, is_terminal):
    clock(is_terminal)
    assert list(module.announced(range(1200), "files read")) == list(range(1200))
    lines = capsys.readouterr().err.splitlines()
    assert not lines if not is_terminal else lines[:2] == ["2 of 1,200 files read", "5 of 1,200 files read"]


def test_resampling_is_announced(clock, capsys):
    clock(True)
    waves = np.random.default_rng(0).integers(-9000, 9000, (12, 441), dtype=np.int16)
    data = sound.sounds_by_content("a", [Recording(wave, 44_100) for wave in waves], length=50)
    assert data.representation.rate == 16_000
    assert "2 of 12 recordings resampled" in capsys.readouterr().err.splitlines()
