"""Under pytest, calls with wrong shapes or types fail; outside of tests the type checker is not loaded."""

import subprocess
import sys

import pytest
import torch
from jaxtyping import TypeCheckError

from morphogen.catalogue import build_system
from morphogen.component import to_config
from morphogen.conditioning.specs import Classes
from morphogen.contract import Context, Encoded
from morphogen.families.diffusion.targets import combine
from morphogen.networks.attention import Attention
from morphogen.representations.pixels import Pixels

WRONG = {
    "two rows instead of three": lambda: combine(
        "eps", torch.zeros(3, 2), torch.zeros(3, 2), torch.ones(2), torch.ones(2)
    ),
    "integers for reals": lambda: combine(
        "eps", torch.zeros(3, 2).long(), torch.zeros(3, 2), torch.ones(3), torch.ones(3)
    ),
    "a matrix instead of a sequence": lambda: Attention(4, 2)(torch.zeros(3, 4)),
    "fields of different batches": lambda: Encoded(torch.zeros(3, 2), torch.zeros(2), torch.ones(3)),
    "a label instead of a vector": lambda: Context(vector=torch.zeros(3).long()),
    "an unknown target": lambda: combine(
        "noise", torch.zeros(3, 2), torch.zeros(3, 2), torch.ones(3), torch.ones(3)
    ),
    "a shape that is not a tuple": lambda: build_system(
        "vae", Pixels(17, [1, 8, 8]), {"label": Classes(10)}, "tiny"
    ),
}

EVERYTHING = """
import importlib, pkgutil, sys, morphogen
for module in pkgutil.walk_packages(morphogen.__path__, "morphogen."):
    importlib.import_module(module.name)
print(*(name for name in ("jaxtyping", "beartype", "pytest") if name in sys.modules))
"""


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG)
def test_calls_that_violate_annotations_fail(call):
    with pytest.raises(TypeCheckError):
        call()


@pytest.mark.usefixtures("untyped")
def test_a_test_can_disable_the_checks():
    assert WRONG["integers for reals"]().equal(torch.zeros(3, 2))


def test_constructors_keep_their_signatures():
    """`component.to_config` reads the signatures, which the hook wraps."""
    expected = {"part": "Attention", "width": 4, "heads": 2, "bias": True, "window": None}
    assert to_config(Attention(4, 2)).items() >= expected.items()


def test_beartype_is_not_loaded_outside_of_tests():
    done = subprocess.run([sys.executable, "-c", EVERYTHING], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["jaxtyping"]  # which the annotations use
