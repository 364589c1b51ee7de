"""What makes a step quicker changes nothing that is drawn."""

import subprocess
import sys

import pytest
import torch

from morphogen.inference import lay_out
from morphogen.model import tensors
from morphogen.representations.text import Bytes
from morphogen.systems.llama import llama


def model():
    torch.manual_seed(0)
    made = llama(Bytes(16), size="tiny")
    for p in made.parameters():
        p.data += 0.2 * torch.randn_like(p)
    return made


def test_a_layout_changes_no_number_and_no_sample() -> None:
    before, laid = model(), lay_out(model())
    assert all(torch.equal(value, tensors(laid)[name]) for name, value in tensors(before).items())
    moved = [name for name, value in tensors(laid).items() if value.ndim == 2 and value.stride(0) == 1 and value.shape[0] > 1]
    assert len(moved) == 2 * 2 + 2  # queries, keys and values and the gates of each layer; the embedding and the head
    prompt = torch.tensor([[104, 105]]).expand(3, 2)
    assert torch.equal(before.sample(3, prompt, seed=1).tensor, laid.sample(3, prompt, seed=1).tensor)


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
def test_compiled_steps_draw_what_steps_draw() -> None:
    """In a process of its own: what holds calls to their annotations here cannot be compiled."""
    subprocess.run([sys.executable, "-c", COMPILED], check=True, timeout=300)
