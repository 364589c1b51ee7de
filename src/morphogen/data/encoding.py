r"""Text of files: their bytes are decoded by the byte order mark, as UTF-8, or by detection.

    EF BB BF, FF FE, FE FF ...        UTF-8, UTF-16 or UTF-32, as the byte order mark says
    h\0e\0l\0l\0o\0                   UTF-16 or UTF-32 without a mark, by the places of the zero bytes
    valid UTF-8                       UTF-8
    mostly valid, Latin script        UTF-8; the few other bytes are read as Windows-1252
    Western words                     Windows-1252, or that of DOS if the former has signs inside of words
    anything else                     the likeliest of `LEGACY`, by charset-normalizer, on the non-ASCII lines

Line ends become \n, and marks inside of the text (U+FEFF) are removed. Whatever is not plain UTF-8 is a note.
Binary files are refused.
"""

__all__ = ["LEGACY", "Decoded", "decode", "decode_utf8"]

import codecs
import re
import shlex
import unicodedata
from pathlib import PurePath
from typing import NamedTuple

from morphogen.data.dataset import DataError
from morphogen.data.western import DOS, WINDOWS, Fit

LEGACY = (  # candidates of the detection; of equally likely ones the first is taken
    *("cp1252", "cp1250", "cp1251", "koi8_r", "cp866", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257"),
    *("cp932", "euc_jp", "gb18030", "big5", "cp949", "cp874", "iso8859_2", "cp850"),
)
MARKS = {  # the longer marks first: that of UTF-32 LE begins with that of UTF-16 LE
    codecs.BOM_UTF32_LE: "utf_32_le",
    codecs.BOM_UTF32_BE: "utf_32_be",
    codecs.BOM_UTF16_LE: "utf_16_le",
    codecs.BOM_UTF16_BE: "utf_16_be",
}
BINARY = {  # first bytes of files that are not text
    b"%PDF-": "a PDF document; save its text as .txt",
    b"\x89PNG": "a picture; give a folder of pictures",
    b"\xff\xd8\xff": "a picture; give a folder of pictures",
    b"GIF8": "a picture; give a folder of pictures",
    b"RIFF": "a sound or a film; give a folder of recordings",
    b"fLaC": "a sound; give a folder of recordings",
    b"OggS": "a sound; give a folder of recordings",
    b"ID3": "a sound; give a folder of recordings",
    b"PK\3\4": "a ZIP archive or an office document; unpack it, or save its text as .txt",
    b"\xd0\xcf\x11\xe0": "an office document; save its text as .txt",
    b"\x1f\x8b": "a compressed file; unpack it with gunzip",
    b"BZh": "a compressed file; unpack it with bunzip2",
    b"\xfd7zXZ": "a compressed file; unpack it with unxz",
    b"\x28\xb5\x2f\xfd": "a compressed file; unpack it with unzstd",
    b"PAR1": "a Parquet table; name it .parquet",
    b"SQLite format 3": "a database; export its table as .csv",
    b"\x7fELF": "a program; give a text file",
    b"GGUF": "a pretrained model; give a text file",
}
CONTROLS = bytes({*range(32), 127} - {*b"\t\n\v\f\r\b\x1b\x1a\0"})  # in no encoding a part of a text
SAMPLE = 1 << 16  # bytes on which the encoding is detected
STRAY = 0.01  # largest fraction of control characters in a text
MOSTLY = 0.9  # share of the non-ASCII characters that fit, where a text is not plainly misread
MIMICS, PENALTY = {"cp1250", "cp1257"}, 0.2  # they read the accents of Western languages as other letters


class Decoded(NamedTuple):
    """The text of a file, and what was done to its bytes, one phrase each; () for plain UTF-8."""

    text: str
    notes: tuple[str, ...] = ()


def decode(where: str, content: bytes, encoding: str | None = None, option: str = "") -> Decoded:
    """Decode the content of a text file of any encoding.

    Arguments:
        where: the file, which errors and notes name.
        content: all bytes of the file.
        encoding: by the user; None: detect it.
        option: of the command line by which the user decides, for the note; "": there is none.

    Errors: DataError for an empty or binary file, an encoding that cannot be told, or bytes that the given
    one does not have.
    """
    if not content:
        raise DataError(f"{where}: the file is empty; give a text file")
    found = _chosen(where, content, encoding) if encoding else _by_mark(content) or _by_zeros(content)
    if found is None:
        _check_binary(where, content)
        found = _utf8(where, content) or _legacy(where, content, option)
    decoded = _normalise(*found)
    if not decoded.text:
        raise DataError(f"{where}: the file is empty; give a text file")
    return decoded


def decode_utf8(where: str, content: bytes) -> str:
    """Decode UTF-8 without any change, for data sets whose bytes are pinned. Errors: DataError."""
    if not content:
        raise DataError(f"{where}: the file is empty; give a text file")
    _check_binary(where, content)
    try:
        return content.decode("utf8")
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: {_place(content, error.start)} is not valid UTF-8") from None


def _chosen(where: str, content: bytes, encoding: str) -> Decoded:
    """The text in the user's encoding. Errors: DataError."""
    try:
        return Decoded(content.decode(encoding))
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where}: {_place(content, error.start)} is not {encoding}; choose another encoding"
        ) from None


