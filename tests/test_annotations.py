"""The annotations are true: under pytest a call with a wrong shape or kind ends there, and outside nothing of that is loaded."""

import subprocess
import sys

import pytest
import torch
from jaxtyping import TypeCheckError

from morphogen.catalogue import compose
from morphogen.component import describe
from morphogen.contract import Context, Encoded, Losses
from morphogen.families.diffusion.targets import combine
from morphogen.networks.attention import Attention
from morphogen.representations.pixels import Pixels

WRONG = {
    "two rows for three": lambda: combine("eps", torch.zeros(3, 2), torch.zeros(3, 2), torch.ones(2), torch.ones(2)),
    "whole numbers for real ones": lambda: combine("eps", torch.zeros(3, 2).long(), torch.zeros(3, 2), torch.ones(3), torch.ones(3)),
    "a matrix for a sequence": lambda: Attention(4, 2)(torch.zeros(3, 4)),
    "a loss that is no number a row": lambda: Losses({"nll": torch.zeros(())}),
    "fields of different batches": lambda: Encoded(torch.zeros(3, 2), torch.zeros(2), torch.ones(3)),
    "a label where a vector goes": lambda: Context(vector=torch.zeros(3).long()),
    "a target that is none": lambda: combine("noise", torch.zeros(3, 2), torch.zeros(3, 2), torch.ones(3), torch.ones(3)),
    "a shape that is no tuple": lambda: compose("vae", Pixels(17, [1, 8, 8]), 10, "tiny"),
}

EVERYTHING = """
import importlib, pkgutil, sys, morphogen
for module in pkgutil.walk_packages(morphogen.__path__, "morphogen."):
    importlib.import_module(module.name)
print(*(name for name in ("jaxtyping", "beartype", "pytest") if name in sys.modules))
"""


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG)
def test_what_the_annotations_forbid_is_refused(call):
    with pytest.raises(TypeCheckError):
        call()


@pytest.mark.usefixtures("untyped")
def test_a_test_may_ask_for_the_code_as_it_is():
    assert Losses({"nll": torch.zeros(())}).total == 0


def test_constructors_still_say_what_they_take():
    """`component.describe` reads the signatures that the hook has wrapped."""
    written = describe(Attention(4, 2))
    assert written.items() >= {"part": "Attention", "width": 4, "heads": 2, "bias": True, "window": None}.items()


def test_outside_of_tests_beartype_is_not_loaded():
    done = subprocess.run([sys.executable, "-c", EVERYTHING], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["jaxtyping"], "which the annotations are written in"
