"""A text as windows of bytes.

The text is cut into blocks of whole lines and each block goes where the hash of its bytes says. Windows never leave their
part: neighbours stay together, so hardly anything of a test window was seen in training, and, unlike with "the last 10 %",
the test is drawn from the whole text and not from its end.
"""

__all__ = ["cut", "load_text", "text_by_authors", "text_by_content"]

import math
from pathlib import Path

import torch
from torch import Tensor

from morphogen.data.dataset import DataError, Dataset, Windows
from morphogen.data.splits import split
from morphogen.representations.text import Bytes

Block = tuple[int, int]  # start and end in bytes


def load_text(path: Path, length: int = 64) -> Dataset:
    """Windows of `length` bytes: every offset for training, non-overlapping ones to choose and to test."""
    content = path.read_bytes()
    _check(str(path), content)
    return text_by_content(path.name, str(path), content, length)


def text_by_content(name: str, where: str, content: bytes, length: int) -> Dataset:
    """The parts by the hash of each block; errors name `where`."""
    blocks, parts, how = _by_blocks(where, content, length)
    train, valid, test = ([blocks[i] for i in part] for part in parts)
    return _windows(name, content, (train, valid, test), length, how)


def text_by_authors(name: str, where: str, learn: bytes, valid: bytes | None, test: bytes, length: int) -> Dataset:
    """The authors' own parts; without a valid part of theirs, a tenth of the training part, by the hash of each block."""
    if valid is None:
        blocks, parts, _ = _by_blocks(where, learn, length)
        train_blocks, valid_blocks = ([blocks[i] for part in chosen for i in part] for chosen in (parts[::2], parts[1:2]))
        how = f"{len(train_blocks)} blocks train, {len(valid_blocks)} valid by the hash of each block of lines; test: the authors' own part"
    else:
        train_blocks, valid_blocks = [(0, len(learn))], [(len(learn), len(learn) + len(valid))]
        how = "the authors' own parts"
    content = learn + (valid or b"") + test
    test_blocks = [(len(content) - len(test), len(content))]
    if min(len(test), *(sum(end - start for start, end in part) for part in (train_blocks, valid_blocks))) < length:
        raise DataError(f"{where}: a part of the text is shorter than one window of {length} bytes; give a smaller length")
    return _windows(name, content, (train_blocks, valid_blocks, test_blocks), length, how)


def cut(content: bytes, size: int) -> list[Block]:
    """Blocks [start, end) of at least `size` bytes that end with a line, or at 2 `size` between two characters."""
    blocks, start = [], 0
    while start < len(content):
        line_end = content.find(b"\n", start + size - 1, start + 2 * size)
        end = line_end + 1 if line_end >= 0 else start + 2 * size
        while end < len(content) and content[end] & 0xC0 == 0x80:  # inside a character
            end += 1
        end = len(content) if len(content) - end < size else end
        blocks.append((start, end))
        start = end
    return blocks


def _by_blocks(where: str, content: bytes, length: int) -> tuple[list[Block], tuple[list[int], list[int], list[int]], str]:
    """The blocks, which of them are train, valid and test, and how that was decided."""
    if length < 2:
        raise DataError(f"length {length}: a window needs at least 2 bytes")
    blocks = cut(content, size=max(length, min(64 * length, len(content) // 100)))
    if len(blocks) < 3:
        raise DataError(f"{where}: {len(content)} bytes are too few for windows of {length}; give a longer text or a smaller length")
    try:
        parts = split([content[start:end] for start, end in blocks])
    except DataError:
        raise DataError(f"{where}: the text repeats one block; nothing would be left to test on, give another text") from None
    how = parts.line.replace("each example's content", "each block of lines").replace(" train,", " blocks train,", 1)
    return blocks, (parts.train, parts.valid, parts.test), how


def _windows(name: str, content: bytes, parts: tuple[list[Block], list[Block], list[Block]], length: int, how: str) -> Dataset:
    text = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    train, valid, test = (
        Windows(text, _starts(part, length, stride), length) for part, stride in zip(parts, (1, length, length), strict=True)
    )
    return Dataset(name, "text", train, valid, test, (), Bytes(length), how)


def _starts(blocks: list[Block], length: int, stride: int) -> Tensor:
    """Where the windows of a part begin; neighbouring blocks of the part are one run.

    In golden order, so that the first n windows are spread evenly over the text, whatever n is.
    """
    runs: list[list[int]] = []
    for start, end in sorted(blocks):
        if runs and runs[-1][1] == start:
            runs[-1][1] = end
        else:
            runs.append([start, end])
    starts = torch.cat([torch.arange(start, end - length + 1, stride) for start, end in runs])
    step = round(len(starts) * (math.sqrt(5) - 1) / 2)
    while math.gcd(step, len(starts)) != 1:
        step += 1
    return starts[torch.arange(len(starts)) * step % len(starts)]


def _check(where: str, content: bytes) -> None:
    if not content:
        raise DataError(f"{where}: the file is empty; give a text file")
    if b"\0" in content[:65536]:
        raise DataError(f"{where}: holds zero bytes, so it is no text; give a text file or a folder of pictures")
    try:
        content.decode("utf8")
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: byte {error.start} is no UTF-8; convert it, as in: iconv -f latin1 -t utf8") from None
