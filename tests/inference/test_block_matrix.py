"""Blocks of 32 numbers: GGUF's own are found again without loss, and products are those of the numbers."""

import gguf
import numpy as np
import pytest
import torch

from morphogen.catalogue import build_system
from morphogen.inference import Exact, Int4, Quantized, packed
from morphogen.inference.block_matrix import BlockMatrix
from morphogen.representations.text import Bytes

BYTES = {"Q4_1": 20 / 32, "Q4_0": 20 / 32, "Q8_0": 34 / 32, "BF16": 2.0, "F32": 4.0}  # per number


def values(form: str, rows: int, columns: int) -> torch.Tensor:
    """A matrix with the values of a format, quantized by the reference implementation."""
    kind = gguf.GGMLQuantizationType[form]
    raw = torch.randn(rows, columns, generator=torch.Generator().manual_seed(0)).numpy()
    raw[0, :32], raw[1, :32] = 0, 3  # blocks of one number
    numbers = gguf.quants.dequantize(gguf.quants.quantize(raw, kind), kind)
    return torch.from_numpy(np.ascontiguousarray(numbers, dtype=np.float32))


@pytest.mark.parametrize("form", BYTES)
def test_the_blocks_of_a_gguf_file_are_found_again(form: str) -> None:
    """Q4_0 needs two bytes more than in the file, since its offset is stored."""
    matrix = values(form, 50, 96)
    exact = Exact().pack(matrix)
    assert torch.equal(exact.dense(), matrix) and torch.equal(exact.rows(torch.arange(50)), matrix)
    held = sum(tensor.numel() * tensor.element_size() for tensor in exact.state_dict().values())
    assert held == BYTES[form] * matrix.numel()


@pytest.mark.parametrize("columns", [96, 100, 7])
@pytest.mark.parametrize("rows", [1, 5, 40])
@pytest.mark.parametrize("native", [True, False])
def test_products_are_those_of_the_numbers(rows: int, columns: int, native: bool, monkeypatch) -> None:
    if not native:
        monkeypatch.setattr(packed, "available", lambda kernel: False)
    draw = torch.Generator().manual_seed(0)
    x, bias = torch.randn(rows, 2, columns, generator=draw), torch.randn(24, generator=draw)
    for weights in (Int4(), Exact()):
        matrix = weights.pack(torch.randn(24, columns, generator=draw), bias)
        expected = x.double() @ matrix.dense().double().T + bias
        torch.testing.assert_close(matrix(x), expected.float(), atol=1e-4, rtol=0)
        assert matrix(x.bfloat16()).dtype == torch.bfloat16
        assert matrix(x[0, 0]).shape == (24,)


def test_four_bits_divide_the_range_of_each_block() -> None:
    """By hand: numbers 0 .. 31 in steps of 31 / 15, in float16, are rounded to the nearest."""
    matrix = torch.cat([torch.arange(32.0), 5 + torch.zeros(32)])[None]
    four = Int4().pack(matrix)
    assert isinstance(four, BlockMatrix) and four.levels.shape == (1, 32)
    step = torch.tensor(31 / 15).half().float()
    assert torch.equal(four.dense()[0, :32], (matrix[0, :32] / step).round() * step)
    assert torch.equal(four.dense()[0, 32:], matrix[0, 32:])


def test_a_model_in_four_bits_samples_and_says_what_it_costs() -> None:
    """Steps by the kernel and by torch choose the same tokens, and the likelihood is close."""
    torch.manual_seed(0)
    model = build_system("llama", Bytes(16), {}, "tiny")
    quantized = Quantized(model, Int4())
    assert quantized.bytes < 0.25 * sum(4 * p.numel() for p in model.parameters())
    samples = quantized.sample(3, torch.tensor([[1, 2]]).expand(3, 2), seed=1).tensor
    one = quantized.sample(1, torch.tensor([[1, 2]]), seed=1, indices=torch.tensor([2])).tensor
    assert torch.equal(one[0], samples[2])
    exact = Quantized(model, Exact())
    assert torch.equal(exact.model.objective.network.blocks[0].attention.out.weight,
                       model.objective.network.blocks[0].attention.out.weight)  # fmt: skip
