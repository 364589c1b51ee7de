"""Folders of recordings: formats, sample rates and channels, broken files, with and without classes."""

import io
import os
import wave

import numpy as np
import pytest
import torch

from morphogen.conditioning.mel import MelSpectrogram
from morphogen.data import DataError, Sounds, WithMels, asterisk, load_data
from morphogen.data import sound as sounds_module
from morphogen.data.named import NAMED
from morphogen.data.sound import read_sound, sounds_by_content
from morphogen.data.sound_windows import FULL, Recording, place_windows


def noise(n, samples=400, seed=0):
    return np.random.default_rng(seed).integers(-20_000, 20_000, (n, samples), dtype=np.int16)


def write(path, values, rate=8000, width=2):
    """Write a WAV file of int16 [T] or [T, C], stored with `width` bytes per sample."""
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


def all_samples(data):
    return torch.cat([part.values for part in (data.train, data.valid, data.test)])


def test_each_sample_is_in_one_part_and_test_windows_do_not_overlap(tmp_path):
    fill(tmp_path)
    data = load_data(str(tmp_path), length=100)
    assert data.medium == "sound" and data.classes == ()
    assert data.representation.rate == 8000 and data.representation.shape == (100,)
    assert len(all_samples(data)) == 30 * 400
    n = len(data.train.spans)
    every = "in a recording that is longer than a window, one starts every 12.5 ms"
    windows = f"{4 * n} windows of {n} recordings in train: {every}"
    assert data.train.first(1).condition == {} and data.notes[:2] == ("8000 Hz as recorded", windows)
    starts = data.test.starts.sort().values
    assert (starts.diff() == 100).all() and len(starts) == len(data.test.values) // 100
    assert (data.train.starts.sort().values.diff() == 100).all(), "12.5 ms"
    window = data.test[torch.tensor([1])].medium[0, 0]
    start = int(data.test.starts[1])
    assert torch.equal(window * FULL, data.test.values[start : start + 100].float())
    whole = data.test.recording(0)
    assert whole.shape == (1, 1, 400) and torch.equal(whole[0, 0] * FULL, data.test.values[:400].float())


@pytest.mark.parametrize("stride", [1, 7, 100, 250])
def test_a_window_is_of_one_recording_and_each_sample_is_in_one(stride):
    """Sizes 1 to 900, windows of 250: an independent loop over the recordings makes the same windows."""
    sizes = [1, 249, 250, 251, 499, 500, 501, 900, 30]
    recordings = [
        Recording(row[:size] | 1, 8000, i % 2)
        for i, (row, size) in enumerate(zip(noise(9, 900), sizes, strict=True))
    ]
    sounds = place_windows(recordings, 250, stride, labelled=True)
    expected = []
    for recording in recordings:
        samples, last = recording.samples, max(0, len(recording.samples) - 250)
        for start in sorted({*range(0, last, stride), last}):
            window = samples[start : start + 250]
            expected.append((recording.label, *window.tolist(), *[0] * (250 - len(window))))
    batch = sounds.first()
    windows = (batch.medium[:, 0] * FULL).int().tolist()
    assert sorted(expected) == sorted(
        (int(y), *x) for y, x in zip(batch.condition["label"], windows, strict=True)
    )
    for (start, end), recording in zip(sounds.spans, sorted(recordings, key=lambda r: r.label), strict=True):
        covered = {j for s in sounds.starts.tolist() if start <= s < end for j in range(s, min(s + 250, end))}
        assert covered == set(range(start, end)) and end - start == len(recording.samples)
    expected_overlap = sum(sum(value != 0 for value in row[1:]) for row in expected) / sum(sizes)
    assert sounds.overlap == max(1, round(expected_overlap))
    joined = Sounds(sounds.values, sounds.starts, 250)
    contents = [[tensor.tolist() for tensor in each.contents()] for each in (sounds, joined)]
    assert contents[0][:2] == contents[1][:2] and contents[0][2] != contents[1][2], (
        "data.sha256 sees the ends"
    )


def test_short_recordings_are_noted_with_a_length_that_fits_if_most_are_short():
    def notes(*sizes, length=200):
        rows = noise(len(sizes), max(sizes))
        recordings = [Recording(row[:size], 8000) for row, size in zip(rows, sizes, strict=True)]
        return sounds_by_content("a", recordings, length=length).notes

    def short(n, of):
        window = "a window of 200 samples (0.025 s)"
        return f"{n} of {of} recordings are shorter than {window} and padded with silence"

    assert short(3, 10) in notes(*[300] * 7, *[150] * 3)
    assert f"{short(8, 10)}; with length=128 it would be 1" in notes(*[300] * 2, *[150] * 7, 20)
    assert notes(*[200] * 10) == ("8000 Hz as recorded",), "a recording of one window"
    with pytest.raises(
        DataError, match="length 9000: the longest recording has 300 samples; give length=300 or less"
    ):
        notes(*[300] * 10, length=9000)


