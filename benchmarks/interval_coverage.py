"""How often 95 % intervals hold what they claim, on known distributions.

    python -m benchmarks.interval_coverage [SEED [CASE ...]]    all cases in a few minutes, or those named

They are stored in results/intervals-*.json, in place of earlier ones of the same day and seed.
The estimand is exact where a case states it; else it is the expected value at this n, the mean over the
trials, whose error of 0.07 standard deviations changes the coverage by less than 0.001.
`python docs/hooks/intervals_page.py` writes the table of docs/intervals.md from the record.
"""

__all__ = ["CASES", "Case", "coverage"]

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.known_tables import closest, scores, useful
from benchmarks.record import record_path, write
from morphogen.evaluation.class_score import class_score
from morphogen.evaluation.conditional_fidelity import within_class_variance
from morphogen.evaluation.frechet import frechet_interval
from morphogen.evaluation.intervals import bootstrap, fraction, mean, proportion
from morphogen.evaluation.kernel_distance import kernel_distance
from morphogen.evaluation.likelihood import ratio_of_sums
from morphogen.evaluation.precision_recall import precision_recall
from morphogen.evaluation.text import bleu
from morphogen.evaluation.two_sample import two_sample

Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """A known distribution and the figures of one draw.

    Arguments:
        distribution: in words, with n.
        draw: figures with their intervals by name, from a generator and the number of the trial.
        exact: estimands that are known exactly.
        trials: number of draws, more where they are cheap.
    """

    distribution: str
    draw: Callable[[torch.Generator, int], Figures]
    exact: Mapping[str, float] = field(default_factory=dict)
    trials: int = 200


def coverage(case: Case, seed: int = 0) -> dict[str, float]:
    """The fraction of trials in which each interval holds its estimand; seeds have different trials."""
    g = torch.Generator().manual_seed(seed)
    found = defaultdict(list)
    for trial in range(seed * 10**6, seed * 10**6 + case.trials):
        for name, figure in case.draw(g, trial).items():
            if figure is not None:
                found[name].append(figure)
    return {name: _held(figures, case.exact.get(name)) for name, figures in found.items()}


def _held(figures: list[Figures], exact: float | None) -> float:
    expected = float(np.mean([figure["value"] for figure in figures])) if exact is None else exact
    return float(np.mean([figure["low"] <= expected <= figure["high"] for figure in figures]))


def _normal(g: torch.Generator, n: int, d: int = 8, scale: float = 1.0, shift: float = 0.0) -> Tensor:
    return scale * torch.randn(n, d, generator=g, dtype=torch.float64) + shift


def _of_sets(scale: float, shift: float) -> Callable[[torch.Generator, int], Figures]:
    """All figures of two sets of 100 rows in 8 dimensions."""

    def draw(g: torch.Generator, trial: int) -> Figures:
        real, fake = _normal(g, 100), _normal(g, 100, scale=scale, shift=shift)
        return {
            "frechet": frechet_interval(real, fake, partitions=32, seed=trial),
            **precision_recall(real, fake, seed=trial),
            "two_sample": two_sample(real, fake, trial),
        }

    return draw


def _kernel_distances(scale: float, shift: float) -> Callable[[torch.Generator, int], Figures]:
    """The kernel distance of two sets of 100 rows in 8 dimensions, and of 20 and 60 rows."""

    def draw(g: torch.Generator, trial: int) -> Figures:
        return {
            f"kid ({n}, {m})": kernel_distance(_normal(g, n), _normal(g, m, scale=scale, shift=shift))
            for n, m in ((100, 100), (20, 60))
        }

    return draw


def _fractions(g: torch.Generator, trial: int) -> Figures:
    rows = torch.full((50,), 20.0)
    return {
        "known_words": fraction(torch.binomial(rows, torch.full((50,), 0.97), generator=g) / 20),
        "repeated": fraction(torch.binomial(rows, torch.full((50,), 0.02), generator=g) / 20),
        "memorised": proportion(torch.rand(50, generator=g) < 0.2),
        "precision_cost": mean(torch.randn(50, generator=g)),
    }


def _ratios(g: torch.Generator, trial: int) -> Figures:
    dims = (torch.rand(60, generator=g).square() * 400).ceil().double()
    words = torch.randint(3, 15, (60,), generator=g).double()
    errors = torch.binomial(words, 0.4 * torch.rand(60, generator=g).double(), generator=g)
    both = torch.stack([errors, words], 1)
    return {
        "bits_per_dim": ratio_of_sums(dims * (2 + 0.5 * torch.randn(60, generator=g).double()), dims),
        "word_error_rate": bootstrap(lambda rows: (rows.sum(0)[0] / rows.sum(0)[1]).item(), both, seed=trial),
    }


