"""Rows of a VAE: the likelihood of mixed cells, and rows given some of their cells."""

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from morphogen.catalogue import build_system
from morphogen.component import Component, ConfigError
from morphogen.contract import Context, Unsupported
from morphogen.families.vae import VAE, LearnedGaussian, MixedColumns, RowSampler, VAESampler
from morphogen.numerics.randomness import Rng
from morphogen.objective_values import WrongShape
from morphogen.representations.pixels import Pixels
from systems.mixed_table import MIXED

SIZES, COLUMNS, SIGMA = (3, 2), (1,), 0.5
MIXED_COLUMNS = MixedColumns(SIZES, COLUMNS, LearnedGaussian())


def parameters(n: int, seed: int = 0) -> dict[str, Tensor]:
    return {"codes": Rng(seed, n).normal(5), "scores": Rng(seed, n).fork("scores").normal(2)}


def rows(codes: list[list[int]], scores: list[float]) -> dict[str, Tensor]:
    return {"codes": torch.tensor(codes), "scores": torch.tensor(scores)[:, None]}


def test_a_row_has_the_masses_of_its_codes_and_the_density_of_its_scores() -> None:
    h, x = parameters(2), rows([[2, 1], [0, 0]], [0.3, 0.0])
    mean, log_sigma = h["scores"][0]
    sigma = (-7 + nn.functional.softplus(log_sigma + 7)).exp()
    of_codes = [h["codes"][i, :3].log_softmax(0)[c] for i, c in enumerate((2, 0))]
    number = [h["codes"][i, 3:].log_softmax(0)[c] for i, c in enumerate((1, 0))]
    density = torch.distributions.Normal(mean, sigma).log_prob(torch.tensor(0.3))
    expected = torch.stack([of_codes[0] + number[0] + density, of_codes[1] + number[1]])
    assert torch.allclose(MIXED_COLUMNS.log_prob(x, h), expected, atol=1e-5)


def test_cells_that_are_not_known_are_integrated_out() -> None:
    h = parameters(3)
    unknown = MIXED_COLUMNS.log_prob(rows([[-1, 1]] * 3, [0.1] * 3), h)
    every = [MIXED_COLUMNS.log_prob(rows([[code, 1]] * 3, [0.1] * 3), h).exp() for code in range(3)]
    assert torch.allclose(unknown.exp(), torch.stack(every).sum(0), atol=1e-6)
    assert MIXED_COLUMNS.log_prob(rows([[-1, -1]] * 3, [9.0] * 3), h).abs().max() == 0


def test_samples_have_the_frequencies_of_the_logits_and_no_score_without_a_number() -> None:
    """n = 4000, seed 0: chi-square p > 0.01; no missing cell in complete rows."""
    n, one = 4000, parameters(1)
    h = {name: part.expand(n, -1) for name, part in one.items()}
    drawn = MIXED_COLUMNS.sample(h, Rng(0, n))
    counts = torch.bincount(drawn["codes"][:, 0], minlength=3)
    expected = n * one["codes"][0, :3].softmax(0)
    assert stats.chisquare(counts, expected.double() * n / expected.double().sum()).pvalue > 0.01
    missing = drawn["codes"][:, 1] == 0
    assert 0 < missing.sum() < n and drawn["scores"][missing].abs().max() == 0
    mean = MIXED_COLUMNS.median(h)["scores"][0, 0]
    assert abs(drawn["scores"][~missing].median() - mean) < 0.1 or mean == 0
    assert (MIXED_COLUMNS.sample(MIXED_COLUMNS.complete(h), Rng(0, n))["codes"] > 0).all()


def test_a_decoder_of_another_width_is_refused() -> None:
    h = parameters(2)
    with pytest.raises(WrongShape, match=r"\[2, 4\]"):
        MIXED_COLUMNS.log_prob(rows([[0, 0]] * 2, [0.0] * 2), {**h, "codes": h["codes"][:, 1:]})


class Slope(Component, nn.Module):
    """z [B, 1] to a category that is 1 with probability sigmoid(3 z), and a score N(2 z, 0.5^2)."""

    def __init__(self, slope: float):
        super().__init__()
        self.slope = slope

    def forward(self, z: Tensor, context: Context | None = None) -> dict[str, Tensor]:
        never, always = torch.full_like(z, -1e9), torch.full_like(z, 1e9)
        scale = torch.full_like(z, SIGMA).log()
        inverse = -7 + (scale + 7).expm1().log()  # of the softplus in `LearnedGaussian`
        codes = torch.cat([never, torch.zeros_like(z), self.slope * z, -always, always], 1)
        return {"codes": codes, "scores": torch.cat([2 * z, inverse], 1)}


@pytest.fixture(scope="module")
def sloped() -> VAE:
    return VAE(nn.Linear(1, 1), Slope(3.0), MixedColumns((3, 2), (1,), LearnedGaussian()), (1,))


def test_given_a_category_the_scores_are_those_of_its_rows(sloped: VAE) -> None:
    """n = 4000, seed 0: the mean score given category 2 by quadrature, within 4 standard errors; not 0."""
    n, shape = 4000, {"codes": (2,), "scores": (1,)}
    given = rows([[2, -1]] * n, [0.0] * n)
    drawn = RowSampler(64)(sloped, shape, Context(given=given), Rng(0, n))
    z = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    weight = (-z.square() / 2).exp() * (3 * z).sigmoid()
    mean = 2 * (z * weight).sum() / weight.sum()
    error = drawn["scores"].std() / n**0.5
    assert (drawn["codes"][:, 0] == 2).all() and mean > 1
    assert abs(drawn["scores"].mean() - mean) < 4 * error
    free = RowSampler()(sloped, shape, None, Rng(0, n))
    assert abs(free["scores"].mean()) < 4 * free["scores"].std() / n**0.5


def test_given_a_number_the_categories_are_those_of_its_rows(sloped: VAE) -> None:
    """n = 4000, seed 1, score 1: P(category 2) by quadrature, within 4 standard errors; it is kept."""
    n, shape = 4000, {"codes": (2,), "scores": (1,)}
    drawn = RowSampler(256)(sloped, shape, Context(given=rows([[-1, 1]] * n, [1.0] * n)), Rng(1, n))
    z = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    weight = (-z.square() / 2 - ((1 - 2 * z) / SIGMA).square() / 2).exp()
    p = ((3 * z).sigmoid() * weight).sum() / weight.sum()
    assert (drawn["scores"] == 1).all()
    assert abs((drawn["codes"][:, 0] == 2).double().mean() - p) < 4 * (p * (1 - p) / n) ** 0.5


def test_the_likelihood_chooses_how_a_model_is_sampled() -> None:
    rows_of, pictures = (
        build_system("table_vae", MIXED, {}, "tiny"),
        build_system("vae", Pixels(17, (1, 8, 8)), {}, "tiny"),
    )
    assert isinstance(rows_of.objective.default_sampler(), RowSampler)
    assert repr(pictures.objective.default_sampler()) == repr(VAESampler("median"))
    with pytest.raises(ConfigError, match="candidates=0"):
        RowSampler(candidates=0)


def test_a_bound_given_cells_is_refused_in_one_line() -> None:
    model = build_system("table_vae", MIXED, {}, "tiny")
    row = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    with pytest.raises(Unsupported, match="given cells") as error:
        model.log_prob(row, {"cells": {"c": "x"}})
    assert "\n" not in str(error.value)
