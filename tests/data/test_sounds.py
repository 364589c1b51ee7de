"""Folders of recordings as people have them: several formats, rates and channels, broken files, classes or none."""

import io
import os
import wave

import numpy as np
import pytest
import torch

from morphogen.conditioning.mel import MelSpectrogram
from morphogen.data import DataError, Sounds, WithMels, asterisk, load
from morphogen.data import sound as sounds_module
from morphogen.data.named import NAMED
from morphogen.data.sound import FULL, Recording, read_sound, sounds_by_content


def noise(n, samples=400, seed=0):
    return np.random.default_rng(seed).integers(-20_000, 20_000, (n, samples), dtype=np.int16)


def write(path, values, rate=8000, width=2):
    """A WAV file: int16 [T] or [T, C], or what `width` bytes make of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.atleast_2d(values.T).T
    with wave.open(str(path), "wb") as file:
        file.setnchannels(values.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate)
        if width == 1:
            file.writeframes(((values >> 8) + 128).astype(np.uint8).tobytes())
        else:  # the low bytes are zero
            padded = values.astype("<i4") << 8 * (width - 2)
            file.writeframes(padded.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :width].tobytes())
    return path


def fill(folder, n=30, **numbers):
    for i, values in enumerate(noise(n, seed=len(folder.name))):
        write(folder / f"{i:03d}.wav", values, **numbers)


def everything(data):
    return torch.cat([part.values for part in (data.train, data.valid, data.test)])


def test_every_sample_is_in_one_part_and_test_windows_do_not_overlap(tmp_path):
    fill(tmp_path)
    data = load(str(tmp_path), length=100)
    assert data.medium == "sound" and data.classes == () and data.representation.rate == 8000 and data.representation.shape == (100,)
    assert len(everything(data)) == 30 * 400 and data.train.first(1).condition is None and data.notes == ("8000 Hz as they are",)
    starts = data.test.starts.sort().values
    assert (starts.diff() == 100).all() and len(starts) == len(data.test.values) // 100
    assert (data.train.starts.sort().values.diff() == 100).all(), "12.5 ms"
    window = data.test[torch.tensor([1])].medium[0, 0]
    at = int(data.test.starts[1])
    assert torch.equal(window * FULL, data.test.values[at : at + 100].float())
    whole = data.test.recording(0)
    assert whole.shape == (1, 1, 400) and torch.equal(whole[0, 0] * FULL, data.test.values[:400].float())


def test_names_do_not_matter(tmp_path):
    values = noise(20)
    for i, row in enumerate(values):
        write(tmp_path / "one" / f"{i:02d}.wav", row)
        write(tmp_path / "two" / f"{19 - i:02d}.wav", row)
    one, two = load(str(tmp_path / "one"), length=100), load(str(tmp_path / "two"), length=100)
    assert torch.equal(everything(one), everything(two)) and one.split == two.split


def test_subfolders_are_classes_and_no_window_runs_from_one_into_the_next(tmp_path):
    for name, low in (("b", 100), ("a", -20_000)):
        for i, row in enumerate(noise(15, seed=low % 7)):
            write(tmp_path / name / f"{i}.wav", np.abs(row) if low > 0 else -np.abs(row) - 1)
    data = load(str(tmp_path), length=300)
    assert data.classes == ("a", "b")
    for part in (data.train, data.valid, data.test):
        batch = part.first()
        assert torch.equal(batch.condition, (batch.medium[:, 0] >= 0).all(1).long())
        assert ((batch.medium[:, 0] >= 0).all(1) | (batch.medium[:, 0] < 0).all(1)).all()


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_every_width_of_sample_is_the_same_sound(tmp_path, width):
    values = noise(1)[0]
    found, rate = read_sound(write(tmp_path / "a.wav", values, width=width))
    assert rate == 8000 and np.abs(found.astype(int) - values).max() <= (256 if width == 1 else 0)


def test_two_channels_become_their_mean_and_floats_are_read(tmp_path):
    from scipy.io import wavfile

    left, right = noise(2)
    found, _ = read_sound(write(tmp_path / "two.wav", np.stack([left, right], 1)))
    assert np.abs(found - (left.astype(float) + right) / 2).max() <= 0.5
    wavfile.write(tmp_path / "float.wav", 8000, np.array([0.0, 0.5, -1.0, 2.0], np.float32))
    assert read_sound(tmp_path / "float.wav")[0].tolist() == [0, 16384, -32768, 32767]


def test_other_formats_are_read_by_the_extra_or_name_it(tmp_path, monkeypatch):
    soundfile = pytest.importorskip("soundfile")
    values = noise(1)[0]
    soundfile.write(tmp_path / "a.flac", values, 8000)
    found, rate = read_sound(tmp_path / "a.flac")
    assert rate == 8000 and np.array_equal(found, values)
    monkeypatch.setitem(__import__("sys").modules, "soundfile", None)
    assert read_sound(tmp_path / "a.flac") == "needs the extra `audio`: pip install 'morphogen[audio]'"


@pytest.mark.parametrize(("rates", "rate"), [((8000, 16_000), 16_000), ((44_100, 44_100), 16_000), ((22_050, 22_050), 22_050)])
def test_rates_that_differ_or_are_high_become_one(tmp_path, rates, rate):
    t = np.arange(8000)
    for i in range(12):
        of = rates[i % 2]
        write(tmp_path / f"{i}.wav", (8000 * np.sin(2 * np.pi * (500 + i) * t / of)).astype(np.int16), rate=of)
    data = load(str(tmp_path), length=1000)
    assert data.representation.rate == rate and ("resampled" in data.notes[0]) == (set(rates) != {rate})
    peak = np.abs(np.fft.rfft(data.test.recording(0)[0, 0].numpy())).argmax() * rate / data.test.recording(0).shape[2]
    assert 495 < peak < 516


def test_a_tenth_of_broken_files_is_skipped_and_listed_more_is_refused(tmp_path):
    fill(tmp_path, 46)
    whole = (tmp_path / "000.wav").read_bytes()
    broken = {
        "half.wav": whole[: len(whole) // 2], "notes.txt": b"hello", "empty.wav": b"", "head.wav": whole[:44],
        "rate.wav": whole[:24] + b"\1\0\0\0" + whole[28:],
    }  # fmt: skip
    for name, content in broken.items():
        (tmp_path / name).write_bytes(content)
    data = load(str(tmp_path), length=100)
    assert len(everything(data)) == 46 * 400
    assert sorted(note.split(":")[0] for note in data.notes[1:]) == [f"skipped {name}" for name in sorted(broken)]
    assert all("\n" not in note for note in data.notes)
    for i in range(6):
        (tmp_path / f"more{i}.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match=r"11 of 57 files cannot be used \(skipped empty.wav: it is empty"):
        load(str(tmp_path), length=100)


def test_a_header_that_promises_gigabytes_takes_no_memory(tmp_path):
    path = write(tmp_path / "a.wav", noise(1)[0])
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = (2**32 - 10).to_bytes(4, "little")
    path.write_bytes(content)
    assert isinstance(read_sound(path), str | tuple)
    with path.open("wb") as file:
        file.truncate(sounds_module.LARGEST + 1)  # a hole: nothing is written
    assert read_sound(path) == "over 256 MB; cut it"


def test_damaged_files_never_raise(tmp_path):
    """500 files with bytes changed anywhere (seed 0): each is read, or the reason is one line."""
    whole, rng = write(tmp_path / "a.wav", noise(1)[0]).read_bytes(), np.random.default_rng(0)
    for _ in range(500):
        content = bytearray(whole[: rng.integers(1, len(whole) + 1)])
        for at in rng.integers(0, min(len(content), 60), 4):
            content[at] = rng.integers(256)
        (tmp_path / "b.wav").write_bytes(content)
        found = read_sound(tmp_path / "b.wav")
        assert "\n" not in found if isinstance(found, str) else found[0].dtype == np.int16


def test_what_cannot_be_used_is_told_in_a_line(tmp_path):
    fill(tmp_path / "few", 2)
    fill(tmp_path / "short", 30)
    fill(tmp_path / "mixed" / "a", 5)
    write(tmp_path / "mixed" / "loose.wav", noise(1)[0])
    for folder, length, line in (
        ("few", 100, "2 recording is too few"), ("short", 50_000, "less than one window; give more sound, or --length"),
        ("short", 1, "a window needs at least 2 samples"), ("mixed", 100, "put each recording in the folder of its class"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=line) as refused:
            load(str(tmp_path / folder), length=length)
        assert "\n" not in str(refused.value)
    if os.getuid() != 0:
        (tmp_path / "short" / "000.wav").chmod(0)
        assert "may not be read" in load(str(tmp_path / "short"), length=100).notes[1]


def test_frames_are_of_the_recordings_and_not_of_the_window():
    recordings = [Recording(row, 8000) for row in noise(30, 1000)]
    data, mel = sounds_by_content("a", recordings, length=250), MelSpectrogram(8000, window=100, hop=50, bands=4)
    windows = WithMels(data.train, mel)
    assert len(windows) == len(data.train)
    batch, at = windows[torch.tensor([3])], int(data.train.starts[3])
    assert batch.medium.shape == (1, 1, 250) and batch.condition.shape == (1, 6, 4)
    around = data.train.values[None, None, at - 100 : at + 400].float() / FULL
    torch.testing.assert_close(batch.condition[0], mel(around)[0, 2:8])
    last = int(data.train.starts.argmax())
    end = int(data.train.starts[last])
    tail = mel(data.train.values[None, None, end - 100 :].float() / FULL)[0, 2:8]
    torch.testing.assert_close(windows[torch.tensor([last])].condition[0], tail)
    assert WithMels(data.train, MelSpectrogram(8000, window=100, hop=40, bands=4)).first(2).condition.shape == (2, 8, 4)


def test_the_prompts_of_asterisk_come_with_their_texts(monkeypatch, tmp_path):
    import hashlib
    import zipfile

    content, texts = io.BytesIO(), "; a comment: no prompt\nhello: Hello, world.\nsilence:\n"
    with zipfile.ZipFile(content, "w") as archive:
        for i, row in enumerate(noise(30, 9000)):
            path = write(tmp_path / "raw" / f"{i}.wav", row)
            archive.write(path, f"digits/{i}.wav")
            texts += f"digits/{i}: number {i}: yes\n"
        archive.write(path, "unsaid.wav")
    monkeypatch.setenv("MORPHOGEN_DATA", str(tmp_path))
    files = {"sounds.zip": content.getvalue(), "core-sounds-en.txt": texts.encode()}
    for file, of in files.items():
        (tmp_path / "asterisk").mkdir(exist_ok=True)
        (tmp_path / "asterisk" / file).write_bytes(of)
    monkeypatch.setattr(asterisk, "ASTERISK_FILES", {file: hashlib.sha256(of).hexdigest() for file, of in files.items()})
    data = load("asterisk")
    captions = [caption for part in (data.train, data.valid, data.test) for caption in part.captions]
    assert sorted(captions) == sorted(f"number {i}: yes" for i in range(30))
    said = dict(zip(data.test.captions, range(len(data.test.captions)), strict=True))
    caption, i = next(iter(said.items()))
    number = int(caption.split()[1].rstrip(":"))
    assert np.array_equal((data.test.recording(i)[0, 0] * FULL).numpy().astype(np.int16), noise(30, 9000)[number])


def test_what_was_measured_of_asterisk():
    if not NAMED["asterisk"].here:
        pytest.skip("make data brings asterisk")
    data = load("asterisk")
    parts = (data.train, data.valid, data.test)
    assert all(isinstance(part, Sounds) for part in parts)
    assert [len(part.spans) for part in parts] == [423, 59, 86] and data.representation.rate == 8000
    assert 25.4 * 60 < sum(len(part.values) for part in parts) / 8000 < 25.5 * 60
    assert sum(len(caption.split()) >= 4 for part in parts for caption in part.captions) == 257
    assert "Agent Logged off." in {caption for part in parts for caption in part.captions}
