"""Freed memory is reused: after warm-up, the blocks of a step cause no page faults.

Each test runs in a process of its own, because the setting cannot be reverted.
"""

import subprocess
import sys

import pytest

SCRIPT = """
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


def page_faults(kept: bool) -> int:
    """Page faults of ten steps after warm-up."""
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(kept=kept)], stdout=subprocess.PIPE, text=True)
    if done.returncode == 77:
        pytest.skip("this C library does not support keeping freed memory")
    return int(done.stdout)


def test_freed_memory_is_reused() -> None:
    assert page_faults(kept=True) < 100


def test_the_test_fails_without_the_setting() -> None:
    with pytest.raises(AssertionError):
        assert page_faults(kept=False) < 100
