"""Categories whose codes are in no order keep their dependence on numbers and on each other."""

import pytest
import torch
from torch import Tensor

from morphogen.contract import Encoded
from morphogen.families.classical import CopulaSampler, GaussianCopula
from morphogen.families.classical.category_order import category_order
from morphogen.numerics.randomness import Rng
from morphogen.representations.tabular import CategoryColumn, NormalScores, RealColumn, Tabular

N = 2000
SHUFFLED = torch.tensor([3, 1, 5, 2, 4])  # the code of each fifth of a score


def codes_of(z: Tensor) -> Tensor:
    """Codes of the fifths of a score, in no order."""
    return SHUFFLED[torch.special.ndtr(z).mul(5).long().clamp(0, 4)]


def table(categories: int, numbers: int) -> NormalScores:
    words = [CategoryColumn(f"c{i}", tuple("abcde"), (0.0, *[1.0] * 5)) for i in range(categories)]
    edges, weights = (-9.0, -1.0, 0.0, 1.0, 9.0), (0.0, 1.0, 2.0, 2.0, 1.0)
    return NormalScores(Tabular((*words, *(RealColumn(f"r{i}", edges, weights) for i in range(numbers)))))


def rows(categories: int, numbers: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Codes and scores of one-factor rows, of which two columns have the correlation 0.81."""
    rng = Rng(seed, N)
    z = 0.9 * rng.normal(1) + 0.19**0.5 * rng.fork("own").normal(categories + numbers)
    words = [codes_of(z[:, i]) for i in range(categories)]
    return torch.stack([*words, *[torch.ones_like(words[0])] * numbers], 1), z[:, categories:]


def fitted(codes: Tensor, scores: Tensor, categories: int, numbers: int) -> GaussianCopula:
    model = GaussianCopula(table(categories, numbers), draws=4)
    x = Encoded({"codes": codes, "scores": scores}, torch.zeros(N), torch.ones(N))
    model.prepare(x, None, Rng(0, N))
    for step in range(4):
        model.update_from_statistics(model.losses(x, None, Rng(step, N), "model").statistics, step)
    return model


@pytest.mark.parametrize(("categories", "numbers"), [(1, 1), (2, 0), (2, 2)])
def test_the_true_order_is_found_or_its_reverse(categories: int, numbers: int) -> None:
    codes, scores = rows(categories, numbers)
    sizes = [6] * categories + [2] * numbers
    places = category_order(codes, scores, range(categories, categories + numbers), sizes)
    for found in places[:categories]:
        in_order = found[SHUFFLED].tolist()
        assert found[0] == 0 and in_order in ([1, 2, 3, 4, 5], [5, 4, 3, 2, 1])


def test_codes_that_are_in_order_remain_so() -> None:
    codes, scores = rows(2, 1)
    ordered = codes.clone()
    ordered[:, :2] = 1 + SHUFFLED.argsort()[codes[:, :2] - 1]
    for found in category_order(ordered, scores, [2], [6, 6, 2]):
        assert found.tolist() == list(range(len(found)))
    alone = category_order(codes[:, :1], scores[:, :0], [], [6])
    assert alone[0].tolist() == list(range(6))


def test_samples_keep_the_dependence_of_unordered_categories() -> None:
    """2,000 rows: the mean score of each category, and the table of a pair (total variation), seed 0.

    In the order of the codes the means are within 0.7 of 0, and the distance of the tables is above 0.2.
    """
    codes, scores = rows(2, 1)
    model = fitted(codes, scores, 2, 1)
    drawn = CopulaSampler()(model, {"codes": (3,), "scores": (1,)}, None, Rng(5, N))

    def means(codes: Tensor, scores: Tensor) -> Tensor:
        return torch.stack([scores[codes[:, 0] == k].mean() for k in range(1, 6)])

    def pairs(codes: Tensor) -> Tensor:
        return (6 * codes[:, 0] + codes[:, 1]).bincount(minlength=36) / N

    assert (means(drawn["codes"], drawn["scores"]) - means(codes, scores)).abs().max() < 0.2
    assert (pairs(drawn["codes"]) - pairs(codes)).abs().sum() / 2 < 0.1
    model.places.copy_(torch.cat([torch.arange(6), torch.arange(6), torch.arange(2)]))
    x = Encoded({"codes": codes, "scores": scores}, torch.zeros(N), torch.ones(N))
    for step in range(4):
        model.update_from_statistics(model.losses(x, None, Rng(step, N), "model").statistics, step)
    drawn = CopulaSampler()(model, {"codes": (3,), "scores": (1,)}, None, Rng(5, N))
    assert (pairs(drawn["codes"]) - pairs(codes)).abs().sum() / 2 > 0.2
    assert means(drawn["codes"], drawn["scores"]).abs().max() < 0.7
