"""Gaussian copulas: the closed form of numbers, boxes of categories, marginals, conditionals, classes."""

import math

import pytest
import torch
from scipy import stats
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded
from morphogen.families.classical import CopulaSampler, GaussianCopula
from morphogen.model import Model
from morphogen.numerics.randomness import Rng
from morphogen.representations.tabular import CategoryColumn, NormalScores, RealColumn, Tabular

EDGES = (-5.0, -1.0, 0.0, 1.0, 5.0)
MASSES = 0.0, 1.0, 2.0, 3.0  # of the categories


def scores_of(categories: int = 0, numbers: int = 2, missing: float = 0.0) -> NormalScores:
    words = [CategoryColumn(f"c{i}", ("x", "y", "z"), MASSES) for i in range(categories)]
    reals = [RealColumn(f"r{i}", EDGES, (missing, 1.0, 2.0, 2.0, 1.0)) for i in range(numbers)]
    return NormalScores(Tabular((*words, *reals)))


def encoded(codes: Tensor, scores: Tensor) -> Encoded:
    rows = torch.zeros(len(codes))
    return Encoded({"codes": codes, "scores": scores.float()}, rows, rows + codes.shape[1])


def rows(z: Tensor, categories: int) -> Encoded:
    """Rows of latent scores, of which the first columns are categories."""
    ends = torch.special.ndtri(torch.tensor([1 / 6, 1 / 2]).double())
    words = 1 + torch.searchsorted(ends, z[:, :categories].contiguous())
    return encoded(torch.cat([words, torch.ones_like(z[:, categories:]).long()], 1), z[:, categories:])


def latent(n: int, correlation: Tensor, seed: int = 0) -> Tensor:
    return Rng(seed, n).normal(len(correlation)).double() @ torch.linalg.cholesky(correlation.double()).T


R3 = torch.tensor([[1.0, 0.6, -0.5], [0.6, 1.0, 0.1], [-0.5, 0.1, 1.0]])


def fit(model: GaussianCopula, x: Encoded, rounds: int = 8, context: Context | None = None) -> list[float]:
    model.prepare(x, context, Rng(0, len(x)))
    trace = []
    for step in range(rounds):
        losses = model.losses(x, context, Rng(step, len(x)), "model")
        trace.append(-losses.total.mean().item())
        model.update_from_statistics(losses.statistics, step)
    return trace


def test_complete_numbers_have_the_correlation_of_their_scores() -> None:
    """One round is the closed form: R = corr with zero means; log p is that of one Gaussian, to 1e-9."""
    z = latent(400, R3)
    model = GaussianCopula(scores_of(0, 3), floor=1e-12)
    fit(model, rows(z, 0), 1)
    z = z.float().double()
    second = z.T @ z / len(z)
    scale = second.diagonal().sqrt()
    torch.testing.assert_close(model.covariances[0], second / scale[:, None] / scale, atol=1e-9, rtol=0)
    likelihood = model.log_prob(rows(z, 0), None, Rng(0, 400))
    expected = stats.multivariate_normal(cov=model.covariances[0].numpy()).logpdf(z.numpy())
    torch.testing.assert_close(likelihood.nats, torch.from_numpy(expected), atol=1e-9, rtol=0)
    assert likelihood.kind == "exact"


