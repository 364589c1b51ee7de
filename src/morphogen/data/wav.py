r"""WAV files as people have them: unknown lengths, G.711, floats beyond full scale.

    "RIFF" size "WAVE"  { id u32, size u32, content }      chunks: "fmt ", "data", ...

A recorder that writes into a pipe cannot know the size of the data: it writes 0, 0x7FFFF000 or 0xFFFFFFFF,
and the samples go on to the end of the file. G.711 (telephony) has 8 bits per sample:

    mu-law   x = sgn (2^e (2 m + 33) - 33) / 8192,   e, m = bits 6-4, 3-0 of the inverted byte
    A-law    x = sgn (2 m + 1) 2^-12 for e = 0,   sgn 2^(e-1) (2 m + 33) 2^-12 else,   of the byte xor 0x55

References: Multimedia programming interface and data specifications 1.0, IBM & Microsoft, 1991;
ITU-T recommendation G.711, 1988.
"""

__all__ = ["G711", "is_wav", "read_wav"]

import io
import struct
import warnings
from collections.abc import Iterator

import numpy as np

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
UNKNOWN = 0x7FFF_0000  # sizes from here on are those of a recorder that did not know
AFTER = (b"LIST", b"INFO", b"id3 ", b"ID3 ", b"bext", b"cue ", b"smpl", b"JUNK", b"fact", b"PEAK", b"afsp")


def is_wav(content: bytes) -> bool:
    """Whether a file begins as a WAV file."""
    return content[:4] in (b"RIFF", b"RIFX", b"RF64")


def read_wav(content: bytes) -> tuple[int, np.ndarray, tuple[str, ...]]:
    """Rate, samples [T] or [T, C], of which integers are scaled to [-1, 1], and notes.

    Errors: ImportError for a compressed file without the package soundfile; ValueError, struct.error and
        others for a damaged one.
    """
    if content[:4] == b"RIFX":
        return *_scipy(content), ()
    form, data, notes = _repaired(content)
    kind, channels, rate = struct.unpack_from("<HHI", form)
    if kind == EXTENSIBLE:
        (kind,) = struct.unpack_from("<H", form, 24)
    whole = _file(form, data)
    if kind in G711:
        samples = G711[kind][np.frombuffer(data, np.uint8)]
        return rate, samples.reshape(-1, channels) if channels > 1 else samples, notes
    return *(_scipy(whole) if kind in (PCM, FLOAT) else _soundfile(whole)), notes


def _repaired(content: bytes) -> tuple[bytes, bytes, tuple[str, ...]]:
    """The contents of the chunks "fmt " and "data", which goes on to the end if its size is not known."""
    form, size64 = b"", None
    for name, start, size in _chunks(content):
        if name == b"ds64":
            (size64,) = struct.unpack_from("<Q", content, start + 8)
        if name == b"fmt ":
            form = content[start : start + size]
        if name == b"data":
            left = len(content) - start
            stated = size64 if size == 0xFFFF_FFFF and size64 else size
            block = struct.unpack_from("<H", form, 12)[0] or 1
            is_unknown = stated >= UNKNOWN or (stated == 0 and content[start : start + 4] not in AFTER)
            if not left or (stated <= left and not is_unknown):
                return form, content[start : start + stated], ()
            note = "its WAV header does not know the length: read to the end of the file"
            if not is_unknown:
                note = "cut off before the end that its WAV header states: read to the end of the file"
            return form, content[start : start + left // block * block], (note,)
    raise ValueError("no data chunk")


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and stated size of each chunk."""
    position = 12
    while position + 8 <= len(content):
        size = int.from_bytes(content[position + 4 : position + 8], "little")
        yield content[position : position + 4], position + 8, size
        position += 8 + size + size % 2


def _file(form: bytes, data: bytes) -> bytes:
    """A WAV file of two chunks."""
    chunks = b"".join(
        name + struct.pack("<I", len(chunk)) + chunk + b"\0" * (len(chunk) % 2)
        for name, chunk in ((b"fmt ", form), (b"data", data))
    )
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def _scipy(content: bytes) -> tuple[int, np.ndarray]:
    """PCM and float files."""
    from scipy.io import wavfile

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=wavfile.WavFileWarning)
        warnings.filterwarnings("error", "Reached EOF")  # the last filter added takes precedence
        rate, samples = wavfile.read(io.BytesIO(content))
    if samples.dtype == np.uint8:
        return rate, (samples.astype(np.float32) - 128) / 128
    if np.issubdtype(samples.dtype, np.integer):
        return rate, samples / np.float64(-np.iinfo(samples.dtype).min)
    return rate, samples.astype(np.float64)


def _soundfile(content: bytes) -> tuple[int, np.ndarray]:
    """ADPCM, GSM and others. Errors: ImportError without the package soundfile."""
    import soundfile

    samples, rate = soundfile.read(io.BytesIO(content), dtype="float64")
    return rate, samples


def _mu_law() -> np.ndarray:
    byte = ~np.arange(256) & 0xFF
    magnitude = (2 * (byte & 15) + 33) * 2.0 ** (byte >> 4 & 7) - 33
    return np.where(byte & 0x80, -magnitude, magnitude) / 8192


def _a_law() -> np.ndarray:
    byte = np.arange(256) ^ 0x55
    exponent, mantissa = byte >> 4 & 7, byte & 15
    magnitude = np.where(exponent, (2 * mantissa + 33) * 2.0 ** (exponent - 1), 2.0 * mantissa + 1)
    return np.where(byte & 0x80, magnitude, -magnitude) / 4096


G711 = {6: _a_law(), 7: _mu_law()}  # samples of each byte, by the format of the file
