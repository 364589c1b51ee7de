"""WAV files: unknown lengths, G.711, floats beyond full scale; damaged ones never raise."""

import io
import struct
import time

import numpy as np
import pytest
from scipy.io import wavfile

from morphogen.data.sound import Sound, read_sound_content
from morphogen.data.wav import read_wav

VALUES = np.random.default_rng(0).integers(-20_000, 20_000, 400, dtype=np.int16)


def written(values=VALUES, rate=8000) -> bytes:
    content = io.BytesIO()
    wavfile.write(content, rate, values)
    return content.getvalue()


def of_format(kind, data, bits=8, channels=1, rate=8000) -> bytes:
    form = struct.pack(
        "<HHIIHH", kind, channels, rate, rate * channels * bits // 8, channels * bits // 8, bits
    )
    chunks = b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


@pytest.mark.parametrize("size", [0, 0x7FFF_F000, 0xFFFF_FFFF, 0x7FFF_FFFF, 0xFFFF_FFDB])
def test_the_length_of_a_pipe_is_unknown_and_read_to_the_end(size):
    content = written()
    sound = read_sound_content(content[:40] + struct.pack("<I", size) + content[44:])
    assert sound.samples.tolist() == VALUES.tolist() and sound.rate == 8000
    assert sound.notes == ("its WAV header does not know the length: read to the end of the file",)


def test_a_file_that_was_cut_off_is_read_to_its_end():
    sound = read_sound_content(written()[:-301])
    assert sound.samples.tolist() == VALUES[:249].tolist() and sound.notes[0].startswith("cut off before")


def test_chunks_after_the_data_are_not_samples():
    for values in (VALUES, VALUES[:0]):
        content = written(values) + b"LIST" + struct.pack("<I", 4) + b"INFO"
        sound = read_sound_content(content)
        assert sound == "it has no samples" if not len(values) else sound.samples.tolist() == VALUES.tolist()


@pytest.mark.parametrize(("kind", "subtype"), [(6, "ALAW"), (7, "ULAW")])
def test_g711_is_that_of_libsndfile(kind, subtype):
    soundfile = pytest.importorskip("soundfile")
    content = of_format(kind, bytes(range(256)))
    rate, samples, notes = read_wav(content)
    expected, _ = soundfile.read(io.BytesIO(content))
    assert soundfile.info(io.BytesIO(content)).subtype == subtype
    assert np.array_equal(samples, expected) and (rate, notes) == (8000, ())


@pytest.mark.parametrize("subtype", ["PCM_24", "IMA_ADPCM", "MS_ADPCM", "GSM610", "DOUBLE"])
@pytest.mark.parametrize("form", ["WAV", "WAVEX", "RF64"])
def test_formats_of_wav_are_read_as_libsndfile_reads_them(form, subtype):
    soundfile = pytest.importorskip("soundfile")
    if not soundfile.check_format(form, subtype):
        pytest.skip(f"{form} has no {subtype}")
    content = io.BytesIO()
    soundfile.write(content, VALUES / 32768, 8000, format=form, subtype=subtype)
    expected, _ = soundfile.read(io.BytesIO(content.getvalue()))
    sound = read_sound_content(content.getvalue())
    assert np.abs(sound.samples / 32768 - expected).max() <= 1 / 32768 and sound.notes == ()


def test_floats_beyond_full_scale_keep_their_form():
    wave = np.float32([0.0, 0.9, -1.8])
    sound = read_sound_content(written(wave))
    assert sound.samples.tolist() == [0, 16384, -32768]
    assert sound.notes == ("float samples beyond full scale: scaled down to it",)


@pytest.mark.parametrize(("peak", "divisor"), [(30_000, 32_768), (127, 128), (8_000_000, 8_388_608)])
def test_integers_stored_as_floats_are_refused_with_the_divisor(peak, divisor):
    why = read_sound_content(written(np.float32([0, peak, -peak / 2])))
    assert why.startswith(f"its float samples reach {peak:.6g}") and why.endswith(f"divide them by {divisor}")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_refused(value):
    assert "not finite" in read_sound_content(written(np.float32([0, value])))


def damaged(seed: int) -> bytes:
    """A WAV file of one of several formats with bytes changed, cut or repeated."""
    rng = np.random.default_rng(seed)
    whole = [
        written(),
        written(VALUES / np.float32(32768)),
        of_format(7, bytes(400)),
        of_format(17, bytes(512), 4),
    ]
    content = bytearray(whole[seed % 4])
    for _ in range(rng.integers(1, 5)):
        place = rng.integers(min(len(content), 64 if seed % 3 else len(content)))
        content[place] = rng.integers(256)
    content = content[: rng.integers(1, len(content) + 1)] if seed % 5 == 0 else content
    return bytes(content + content[: rng.integers(99)] if seed % 7 == 0 else content)


def check_damaged(seeds) -> None:
    read = []
    for seed in seeds:
        start = time.process_time()
        sound = read_sound_content(damaged(seed))
        assert time.process_time() - start < 1, seed
        assert isinstance(sound, Sound) or "\n" not in sound
        read.append(isinstance(sound, Sound))
    assert 0.2 < sum(read) / len(read) < 0.9


def test_damaged_sounds_are_read_or_refused_in_one_line():
    check_damaged(range(150))


@pytest.mark.slow
def test_a_thousand_damaged_sounds_are_read_or_refused_in_one_line():
    check_damaged(range(1000))