@pytest.mark.parametrize("categories", [1, 2, 3])
def test_the_probability_of_a_box_is_simulated(categories: int) -> None:
    """exp log p is unbiased: 4,000 rows of 16 draws, within 4 standard errors of scipy; exact for one."""
    model = GaussianCopula(scores_of(categories, 3 - categories))
    model.scatter.copy_(R3.double()[None])
    one = rows(torch.tensor([[0.3, -1.2, 0.7]]).double(), categories)
    n = 4000
    many = encoded(one.x["codes"].expand(n, -1), one.x["scores"].expand(n, -1))
    likelihood = model.log_prob(many, None, Rng(1, n))
    sigma, known = model.covariances[0], list(range(categories, 3))
    free = list(range(categories))
    gain = sigma[free][:, known] @ torch.linalg.inv(sigma[known][:, known]) if known else torch.zeros(3, 0)
    left = sigma[free][:, free] - gain.double() @ sigma[known][:, free]
    mean = gain.double() @ one.x["scores"][0].double()
    ends = [model.latent.thresholds[j] for j in free]
    low = [ends[j][one.x["codes"][0, j]].item() for j in free]
    high = [ends[j][one.x["codes"][0, j] + 1].item() for j in free]
    box = stats.multivariate_normal(mean.numpy(), left.numpy(), abseps=1e-9).cdf(high, lower_limit=low)
    scores = one.x["scores"][0].double().numpy()
    density = stats.multivariate_normal(cov=sigma[known][:, known].numpy()).pdf(scores) if known else 1.0
    p = likelihood.nats.exp()
    if categories == 1:
        torch.testing.assert_close(p, torch.full_like(p, float(box * density)), rtol=1e-6, atol=0)
        assert likelihood.kind == "exact"
    else:
        error = p.std().item() / math.sqrt(n)
        assert abs(p.mean().item() - box * density) < 4 * error + 1e-6
        assert likelihood.kind == "lower_bound" and likelihood.draws == 16
        assert likelihood.nats.mean().item() < math.log(box * density) + 1e-6


def test_masses_of_a_table_of_categories_sum_to_one() -> None:
    """Also after EM; 27 rows of 3 columns, 2000 draws."""
    model = GaussianCopula(scores_of(3, 0), draws=2000)
    fit(model, rows(latent(300, R3), 3), 3)
    every = torch.cartesian_prod(*[torch.arange(1, 4)] * 3)
    nats = model.log_prob(encoded(every, torch.zeros(27, 0)), None, Rng(0, 27)).nats
    assert nats.exp().sum().item() == pytest.approx(1, abs=0.01)


def test_em_recovers_the_correlation_of_categories() -> None:
    """6,000 rows, 2 columns of categories and a number: each correlation within 0.05; log p rises."""
    model = GaussianCopula(scores_of(2, 1))
    trace = fit(model, rows(latent(6000, R3), 2), 15)
    assert (model.covariances[0] - R3.double()).abs().max() < 0.05
    assert trace[-1] > trace[0] + 0.02


def test_missing_numbers_are_integrated_out() -> None:
    """The marginal of the other columns, exactly; a third of the numbers is missing in the fit."""
    model = GaussianCopula(scores_of(0, 3, missing=3.0))
    z = latent(3000, R3)
    exists = (Rng(5, 3000).uniform(3) > 1 / 3).long()
    fit(model, encoded(exists, z * exists), 12)
    assert (model.covariances[0] - R3.double()).abs().max() < 0.08
    one = encoded(torch.tensor([[1, 0, 1]]), torch.tensor([[0.4, 0.0, -0.3]]))
    sigma = model.covariances[0][[0, 2]][:, [0, 2]]
    expected = stats.multivariate_normal(cov=sigma.numpy()).logpdf([0.4, -0.3])
    expected += 2 * math.log(2 / 3) + math.log(1 / 3)
    assert model.log_prob(one, None, Rng(0, 1)).nats.item() == pytest.approx(expected, abs=1e-6)


def test_samples_have_the_marginals_of_the_table_and_the_correlation() -> None:
    """n = 20,000, seed 3: categories by chi-square, scores by KS (p > 0.001), correlation within 0.03."""
    model, n = GaussianCopula(scores_of(1, 2)), 20_000
    fit(model, rows(latent(4000, R3), 1), 6)
    drawn = model.default_sampler()(model, {"codes": (3,), "scores": (2,)}, None, Rng(3, n))
    counts = torch.bincount(drawn["codes"][:, 0], minlength=4)[1:]
    assert stats.chisquare(counts.numpy(), n * torch.tensor([1.0, 2.0, 3.0]).numpy() / 6).pvalue > 0.001
    assert stats.kstest(drawn["scores"][:, 0].numpy(), "norm").pvalue > 0.001
    found = torch.corrcoef(drawn["scores"].double().T)[0, 1]
    assert abs(found - model.covariances[0][1, 2]) < 0.03