def _by_mark(content: bytes) -> Decoded | None:
    """The text after a mark of UTF-16 or UTF-32; None without one, or if the rest is not text."""
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
            return _wide(content[len(mark) :], encoding, "by its byte order mark")
    return None


def _by_zeros(content: bytes) -> Decoded | None:
    """UTF-16 or UTF-32 without a mark; None if the zero bytes are in other places."""
    zeros = [content[place : SAMPLE * 4 : 4].count(0) for place in range(4)]
    total = sum(zeros)
    if not total or len(content) % 2:
        return None
    for encoding, places in {"utf_32_le": (2, 3), "utf_32_be": (0, 1)}.items():
        if min(zeros[place] for place in places) >= 0.9 * len(content[: SAMPLE * 4 : 4]):
            return _wide(content, encoding, "by its zero bytes")
    for encoding, places in {"utf_16_le": (1, 3), "utf_16_be": (0, 2)}.items():
        if sum(zeros[place] for place in places) >= 0.95 * total:
            return _wide(content, encoding, "by its zero bytes")
    return None


def _wide(content: bytes, encoding: str, reason: str) -> Decoded | None:
    """Text of two or four bytes per unit; None if it is not text. Invalid units become U+FFFD."""
    text = content.decode(encoding, errors="replace")
    start = text[:4096]
    odd = sum(
        unicodedata.category(letter) in ("Cc", "Cn", "Co", "Cs") and letter not in "\t\n\r\f"
        for letter in start
    )
    invalid = text.count("\ufffd")
    if odd + start.count("\ufffd") > STRAY * len(start) + 1 or invalid > STRAY * len(text) + 1:
        return None
    notes = (f"decoded as {encoding.upper().replace('_', '-', 1).replace('_', ' ')}, {reason}",)
    return Decoded(text, (*notes, f"{invalid} invalid units became U+FFFD") if invalid else notes)


def _check_binary(where: str, content: bytes) -> None:
    """Errors: DataError for a file that is not text, with what it looks like."""
    controls = len(content) - len(content.translate(None, CONTROLS))
    is_binary = b"\0" in content or controls > STRAY * len(content) + 1
    for first, what in BINARY.items():
        if content.startswith(first) and (is_binary or first == b"%PDF-"):
            raise DataError(f"{where}: looks like {what}")
    if b"\0" in content:
        place = _place(content, content.index(b"\0"))
        raise DataError(
            f"{where}: has zero bytes ({place} is the first), so it is not text; give a text file"
        )
    if is_binary:
        raise DataError(f"{where}: has {controls} control characters, so it is not text; give a text file")


