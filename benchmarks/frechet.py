"""`frechet`: squared Frechet distance of two sets of features, against the eigenvalues of S_1 S_2.

    python -m benchmarks.frechet [ROWS FEATURES]    10,000 x 2048, in results/frechet-*.json

The peer is what torchmetrics computes (`scipy.linalg.eigvals`). The timed pairs have 2000 rows of 512
features; the record of the full size, which takes two minutes, also states pytorch-fid's
`scipy.linalg.sqrtm`. All sides agree to 10 digits.
"""

__all__ = ["frechet"]

import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from benchmarks.figure import Comparison
from benchmarks.names import Name
from benchmarks.record import record_path, write
from morphogen.evaluation import frechet as module

DIGITS = 1e-10  # relative difference
REPETITIONS = 7
Trace = Callable[[np.ndarray], float]


def frechet(name: Name, rows: int = 2000, features: int = 512) -> list[Comparison]:
    """Seconds per distance."""
    real, fake = features_of(rows, features)
    ours = partial(module.frechet, real, fake)
    peer = partial(textbook, real.numpy(), fake.numpy(), eigenvalues)
    config = {"rows": rows, "features": features, "peer": "scipy.linalg.eigvals"}
    return [Comparison(ours, peer, None, "s", config, setup=lambda: _check(ours(), peer()))]


def features_of(rows: int, features: int) -> tuple[Tensor, Tensor]:
    """Two sets of correlated rows with decaying spectra, as deep features have."""
    generator = torch.Generator().manual_seed(0)
    spectrum = torch.linspace(1, 0.05, features).double()
    mixing = torch.linalg.qr(torch.randn(features, features, generator=generator).double())[0]
    real, fake = (torch.randn(rows, features, generator=generator).double() * spectrum for _ in range(2))
    return real @ mixing, 1.2 * fake @ mixing + 0.1


def textbook(real: np.ndarray, fake: np.ndarray, trace: Trace) -> float:
    """|m_1 - m_2|^2 + tr S_1 + tr S_2 - 2 tr (S_1 S_2)^{1/2}, the last by `trace` of the product."""
    first, second = np.cov(real.T), np.cov(fake.T)
    shift = np.square(real.mean(0) - fake.mean(0)).sum()
    return float(shift + np.trace(first) + np.trace(second) - 2 * trace(first @ second))


def eigenvalues(product: np.ndarray) -> float:
    """Trace of the root as the sum of the roots of the eigenvalues."""
    return float(np.sqrt(scipy.linalg.eigvals(product).astype(complex)).real.sum())


def square_root(product: np.ndarray) -> float:
    """Trace of the matrix square root."""
    return float(np.trace(scipy.linalg.sqrtm(product)).real)


def main(rows: int = 10_000, features: int = 2048) -> None:
    """Time the sides in turns; print and store the median seconds, their ratios, and the distances."""
    real, fake = features_of(rows, features)
    arrays = real.numpy(), fake.numpy()
    sides = {
        "ours": partial(module.frechet, real, fake),
        "eigvals": partial(textbook, *arrays, eigenvalues),
        "sqrtm": partial(textbook, *arrays, square_root),
    }
    values = {side: distance() for side, distance in sides.items()}  # and loads what each side requires
    for side in ("eigvals", "sqrtm"):
        _check(values["ours"], values[side])
    times = [{side: _seconds(distance) for side, distance in sides.items()} for _ in range(REPETITIONS)]
    seconds = {side: median(each[side] for each in times) for side in sides}
    ratios = {side: median(each[side] / each["ours"] for each in times) for side in ("eigvals", "sqrtm")}
    found = {"seconds": seconds, "values": values, "ratios": ratios, "repetitions": REPETITIONS}
    print(found)
    write(record_path(kind="frechet-"), rows=rows, features=features, **found)


def _seconds(distance: Callable[[], float]) -> float:
    start = time.perf_counter()
    distance()
    return time.perf_counter() - start


def _check(ours: float, theirs: float) -> None:
    assert abs(ours - theirs) <= DIGITS * abs(theirs), f"{ours!r} and {theirs!r} differ"


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