def test_file_names_do_not_matter(tmp_path):
    values = noise(20)
    for i, row in enumerate(values):
        write(tmp_path / "one" / f"{i:02d}.wav", row)
        write(tmp_path / "two" / f"{19 - i:02d}.wav", row)
    one, two = load_data(str(tmp_path / "one"), length=100), load_data(str(tmp_path / "two"), length=100)
    assert torch.equal(all_samples(one), all_samples(two)) and one.split == two.split


def test_subfolders_are_classes_and_windows_do_not_cross_classes(tmp_path):
    for name, low in (("b", 100), ("a", -20_000)):
        for i, row in enumerate(noise(15, seed=low % 7)):
            write(tmp_path / name / f"{i}.wav", np.abs(row) if low > 0 else -np.abs(row) - 1)
    data = load_data(str(tmp_path), length=300)
    assert data.classes == ("a", "b")
    for part in (data.train, data.valid, data.test):
        batch = part.first()
        assert torch.equal(batch.condition["label"], (batch.medium[:, 0] >= 0).all(1).long())
        assert ((batch.medium[:, 0] >= 0).all(1) | (batch.medium[:, 0] < 0).all(1)).all()


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_sample_widths(tmp_path, width):
    values = noise(1)[0]
    samples, rate, _ = read_sound(write(tmp_path / "a.wav", values, width=width))
    assert rate == 8000 and np.abs(samples.astype(int) - values).max() <= (256 if width == 1 else 0)


def test_channels_are_averaged_and_float_files_are_read(tmp_path):
    from scipy.io import wavfile

    left, right = noise(2)
    samples, *_ = read_sound(write(tmp_path / "two.wav", np.stack([left, right], 1)))
    assert np.abs(samples - (left.astype(float) + right) / 2).max() <= 0.5
    wavfile.write(tmp_path / "float.wav", 8000, np.array([0.0, 0.5, -1.0, 2.0], np.float32))
    assert read_sound(tmp_path / "float.wav").samples.tolist() == [0, 8192, -16384, 32767]


def test_other_formats_need_the_extra(tmp_path, monkeypatch):
    soundfile = pytest.importorskip("soundfile")
    values = noise(1)[0]
    soundfile.write(tmp_path / "a.flac", values, 8000)
    samples, rate, _ = read_sound(tmp_path / "a.flac")
    assert rate == 8000 and np.array_equal(samples, values)
    monkeypatch.setitem(__import__("sys").modules, "soundfile", None)
    assert read_sound(tmp_path / "a.flac") == "needs the extra `audio`: pip install 'morphogen[audio]'"


@pytest.mark.parametrize(
    ("rates", "rate"), [((8000, 16_000), 16_000), ((44_100, 44_100), 16_000), ((22_050, 22_050), 22_050)]
)
def test_different_or_high_rates_are_resampled(tmp_path, rates, rate):
    t = np.arange(8000)
    for i in range(12):
        tone = (8000 * np.sin(2 * np.pi * (500 + i) * t / rates[i % 2])).astype(np.int16)
        write(tmp_path / f"{i}.wav", tone, rate=rates[i % 2])
    data = load_data(str(tmp_path), length=1000)
    assert data.representation.rate == rate and ("resampled" in data.notes[0]) == (set(rates) != {rate})
    samples = data.test.recording(0)[0, 0].numpy()
    peak = np.abs(np.fft.rfft(samples)).argmax() * rate / len(samples)
    assert 495 < peak < 516