def _utf8(where: str, content: bytes) -> Decoded | None:
    """The text if it is UTF-8, but for a few bytes; None if most of its non-ASCII bytes are not."""
    try:
        return Decoded(content.decode())
    except UnicodeDecodeError as error:
        first = error.start
        if error.reason == "unexpected end of data" and not content[:first].isascii():
            note = f"its last {len(content) - first} bytes, which are a part of a character, were dropped"
            return Decoded(content[:first].decode(), (note,))
    text = content.decode(errors="surrogateescape")
    others = re.findall("[^\0-\x7f\ufeff\udc80-\udcff]", text)
    invalid = len(re.findall("[\udc80-\udcff]", text))
    if invalid > len(others) and not content.startswith(codecs.BOM_UTF8):
        return None
    place = _place(content, first)
    if sum(_is_latin(letter) for letter in others) < 0.9 * len(others):
        raise DataError(
            f"{where}: {place} is not valid UTF-8, as the rest of the text is; correct that line in "
            "an editor, or join only files of the same encoding"
        )
    text = re.sub("[\udc80-\udcff]+", lambda run: _windows(run[0].encode(errors="surrogateescape")), text)
    note = f"{place} is not valid UTF-8 and was read as Windows-1252"
    return Decoded(text, (note if invalid == 1 else f"{note}, and so were {invalid - 1} other bytes",))


def _legacy(where: str, content: bytes, option: str) -> Decoded:
    """The text in the likeliest encoding of one or two bytes per character. Errors: DataError."""
    first = next(re.finditer(rb"[\x80-\xff]", content)).start()
    for encoding in _likeliest(content):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        other = "cp1250" if encoding == WINDOWS else WINDOWS
        file = PurePath(where or "ORIGINAL")
        copy = shlex.quote(str(file.with_stem(f"{file.stem}-utf8")))
        convert = f"iconv -f {other} -t UTF-8 {shlex.quote(str(file))} > {copy}"
        note = (
            f"decoded as {encoding}, detected from its bytes; if letters are wrong, convert it, from {other} "
            f"for example: {', or '.join(filter(None, (option, convert)))}"
        )
        return Decoded(text, (note,))
    raise DataError(
        f"{where}: {_place(content, first)} is not valid UTF-8, and no other encoding fits; "
        "save it as UTF-8 with the program that wrote it"
    )


def _likeliest(content: bytes) -> list[str]:
    """Encodings of `LEGACY`, the likeliest first, by the lines that have non-ASCII bytes."""
    from charset_normalizer import from_bytes

    lines = (line for line in re.split(rb"[\r\n]+", content[: 64 * SAMPLE]) if not line.isascii())
    sample = b"\n".join(lines)[:SAMPLE]
    fits = {name: Fit.of(sample, name) for name in (WINDOWS, DOS)}
    if sure := next((name for name, fit in fits.items() if fit.complete), None):
        return [sure]
    candidates = [name for name in LEGACY if name != DOS or fits[WINDOWS].share < MOSTLY]
    matches = from_bytes(sample, cp_isolation=candidates, threshold=0.4)
    ranked: list[tuple[float, int]] = []
    for match in matches:
        equivalent = [name for name in match.could_be_from_charset if name in candidates]
        likelihood = match.coherence - match.chaos - PENALTY * ({*equivalent} <= MIMICS)
        ranked.append((-likelihood, min(map(LEGACY.index, equivalent))))
    return [*(LEGACY[i] for _, i in sorted(ranked)), LEGACY[0]]


def _normalise(text: str, notes: tuple[str, ...]) -> Decoded:
    r"""Line ends as \n, no U+FEFF."""
    more = []
    for end, name in (("\r\n", "CRLF"), ("\r", "CR")):
        if end in text:
            text = text.replace(end, "\n")
            more.append(rf"line ends {name} became \n")
    if "\ufeff" in text:
        text = text.replace("\ufeff", "")
        more.append("byte order marks were removed")
    return Decoded(text, (*notes, *more))


def _windows(content: bytes) -> str:
    """Windows-1252, and Latin-1 for the five bytes that it lacks."""
    return "".join(
        bytes([byte]).decode("cp1252" if byte not in b"\x81\x8d\x8f\x90\x9d" else "latin1")
        for byte in content
    )


def _is_latin(letter: str) -> bool:
    """Whether a non-ASCII character is a Latin letter, punctuation or a symbol."""
    return letter < "\u0250" or "\u1e00" <= letter < "\u1f00" or "\u2000" <= letter < "\u2c00"


def _place(content: bytes, start: int) -> str:
    r"""The byte at `start`, with its place and line: "byte 17 (0xE9, line 3)"."""
    before = content[:start].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return f"byte {start} (0x{content[start]:02X}, line {before.count(chr(10).encode()) + 1})"