def _class_scores(g: torch.Generator, trial: int) -> Figures:
    scales = {"unsure": 0.3, "sure": 3}
    return {
        f"class_score ({name}, n = {n})": class_score((scale * _normal(g, n, 10)).softmax(1))
        for n in (20, 100)
        for name, scale in scales.items()
    }


def _variances(g: torch.Generator, trial: int) -> Figures:
    def rows(n: int, scale: float) -> Tensor:
        return torch.cat([(torch.arange(n) % 5)[:, None].double(), _normal(g, n, 4, scale)], 1)

    def variance(labelled: Tensor) -> float:
        return within_class_variance(labelled[:, 1:], labelled[:, 0].long())

    sets = rows(100, 0.8), rows(500, 1.0)
    return {"variance_ratio": bootstrap(lambda a, b: variance(a) / variance(b), sets, seed=trial)}


def _translations(g: torch.Generator, trial: int) -> Figures:
    """Sentences of 5 to 14 words of 30, of which up to 40 % are replaced."""
    texts: tuple[list[str], list[str]] = [], []
    for _ in range(40):
        length = int(torch.randint(5, 15, (), generator=g))
        reference, other = torch.randint(30, (2, length), generator=g)
        replaced = torch.rand(length, generator=g) < 0.4 * torch.rand((), generator=g)
        for text, words in zip(texts, (torch.where(replaced, other, reference), reference), strict=True):
            text.append(" ".join(f"w{word}" for word in words.tolist()))
    return {"bleu": bleu(*texts)}


CASES = {
    "one distribution": Case("two sets of 100 normals in 8 dimensions", _of_sets(1, 0), {"two_sample": 0.5}),
    "wider": Case("100 normals, and 100 that are 1.3 times as wide and shifted by 0.2", _of_sets(1.3, 0.2)),
    "one distribution, kernel": Case(
        "two sets of normals in 8 dimensions",
        _kernel_distances(1, 0),
        {"kid (100, 100)": 0.0, "kid (20, 60)": 0.0},
        1000,
    ),
    "near, kernel": Case(
        "normals in 8 dimensions, and others that are shifted by 0.1", _kernel_distances(1, 0.1), trials=1000
    ),
    "wider, kernel": Case(
        "normals, and others that are 1.3 times as wide and shifted by 0.2",
        _kernel_distances(1.3, 0.2),
        trials=1000,
    ),
    "fractions": Case(
        "50 rows: shares of 20 words (0.97, 0.02), flags (0.2), normals",
        _fractions,
        {"known_words": 0.97, "repeated": 0.02, "memorised": 0.2, "precision_cost": 0.0},
        1000,
    ),
    "ratios": Case("60 rows of 1 to 400 dims, or of 3 to 14 words", _ratios, {"bits_per_dim": 2.0}),
    "classifier": Case("probabilities of 10 classes from normal logits", _class_scores, trials=1000),
    "classes": Case("100 and 500 normals in 5 classes", _variances),
    "translations": Case("40 sentences, up to 40 % of the words replaced", _translations),
    "matching tables": Case("two tables of 200 rows", lambda g, trial: scores(trial, 0.0)),
    "different tables": Case("tables of 200 rows, one shifted", lambda g, trial: scores(trial, 1.0)),
    "closest record": Case(
        "150 training rows, as many held out, 300 samples", lambda g, trial: closest(trial), {"closer": 0.5}
    ),
    "usefulness": Case("150 held-out rows, a predictor of 200 rows", lambda g, trial: useful(trial)),
}


def main(seed: int = 0, titles: Sequence[str] = ()) -> None:
    """Print the coverage of the intervals of some cases, or of all, and store it."""
    path = record_path(kind="intervals-")
    earlier: Any = json.loads(path.read_text(encoding="utf8")) if titles and path.exists() else {"seed": None}
    found: dict[str, list[dict[str, Any]]] = {case.distribution: [] for case in CASES.values()}
    for known in earlier["coverage"] if earlier["seed"] == seed else []:
        found[known["distribution"]].append(known)
    for case in (CASES[title] for title in titles or CASES):
        found[case.distribution] = [
            {"measure": name, "exact": case.exact.get(name), "distribution": case.distribution}
            | {"trials": case.trials, "held": round(share, 4)}
            for name, share in coverage(case, seed).items()
        ]
        print(json.dumps(found[case.distribution], indent=1), flush=True)
    write(path, seed=seed, coverage=[known for rows in found.values() for known in rows])


if __name__ == "__main__":
    main(int((sys.argv[1:] or ["0"])[0]), sys.argv[2:])
