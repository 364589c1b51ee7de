"""A saved model can be loaded by a process that has imported nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

import morphogen as mg
from morphogen.catalogue import build_system
from morphogen.component import Component
from morphogen.contract import Representation
from morphogen.representations.audio import MuLaw
from morphogen.representations.pixels import Pixels
from morphogen.representations.text import Bytes

PIXELS = Pixels(17, (1, 8, 8))
SYSTEMS = {
    "dit": PIXELS,
    "mixture": PIXELS,
    "vae": PIXELS,
    "ngram": Bytes(16),
    "wavenet": MuLaw(24, 8000, 16),
}
LOAD = "import sys, morphogen as mg; print(type(mg.load(sys.argv[1]).objective).__name__)"


@pytest.mark.parametrize(("system", "representation"), SYSTEMS.items(), ids=SYSTEMS)
def test_a_model_loads_in_a_fresh_process(
    system: str, representation: Representation, tmp_path: Path
) -> None:
    model = build_system(system, representation, {}, "tiny")
    mg.save(model, tmp_path / "model")
    command = [sys.executable, "-c", LOAD, str(tmp_path / "model")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.strip() == type(model.objective).__name__, done.stderr


def test_every_part_is_found_by_name() -> None:
    """In a fresh process, each registered part of the package is found from its name alone."""
    parts = [name for name, part in Component.registry.items() if part.__module__.startswith("morphogen.")]
    code = "import sys; from morphogen.component import find_part; [find_part(name) for name in sys.argv[1:]]"
    assert len(parts) > 50
    subprocess.run([sys.executable, "-c", code, *parts], check=True, timeout=120)
