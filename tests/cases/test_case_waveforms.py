"""Waveforms in memory.

Arrays of sounds with and without their rate, and files by name.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.io import wavfile

import morphogen as mg
from morphogen.component import ConfigError
from tests.cases import case
from tests.cases.test_case_memory import refused

RNG = np.random.default_rng(0)
WAVES = [(RNG.uniform(-0.5, 0.5, 1500) * 32767).astype(np.int16) for _ in range(24)]
KINDS = ["kick", "snare"] * 12
DATA = mg.load_data(WAVES, rate=44100, length=256)


@pytest.fixture(scope="module")
def wavenet() -> Any:
    return mg.build_system("wavenet", DATA, size="tiny")


def every(data: mg.data.Dataset) -> torch.Tensor:
    """The samples of all recordings, in ascending order."""
    return torch.cat([part.values for part in (data.train, data.valid, data.test)]).sort().values  # type: ignore[attr-defined]


@case(
    "`mg.train(model, waves)` or `log_prob(waves)` of arrays without a rate",
    "refused with `mg.load_data([(44100, x), ...], rate=...)`; floats `[N, 1, T]` are at the model's rate",
)
def test_waveforms_without_a_rate(wavenet: Any) -> None:
    floats = [wave / 32768 for wave in WAVES]
    for given in (WAVES, floats, np.stack(WAVES), np.stack(floats), [*WAVES, WAVES[0][:900]]):
        for call in (lambda x: mg.train(wavenet, x, steps=1), wavenet.log_prob):
            refused(
                lambda call=call, given=given: call(given),
                r"no rate: .*mg\.load_data\(\[\(44100, x\) for x in X\], y, rate=16000, length=256\)",
            )
    rows = DATA.test.first(2).medium
    for given in (rows, rows.numpy()):
        assert wavenet.log_prob(given).nats.shape == (2,)
    assert mg.train(wavenet, np.stack(floats)[:, None], steps=1).steps == 1
    refused(lambda: mg.train(wavenet, np.stack(WAVES)[:, None], steps=1), "write x / 32768")


@case(
    "waveforms of different lengths without a rate, for a model of 8 kHz",
    "refused with expressions that its rate and their lengths allow",
)
def test_the_remedies_for_waveforms_without_a_rate() -> None:
    waves = [wave[: 300 + 10 * i] / 32768 for i, wave in enumerate(WAVES)]
    own = mg.load_data([(8000, wave) for wave in waves], KINDS, length=400)
    model = mg.build_system("wavenet", own, size="tiny")
    remedy = r"give it, (.*) or, to train with labels, (.*); of the model's 8000 Hz, (.*)$"
    for given in (waves, np.stack([wave[:300] for wave in waves])):
        with pytest.raises(ConfigError) as error:
            mg.train(model, (given, KINDS), steps=1)
        found = re.search(remedy, str(error.value))
        assert found is not None
        for expression in found.groups():
            value = eval(expression, {"mg": mg, "X": given, "y": KINDS})  # noqa: S307
            value = value if isinstance(value, mg.data.Dataset) else (value, KINDS)
            assert mg.train(model, value, steps=1).steps == 1
    assert model.log_prob([(8000, wave) for wave in waves[:3]]).nats.shape == (3,)


@case(
    "`mg.train(model, [(44100, x), ...])`, `log_prob` of `(x, 44100)`, `samples.decode()`",
    "resampled to the model's rate, as `load_data` does",
)
def test_waveforms_with_their_rate(wavenet: Any) -> None:
    want = wavenet.log_prob(DATA.train.recording(0))
    recordings = [
        part.recording(i) for part in (DATA.train, DATA.valid, DATA.test) for i in range(len(part.spans))
    ]
    for given in ([(44100, w) for w in WAVES], [(w, 44100) for w in WAVES]):
        medium = wavenet.representation.check(given)
        assert medium.shape == (24, 1, 545)
        nearest = [min(float((row - one[0]).abs().max()) for one in recordings) for row in medium]
        assert max(nearest) <= 1 / 32768, "the recordings of load_data, before they are rounded to 16 bits"
        assert mg.train(wavenet, given, steps=1).steps == 1
    assert want.nats.shape == wavenet.log_prob((WAVES[0], 44100)).nats.shape == (1,)
    assert wavenet.representation.check((WAVES[0][:300], 44100)).shape == (1, 1, 256), "silence after the end"
    sounds = wavenet.sample(2).decode()
    assert wavenet.log_prob(sounds).nats.shape == (2,)
    refused(lambda: wavenet.log_prob([(44100, WAVES[0]), (44100, WAVES[1][:900])]), "have 327 to 545 samples")


@case("one recording `[T]`, or `[T, 2]` of two channels, in `log_prob`", "refused with the expression")
def test_one_recording(wavenet: Any) -> None:
    stereo = np.stack(WAVES[:2], 1)
    refused(lambda: wavenet.log_prob(WAVES[0]), r"\[1500\] and no rate: give one .*Hz, x\[None, None\]$")
    refused(lambda: wavenet.log_prob(stereo), r"\[1500, 2\] and no rate: .*Hz, x.mean\(1\)\[None, None\]$")
    mixed = wavenet.representation.check((stereo, 16000))
    assert torch.allclose(mixed[0, 0], torch.tensor(stereo).float().mean(1) / 32768, atol=1 / 32768)
    refused(lambda: mg.load_data(stereo, rate=44100), r"\[T, C\] is one recording; give a list of several")
    for given in ((WAVES[0], 44100), (44100, WAVES[0])):
        refused(lambda given=given: mg.load_data(given), "of one recording give a list of such pairs")


@case(
    "recordings of 44.1 and 48 kHz in one list, each with its rate",
    "resampled to 16 kHz, as a folder of them",
)
@case("a list of the names of sound files, `glob('hits/*.wav')`", "the sounds of these files")
def test_files_and_several_rates(tmp_path: Path) -> None:
    rates = [44100, 48000] * 12
    names = [tmp_path / f"{i:02d}.wav" for i in range(24)]
    for name, wave, rate in zip(names, WAVES, rates, strict=True):
        wavfile.write(name, rate, wave)
    want = every(mg.load_data(str(tmp_path), length=256))
    for given in (names, [str(name) for name in names], list(zip(rates, WAVES, strict=True))):
        data = mg.load_data(given, length=256)
        assert data.representation.rate == 16000 and torch.equal(every(data), want)
    assert mg.load_data(names, KINDS, length=256).classes == ("kick", "snare")
    names[3].write_text("hello")
    refused(lambda: mg.load_data(names), r"03\.wav: not a readable sound file; leave it out$")


@case(
    'a mapping, a DataFrame or records with a column of waveforms, `{"audio": waves, "label": kinds}`',
    "sounds with classes, with `rate=`; without, refused: it is asked for",
)
def test_waveforms_in_columns() -> None:
    mixed = [np.stack([wave, wave], 1) if i % 2 else wave for i, wave in enumerate(WAVES)]
    want = every(mg.load_data(WAVES, rate=8000, length=256))
    for waves in (WAVES, mixed, np.stack(WAVES)):
        columns = {"audio": waves, "label": KINDS}
        frame = pd.DataFrame({"audio": list(waves), "label": KINDS})
        for given in (columns, frame, frame.to_dict("records")):
            data = mg.load_data(given, rate=8000, length=256)
            assert data.classes == ("kick", "snare") and torch.equal(every(data), want)
    columns = {"audio": WAVES, "label": KINDS}
    frame = pd.DataFrame(columns)
    for given in (columns, frame, frame.to_dict("records")):
        refused(lambda given=given: mg.load_data(given), "'audio' holds arrays of numbers: of sounds give")
    rated = {"audio": [{"array": wave, "sampling_rate": 8000} for wave in WAVES], "label": KINDS}
    assert torch.equal(every(mg.load_data(rated, length=256)), want)
    assert mg.load_data([((8000, w), k) for w, k in zip(WAVES, KINDS, strict=True)], length=256).classes


@case("`load_data(x, rate=44100)` of one waveform `[T]`", "refused: give a list of several")
def test_one_waveform_is_no_list() -> None:
    for one in (WAVES[0], torch.from_numpy(WAVES[0])):
        refused(lambda one=one: mg.load_data(one, rate=44100), r"mg\.load_data\(\[x, \.\.\.\], rate=44100\)")
