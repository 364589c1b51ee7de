r"""Number formats of GGUF: plain floats, and quantised blocks of 32 numbers with a shared scale.

    F32, F16, BF16    unquantised
    Q8_0    x_i = d q_i          d float16, q_i signed 8 bits                      34 bytes for 32 numbers
    Q4_0    x_i = d (q_i - 8)    d float16, q_i 4 bits                             18 bytes
    Q4_1    x_i = d q_i + m      d, m float16, q_i 4 bits                          20 bytes

Byte j of a 4-bit block holds q_j in its low half and q_(j+16) in its high half. All values are little-endian
and are computed in float32, so that they equal those of ggml's reference implementation bit for bit (block
layout: ggml, `ggml-common.h`, Gerganov et al. 2023).
"""

__all__ = ["FORMATS", "NAMES", "Format"]

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Blocks = NDArray[np.uint8]  # [n, size]
Floats = NDArray[np.float32]  # [n, elements]


@dataclass(frozen=True)
class Format:
    """A number format.

    Arguments:
        name: ggml's name of the format.
        elements: numbers per block.
        size: bytes per block.
        read: decodes blocks, bytes [n, size], to numbers [n, elements].
    """

    name: str
    elements: int
    size: int
    read: Callable[[Blocks], Floats]


def _f32(blocks: Blocks) -> Floats:
    return blocks.view("<f4").astype(np.float32)


def _f16(blocks: Blocks) -> Floats:
    return blocks.view("<f2").astype(np.float32)


def _bf16(blocks: Blocks) -> Floats:
    return (blocks.view("<u2").astype(np.uint32) << 16).view(np.float32)  # the upper half of a float32


def _q8_0(blocks: Blocks) -> Floats:
    return _f16(blocks[:, :2].copy()) * blocks[:, 2:].view(np.int8)


def _q4_0(blocks: Blocks) -> Floats:
    return _f16(blocks[:, :2].copy()) * (_nibbles(blocks[:, 2:]).astype(np.int8) - np.int8(8))


def _q4_1(blocks: Blocks) -> Floats:
    d, m = _f16(blocks[:, :4].copy()).T[..., None]
    return d * _nibbles(blocks[:, 4:]) + m


def _nibbles(packed: Blocks) -> Blocks:
    """[n, 16] bytes to [n, 32] numbers 0 .. 15: the low halves, then the high ones."""
    return np.concatenate([packed & 15, packed >> 4], 1)


FORMATS: Mapping[int, Format] = {
    0: Format("F32", 1, 4, _f32),
    1: Format("F16", 1, 2, _f16),
    2: Format("Q4_0", 32, 18, _q4_0),
    3: Format("Q4_1", 32, 20, _q4_1),
    8: Format("Q8_0", 32, 34, _q8_0),
    30: Format("BF16", 1, 2, _bf16),
}
_UNSUPPORTED: Mapping[int, str] = {  # named in error messages
    6: "Q5_0", 7: "Q5_1", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K",
    16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S",
    23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0",
    39: "MXFP4",
}  # fmt: skip
NAMES: Mapping[int, str] = {code: known.name for code, known in FORMATS.items()} | dict(_UNSUPPORTED)
