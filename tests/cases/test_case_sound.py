"""Sound.

Recordings as recorders, phones and pipes write them, and their transcripts.
"""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from morphogen.data import DataError, Dataset, load_data
from tests.cases import case


def tone(i: int, n: int = 400) -> np.ndarray:
    return np.random.default_rng(i).integers(-20_000, 20_000, n, dtype=np.int16)


def wav(values: np.ndarray, rate: int = 8000) -> bytes:
    content = io.BytesIO()
    wavfile.write(content, rate, values)
    return content.getvalue()


def load(folder: Path, contents, **options) -> Dataset:
    folder.mkdir(parents=True, exist_ok=True)
    for i, content in enumerate(contents):
        (folder / f"{i:02d}.wav").write_bytes(content)
    return load_data(str(folder), **{"length": 100} | options)


def refused(folder: Path, contents, **options) -> str:
    with pytest.raises(DataError) as error:
        load(folder, contents, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def samples(data: Dataset) -> set[int]:
    return {int(v) for part in (data.train, data.valid, data.test) for v in part.values}


@case(
    "WAV from a pipe: data size 0xFFFFFFFF, 0x7FFFF000 or 0",
    "read to the end of the file; a note",
    "ffmpeg-python#118",
)
def test_unknown_lengths(tmp_path):
    for size in (0xFFFF_FFFF, 0x7FFF_F000, 0):
        contents = [wav(tone(i)) for i in range(20)]
        contents = [c[:40] + struct.pack("<I", size) + c[44:] for c in contents]
        data = load(tmp_path / str(size), contents)
        note = (
            "20 files, such as 00.wav: its WAV header does not know the length: read to the end of the file"
        )
        assert note in data.notes and samples(data) == {int(v) for i in range(20) for v in tone(i)}


@case("a WAV file that was cut off", "what is there; a note")
def test_a_cut_off_file(tmp_path):
    data = load(tmp_path / "a", [*(wav(tone(i)) for i in range(20)), wav(tone(20))[:-200]])
    assert any(note.startswith("20.wav: cut off before the end") for note in data.notes)


@case("a float WAV file with a peak of 1.8", "scaled down to full scale, not clipped; a note", "librosa#696")
def test_floats_beyond_full_scale(tmp_path):
    loud = (np.sin(np.arange(400) / 5) * 1.8).astype(np.float32)
    data = load(tmp_path / "a", [*(wav(tone(i)) for i in range(20)), wav(loud)])
    assert "20.wav: float samples beyond full scale: scaled down to it" in data.notes
    half = round(float(loud[3]) / float(np.abs(loud).max()) * 32768)
    assert half in samples(data)


@case("16-bit integers stored as floats (peak 30000)", "refused with the divisor")
def test_integers_as_floats(tmp_path):
    why = refused(tmp_path / "a", [wav(tone(i).astype(np.float32)) for i in range(20)])
    assert "its float samples reach" in why and "divide them by 32768" in why


@case("NaN in a float WAV file", "skipped by name; refused if more than a tenth")
def test_samples_that_are_not_finite(tmp_path):
    bad = wav(np.full(400, np.nan, np.float32))
    data = load(tmp_path / "a", [*(wav(tone(i)) for i in range(20)), bad])
    assert any(note.startswith("skipped 20.wav: it has samples that are not finite") for note in data.notes)
    assert "not finite" in refused(tmp_path / "b", [bad] * 10)


@case("G.711 (mu-law and A-law) from telephony", "read, without an extra")
def test_g711(tmp_path):
    for kind in (6, 7):
        form = struct.pack("<HHIIHH", kind, 1, 8000, 8000, 1, 8)
        contents = []
        for i in range(20):
            content = np.random.default_rng(i).integers(0, 256, 400, dtype=np.uint8).tobytes()
            chunks = b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", 400) + content
            contents.append(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)
        values = samples(load(tmp_path / str(kind), contents))
        assert max(values) == {6: 32256, 7: 32124}[kind] and len(values) in (255, 256)


@case("24-bit, 8-bit and stereo files together", "mixed to one channel, 16 bits")
def test_widths_and_channels(tmp_path):
    contents = [wav(tone(i)) for i in range(18)]
    contents += [wav(np.stack([tone(18), tone(19)], 1)), wav((tone(20) // 256 + 128).astype(np.uint8))]
    data = load(tmp_path / "a", contents)
    mixed = (tone(18).astype(int) + tone(19)) / 2
    assert min(abs(value - mixed[0]) for value in samples(data)) <= 0.5


@case(
    "a class whose recordings are all shorter than a window", "a class: a window each, with silence after it"
)
def test_a_class_of_short_recordings(tmp_path):
    load(tmp_path / "a" / "long", [wav(tone(i, 4000)) for i in range(20)])
    (tmp_path / "a" / "short").mkdir()
    for i in range(12):
        (tmp_path / "a" / "short" / f"{i}.wav").write_bytes(wav(tone(100 + i, 10) | 1))
    data = load_data(str(tmp_path / "a"), length=200)
    batches = [part.first() for part in (data.train, data.valid, data.test)]
    short = torch.cat([batch.medium[batch.condition["label"] == 1, 0] for batch in batches])
    assert data.classes == ("long", "short") and short.shape == (12, 200)
    assert short[:, :10].all() and not short[:, 10:].any()


@case(
    "drum hits: recordings shorter than a window, among longer ones",
    "a window is of one recording, with silence after the end; a note, and the `--length` that fits most",
)
def test_windows_do_not_cross_recordings(tmp_path):
    sizes = [60, 80, 90, 150, 230] * 6
    hits = [np.full(size, 100 * (i + 1), np.int16) for i, size in enumerate(sizes)]
    data = load(tmp_path / "a", [wav(hit) for hit in hits])
    for part in (data.train, data.valid, data.test):
        assert all(len(window.unique()) == 1 + (window == 0).any() for window in part.first().medium)
        silent = (part.first().medium[:, 0] == 0).int()
        assert (silent.diff() >= 0).all(), "silence before the end"
    assert samples(data) == {100 * (i + 1) for i in range(30)}
    note = "18 of 30 recordings are shorter than a window of 100 samples (0.013 s) and padded with silence"
    assert f"{note}; with length=64 it would be 6" in data.notes


@case("a .txt of the same name, or `metadata.csv` with `file_name`", "the transcript of the recording")
def test_sidecar_transcripts(tmp_path):
    (tmp_path / "a").mkdir()
    for i in range(20):
        (tmp_path / "a" / f"{i:02d}.txt").write_text(f"number {i}")
    data = load(tmp_path / "a", [wav(tone(i)) for i in range(20)])
    said = {caption for part in (data.train, data.valid, data.test) for caption in part.captions}
    assert data.medium == "sound" and said == {f"number {i}" for i in range(20)}


@case("LJ Speech: `metadata.csv` with bars and a folder `wavs`; LibriSpeech: `*.trans.txt`", "transcripts")
def test_transcripts_in_one_file(tmp_path):
    for name, line in (
        ("metadata.csv", "{i:02d}|number {i}|number no {i}\n"),
        ("1.trans.txt", "{i:02d} number no {i}\n"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text("".join(line.format(i=i) for i in range(20)))
        data = load(folder, [wav(tone(i)) for i in range(20)])
        said = {caption for part in (data.train, data.valid, data.test) for caption in part.captions}
        assert data.medium == "sound" and said == {f"number no {i}" for i in range(20)}


@case("ESC-50: `meta/esc50.csv` with `filename,fold,target,category,...` beside `audio`", "the classes")
def test_labels_of_recordings(tmp_path):
    (tmp_path / "meta").mkdir()
    rows = [f"{i:02d}.wav,1,{i % 2},{('dog', 'rooster')[i % 2]},True" for i in range(20)]
    table = "\n".join(["filename,fold,target,category,esc10", *rows])
    (tmp_path / "meta" / "esc50.csv").write_text(table)
    load(tmp_path / "audio", [wav(tone(i)) for i in range(20)])
    data = load_data(str(tmp_path), length=100)
    assert data.medium == "sound" and data.classes == ("dog", "rooster") and not data.train.captions
    assert "esc50.csv: left out fold, target, esc10" in data.notes


@case(
    "recordings hardly longer than a window", "the last window of a recording ends with it: none is cut off"
)
def test_no_sample_is_unused(tmp_path):
    contents = [wav(tone(i)) for i in range(6)]
    data = load(tmp_path / "a", contents, length=250)
    for part in (data.train, data.valid, data.test):
        ends = {end for _, end in part.spans}
        assert ends <= set((part.starts + 250).tolist()) and not any("silence" in note for note in data.notes)


@case("a text that is called .wav", "skipped by name; refused if more than a tenth")
def test_a_text_called_wav(tmp_path):
    data = load(tmp_path / "a", [*(wav(tone(i)) for i in range(20)), b"hello"])
    assert "skipped 20.wav: not a readable sound file" in data.notes


@case("recordings in which every sample is equal", "a note that counts them")
def test_silent_recordings(tmp_path: Path) -> None:
    silent = [np.zeros(400, np.int16), np.full(300, 7, np.int16)]
    data = load(tmp_path / "a", [wav(values) for values in (*map(tone, range(8)), *silent)])
    assert "2 recordings are silent throughout: leave out what is no example" in data.notes
    data = load(tmp_path / "b", [wav(values) for values in map(tone, range(8))])
    assert not [note for note in data.notes if "silent" in note]
