"""A text file as windows of bytes.

The text is cut into blocks of whole lines and each block goes where the hash of its bytes says. Windows never leave their
part: neighbours stay together, so hardly anything of a test window was seen in training, and, unlike with "the last 10 %",
the test is drawn from the whole text and not from its end.
"""

__all__ = ["load_text"]

import math
from pathlib import Path

import torch
from torch import Tensor

from morphogen.data.dataset import DataError, Dataset, Windows
from morphogen.data.splits import split
from morphogen.representations.text import Bytes


def load_text(path: Path, length: int = 64) -> Dataset:
    """Windows of `length` bytes: every offset for training, non-overlapping ones to choose and to test."""
    if length < 2:
        raise DataError(f"length {length}: a window needs at least 2 bytes")
    content = path.read_bytes()
    _check(path, content)
    blocks = cut(content, size=max(length, min(64 * length, len(content) // 100)))
    if len(blocks) < 3:
        raise DataError(f"{path}: {len(content)} bytes are too few for windows of {length}; give a longer text or a smaller length")
    try:
        parts = split([content[start:end] for start, end in blocks])
    except DataError:
        raise DataError(f"{path}: the text repeats one block; nothing would be left to test on, give another text") from None
    text = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    train = Windows(text, _starts(blocks, parts.train, length, stride=1), length)
    valid, test = (Windows(text, _starts(blocks, part, length, stride=length), length) for part in (parts.valid, parts.test))
    how = parts.line.replace("each example's content", "each block of lines").replace(" train,", " blocks train,", 1)
    return Dataset(path.name, "text", train, valid, test, (), Bytes(length), how)


def cut(content: bytes, size: int) -> list[tuple[int, int]]:
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


def _starts(blocks: list[tuple[int, int]], part: list[int], length: int, stride: int) -> Tensor:
    """Where the windows of a part begin; neighbouring blocks of the part are one run. In golden order, so that the first n
    windows are spread evenly over the text, whatever n is."""
    runs: list[list[int]] = []
    for start, end in sorted(blocks[i] for i in part):
        if runs and runs[-1][1] == start:
            runs[-1][1] = end
        else:
            runs.append([start, end])
    starts = torch.cat([torch.arange(start, end - length + 1, stride) for start, end in runs])
    step = round(len(starts) * (math.sqrt(5) - 1) / 2)
    while math.gcd(step, len(starts)) != 1:
        step += 1
    return starts[torch.arange(len(starts)) * step % len(starts)]


def _check(path: Path, content: bytes) -> None:
    if not content:
        raise DataError(f"{path}: the file is empty; give a text file")
    if b"\0" in content[:65536]:
        raise DataError(f"{path}: holds zero bytes, so it is no text; give a text file or a folder of pictures")
    try:
        content.decode("utf8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start} is no UTF-8; convert it, as in: iconv -f latin1 -t utf8") from None
