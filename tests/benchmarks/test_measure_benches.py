"""The benches of `frechet` and `prdc`: both sides agree; `prdc` takes a tenth of the memory of distances."""

import subprocess
import sys

import pytest

from benchmarks import frechet, nearest_balls
from benchmarks.names import parse

PEAK = """
import resource, sys, torch
from morphogen.evaluation.precision_recall import prdc
def all_distances(real, fake):
    return torch.cdist(real, fake)
real, fake = (torch.randn(rows, 16).double() for rows in (ROWS, ROWS))
prdc(real[:400], fake[:400]), all_distances(real[:400], fake[:400])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
SIDE(real, fake)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_frechet_equals_its_peers() -> None:
    [comparison] = frechet.frechet(parse(["frechet", "vs-default"]), 120, 24)
    comparison.setup()
    real, fake = (x.numpy() for x in frechet.features_of(120, 24))
    by_root = frechet.textbook(real, fake, frechet.square_root)
    assert comparison.ours() == pytest.approx(by_root, rel=1e-10)


def test_prdc_equals_its_peer() -> None:
    pytest.importorskip("prdc")
    [comparison] = nearest_balls.prdc(parse(["prdc", "vs-default"]), 100, 8)
    comparison.setup()


@pytest.mark.slow
def test_prdc_adds_a_tenth_of_the_memory_of_one_matrix_of_distances() -> None:
    added = {}
    for side in ("prdc", "all_distances"):
        script = PEAK.replace("SIDE", side).replace("ROWS", "8000")
        added[side] = int(subprocess.check_output([sys.executable, "-c", script], text=True))
    assert added["prdc"] <= 0.1 * added["all_distances"], added
