"""Freed memory is used again: once warm, a step's blocks cost no page fault. Asked in a process of its own, as it cannot be undone."""

import subprocess
import sys

import pytest

PAGES = """
import resource, torch
from morphogen.numerics.memory import keep_freed_memory
if {kept} and not keep_freed_memory():
    raise SystemExit(77)
def step():
    blocks = [torch.empty(n).fill_(1.0) for n in (400_000, 2_000_000, 12_000_000)]
for _ in range(30):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(kept: bool) -> int:
    done = subprocess.run([sys.executable, "-c", PAGES.format(kept=kept)], stdout=subprocess.PIPE, text=True)
    if done.returncode == 77:
        pytest.skip("this C library cannot be told to keep what is freed")
    return int(done.stdout)


def test_freed_memory_is_used_again() -> None:
    assert faults(kept=True) < 100


def test_mutant_that_gives_it_back() -> None:
    with pytest.raises(AssertionError):
        assert faults(kept=False) < 100