def test_up_to_a_tenth_of_broken_files_is_skipped_and_listed(tmp_path):
    fill(tmp_path, 46)
    whole = (tmp_path / "000.wav").read_bytes()
    broken = {
        "form.wav": whole[:30],
        "notes.txt": b"hello",
        "empty.wav": b"",
        "head.wav": whole[:44],
        "rate.wav": whole[:24] + b"\1\0\0\0" + whole[28:],
    }
    for name, content in broken.items():
        (tmp_path / name).write_bytes(content)
    data = load_data(str(tmp_path), length=100)
    assert len(all_samples(data)) == 46 * 400
    assert [note.split(":")[0] for note in data.notes[1:-1]] == [
        "ignored 1 empty file (empty.wav), 1 file of another kind (.txt)",
        *(f"skipped {name}" for name in ("form.wav", "head.wav", "rate.wav")),
    ]
    assert all("\n" not in note for note in data.notes)
    for i in range(6):
        (tmp_path / f"more{i}.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match=r"9 of 55 files cannot be used \(skipped form.wav: not a readable"):
        load_data(str(tmp_path), length=100)


def test_a_header_with_a_huge_size_allocates_no_memory(tmp_path):
    path = write(tmp_path / "a.wav", noise(1)[0])
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = (2**32 - 10).to_bytes(4, "little")
    path.write_bytes(content)
    assert isinstance(read_sound(path), str | tuple)
    with path.open("wb") as file:
        file.truncate(sounds_module.LARGEST + 1)  # a sparse file: nothing is written
    assert read_sound(path) == "larger than 256 MB; cut it into shorter files"


def test_damaged_files_never_raise(tmp_path):
    """500 files with random bytes changed (seed 0) are read, or give a reason of one line.

    A file whose header is whole is read with its samples, however short.
    """
    whole, rng = write(tmp_path / "a.wav", noise(1)[0]).read_bytes(), np.random.default_rng(0)
    read = []
    for _ in range(500):
        content = bytearray(whole[: rng.integers(1, len(whole) + 1)])
        for i in rng.integers(0, min(len(content), 60), rng.integers(5)):
            content[i] = rng.integers(256)
        (tmp_path / "b.wav").write_bytes(content)
        result = read_sound(tmp_path / "b.wav")
        assert "\n" not in result if isinstance(result, str) else result[0].dtype == np.int16
        read.append(not isinstance(result, str))
        if content[:44] == whole[:44] and len(content) >= 46:
            assert np.array_equal(result[0], np.frombuffer(content[44 : len(content) // 2 * 2], "<i2"))
    assert 100 < sum(read) < 400


def test_unusable_folders_raise_one_line(tmp_path):
    fill(tmp_path / "few", 2)
    fill(tmp_path / "short", 30)
    fill(tmp_path / "mixed" / "a", 5)
    write(tmp_path / "mixed" / "loose.wav", noise(1)[0])
    for folder, length, line in (
        ("few", 100, "2 recordings cannot be split"),
        ("short", 50_000, "length 50000: the longest recording has 400 samples"),
        ("short", 1, "a window needs at least 2 samples"),
        ("mixed", 100, "move each recording into the folder of its class"),
    ):
        with pytest.raises(DataError, match=line) as error:
            load_data(str(tmp_path / folder), length=length)
        assert "\n" not in str(error.value)
    if os.getuid() != 0:
        (tmp_path / "short" / "000.wav").chmod(0)
        assert "permission denied" in load_data(str(tmp_path / "short"), length=100).notes[1]


def test_mel_frames_are_those_of_the_recording_and_not_of_the_window():
    recordings = [Recording(row, 8000) for row in noise(30, 1000)]
    data = sounds_by_content("a", recordings, length=250)
    mel = MelSpectrogram(8000, window=100, hop=50, bands=4)
    windows = WithMels(data.train, mel)
    assert len(windows) == len(data.train)
    batch, start = windows[torch.tensor([3])], int(data.train.starts[3])
    assert batch.medium.shape == (1, 1, 250) and batch.condition["mel"].shape == (1, 6, 4)
    extended = data.train.values[None, None, start - 100 : start + 400].float() / FULL
    torch.testing.assert_close(batch.condition["mel"][0], mel(extended)[0, 2:8])
    last = int(data.train.starts.argmax())
    start = int(data.train.starts[last])
    tail = mel(data.train.values[None, None, start - 100 :].float() / FULL)[0, 2:8]
    torch.testing.assert_close(windows[torch.tensor([last])].condition["mel"][0], tail)
    finer = WithMels(data.train, MelSpectrogram(8000, window=100, hop=40, bands=4))
    assert finer.first(2).condition["mel"].shape == (2, 8, 4)


def test_asterisk_prompts_have_their_transcripts(monkeypatch, tmp_path):
    import hashlib
    import zipfile

    content, texts = io.BytesIO(), "; a comment: not a prompt\nhello: Hello, world.\nsilence:\n"
    with zipfile.ZipFile(content, "w") as archive:
        for i, row in enumerate(noise(30, 9000)):
            path = write(tmp_path / "raw" / f"{i}.wav", row)
            archive.write(path, f"digits/{i}.wav")
            texts += f"digits/{i}: number {i}: yes\n"
        archive.write(path, "untranscribed.wav")
    monkeypatch.setenv("MORPHOGEN_DATA", str(tmp_path))
    files = {"sounds.zip": content.getvalue(), "core-sounds-en.txt": texts.encode()}
    (tmp_path / "asterisk").mkdir()
    for file, data in files.items():
        (tmp_path / "asterisk" / file).write_bytes(data)
    pins = {file: hashlib.sha256(data).hexdigest() for file, data in files.items()}
    monkeypatch.setattr(asterisk, "ASTERISK_FILES", pins)
    data = load_data("asterisk")
    captions = [caption for part in (data.train, data.valid, data.test) for caption in part.captions]
    assert sorted(captions) == sorted(f"number {i}: yes" for i in range(30))
    number = int(data.test.captions[0].split()[1].rstrip(":"))
    samples = (data.test.recording(0)[0, 0] * FULL).numpy().astype(np.int16)
    assert np.array_equal(samples, noise(30, 9000)[number])


def test_asterisk_has_the_documented_sizes():
    if not NAMED["asterisk"].available:
        pytest.skip("run make data to unpack asterisk")
    data = load_data("asterisk")
    parts = (data.train, data.valid, data.test)
    assert all(isinstance(part, Sounds) for part in parts)
    assert [len(part.spans) for part in parts] == [423, 59, 86] and data.representation.rate == 8000
    assert 25.4 * 60 < sum(len(part.values) for part in parts) / 8000 < 25.5 * 60
    assert sum(len(caption.split()) >= 4 for part in parts for caption in part.captions) == 257
    assert "Agent Logged off." in {caption for part in parts for caption in part.captions}
