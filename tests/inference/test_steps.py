"""Prepacked weights and compiled steps do not change the samples."""

import subprocess
import sys

import pytest
import torch

from morphogen.inference import prepack_weights
from morphogen.model import tensors
from morphogen.native.kernels import available
from morphogen.networks import decoding_step
from morphogen.representations.text import Bytes
from morphogen.systems.llama import llama


def model():
    torch.manual_seed(0)
    perturbed = llama(Bytes(16), size="tiny")
    for p in perturbed.parameters():
        p.data += 0.2 * torch.randn_like(p)
    return perturbed


def test_prepacking_changes_no_value_and_no_sample(monkeypatch) -> None:
    monkeypatch.setattr(decoding_step, "available", lambda kernel: False)
    original, prepacked = model(), prepack_weights(model())
    assert all(torch.equal(value, tensors(prepacked)[name]) for name, value in tensors(original).items())
    column_major = [
        name
        for name, value in tensors(prepacked).items()
        if value.ndim == 2 and value.stride(0) == 1 and value.shape[0] > 1
    ]
    # per layer: queries, keys and values; gates and features. Then the embedding and the head
    assert len(column_major) == 2 * 2 + 2
    prompt = torch.tensor([[104, 105]]).expand(3, 2)
    expected = original.sample(3, prompt, seed=1).tensor
    assert torch.equal(expected, prepacked.sample(3, prompt, seed=1).tensor)


@pytest.mark.skipif(not available("decoder"), reason="the kernel cannot be built here")
def test_networks_that_our_kernel_decodes_keep_their_layout() -> None:
    assert all(value.is_contiguous() for value in tensors(prepack_weights(model())).values())


COMPILED = """
import torch
from morphogen.inference import compile_steps
from morphogen.representations.text import Bytes
from morphogen.systems.llama import llama
torch.manual_seed(0)
model = llama(Bytes(16), size="tiny")
for p in model.parameters():
    p.data += 0.2 * torch.randn_like(p)
prompt = torch.tensor([[104, 105]]).expand(3, 2)
plain = model.sample(3, prompt, seed=1).tensor
compile_steps(model.objective.network)
assert torch.equal(plain, model.sample(3, prompt, seed=1).tensor)
"""


@pytest.mark.slow
def test_compiled_steps_draw_the_same_samples() -> None:
    """In a separate process, since the type checks of the tests (conftest.py) cannot be compiled."""
    subprocess.run([sys.executable, "-c", COMPILED], check=True, timeout=300)
