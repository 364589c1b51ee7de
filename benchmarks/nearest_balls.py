"""`prdc`: precision, recall, density and coverage against the package of Naeem et al. (2020).

The peer holds matrices of all distances; both sides compute in fp64 and agree to 1e-9. The peak memory of a
process includes its imports; what each side adds to them is compared in tests/benchmarks.
"""

__all__ = ["prdc"]

from functools import partial

import torch

from benchmarks.figure import Comparison
from benchmarks.names import Name
from morphogen.evaluation import precision_recall as module

NEIGHBOURS = 5


def prdc(name: Name, rows: int = 5000, features: int = 64) -> list[Comparison]:
    """Seconds for all four measures."""
    from prdc import compute_prdc

    generator = torch.Generator().manual_seed(0)
    real = torch.randn(rows, features, generator=generator).double()
    fake = 1.1 * torch.randn(rows, features, generator=generator).double()
    ours = partial(module.prdc, real, fake, NEIGHBOURS)
    peer = partial(compute_prdc, real.numpy(), fake.numpy(), NEIGHBOURS)
    config = {"rows": rows, "features": features, "k": NEIGHBOURS}
    return [Comparison(ours, peer, None, "s", config, setup=lambda: _check(ours(), peer()))]


def _check(ours: dict[str, float], theirs: dict[str, float]) -> None:
    assert all(abs(value - theirs[name]) <= 1e-9 for name, value in ours.items()), f"{ours} is not {theirs}"