def test_given_cells_condition_the_others() -> None:
    """n = 20,000, seed 4: given a number, the other is Gaussian (KS p > 0.001).

    Given a category as well, the fraction of each category equals the ratio of masses: 4 standard errors.
    """
    model, n = GaussianCopula(scores_of(2, 1)), 20_000
    model.scatter.copy_(R3.double()[None])
    cells = {"codes": torch.tensor([3, -1, 1]).expand(n, -1), "scores": torch.tensor([[0.8]]).expand(n, -1)}
    drawn = CopulaSampler()(model, {"codes": (3,), "scores": (1,)}, Context(given=cells), Rng(4, n))
    assert (drawn["codes"][:, 0] == 3).all() and (drawn["scores"] == 0.8).all()
    every = torch.tensor([[3, k, 1] for k in (1, 2, 3)])
    nats = model.log_prob(encoded(every, torch.full((3, 1), 0.8)), Context(given={
        "codes": torch.tensor([3, -1, 1]).expand(3, -1), "scores": torch.tensor([[0.8]]).expand(3, -1),
    }), Rng(0, 3))  # fmt: skip
    assert nats.kind == "estimate" and nats.stderr is not None
    many = model.log_prob(
        encoded(every.repeat(500, 1), torch.full((1500, 1), 0.8)), None, Rng(0, 1500)
    ).nats.exp().view(500, 3).mean(0)  # fmt: skip
    p = many / many.sum()
    fraction = torch.bincount(drawn["codes"][:, 1], minlength=4)[1:] / n
    assert ((fraction - p).abs() < 4 * (p * (1 - p) / n).sqrt() + 0.003).all()

    numbers = GaussianCopula(scores_of(0, 3))
    numbers.scatter.copy_(R3.double()[None])
    cells = {
        "codes": torch.tensor([1, -1, -1]).expand(n, -1),
        "scores": torch.tensor([1.5, 0, 0]).expand(n, -1),
    }
    drawn = CopulaSampler()(numbers, {"codes": (3,), "scores": (3,)}, Context(given=cells), Rng(5, n))
    sigma = numbers.covariances[0]
    std = math.sqrt(1 - sigma[0, 1].item() ** 2)
    assert stats.kstest(drawn["scores"][:, 1].numpy(), "norm", (1.5 * sigma[0, 1].item(), std)).pvalue > 0.001


def test_classes_have_means_and_covariances() -> None:
    z = torch.cat([latent(500, R3) - 1, latent(500, torch.eye(3), seed=1) + 1])
    y = (torch.arange(1000) >= 500).long()
    context = Context(vector=torch.nn.functional.one_hot(y, 2).float())
    model = GaussianCopula(scores_of(0, 3), classes=2)
    fit(model, rows(z, 0), 2, context)
    assert (model.means.mean(1) - torch.tensor([-1.0, 1.0]).double()).abs().max() < 0.1
    own = model.log_prob(rows(z, 0), context, Rng(0, 1000)).nats
    swapped = Context(vector=torch.nn.functional.one_hot(1 - y, 2).float())
    assert (own > model.log_prob(rows(z, 0), swapped, Rng(0, 1000)).nats).double().mean() > 0.9
    with pytest.raises(ConfigError, match="width 3"):
        model.log_prob(rows(z, 0), Context(vector=torch.zeros(1000, 3)), Rng(0, 1000))


def test_duplicate_and_constant_columns_have_a_floor() -> None:
    z = latent(300, torch.eye(1)).expand(-1, 3).clone()
    z[:, 2] = 0.5
    model = GaussianCopula(scores_of(0, 3))
    fit(model, rows(z, 0), 2)
    assert model.log_prob(rows(z, 0), None, Rng(0, 300)).nats.isfinite().all()
    assert Model(model, scores_of(0, 3)).sample(5).tensor.isfinite().all()


def test_bad_input_is_refused_in_one_line() -> None:
    for bad in ({"classes": -1}, {"floor": 0.0}, {"prior": -1.0}, {"draws": 0}):
        with pytest.raises(ConfigError, match="GaussianCopula needs"):
            GaussianCopula(scores_of(), **bad)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="draws=0"):
        CopulaSampler(draws=0)
    x = rows(torch.tensor([[0.0, torch.inf]]).double(), 0)
    with pytest.raises(ConfigError, match="row 0, score 1 is inf"):
        GaussianCopula(scores_of()).prepare(x, None, Rng(0, 1))
