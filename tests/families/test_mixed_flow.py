"""Flows of mixed data: for each pattern of missing numbers, an invertible map of those that exist."""

import pytest
import torch

from morphogen.catalogue import build_system
from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded
from morphogen.families.flow import SingleScale
from morphogen.numerics.randomness import Rng
from morphogen.representations.tabular import CategoryColumn, RealColumn, Tabular

EDGES = (-5.0, -1.0, 0.0, 1.0, 5.0)
TABLE = Tabular(
    (
        CategoryColumn("c", ("x", "y"), (1.0, 2.0, 3.0)),
        *(RealColumn(f"r{i}", EDGES, (1.0, 1.0, 2.0, 2.0, 1.0)) for i in range(3)),
    )
)


def awake(module):
    torch.manual_seed(0)
    for parameter in module.parameters():
        parameter.data.add_(0.2 * torch.randn_like(parameter))
    return module.eval()


def test_missing_entries_are_zero_and_do_not_matter():
    flow = awake(SingleScale(5, 16, 1, 4))
    exists = torch.tensor([[True, False, True, True, False]] * 6)
    context = Context(x_mask=exists)
    x = torch.where(exists, Rng(0, 6).normal(5), 0.0)
    z, log_det = flow(x, context)
    assert not z[~exists].any()
    torch.testing.assert_close(flow.inverse(z, context), x, atol=1e-5, rtol=1e-5)
    for i in range(6):  # the Jacobian of the entries that exist
        seen = exists[i].nonzero()[:, 0]

        def inside(part, i=i, seen=seen):
            return flow(x[i : i + 1].index_copy(1, seen, part[None]), context[i : i + 1])[0][0, seen]

        jacobian = torch.autograd.functional.jacobian(inside, x[i, seen])
        assert log_det[i].item() == pytest.approx(torch.linalg.slogdet(jacobian)[1].item(), abs=1e-4)


def test_actnorm_standardises_the_entries_that_exist():
    flow = SingleScale(2, 8, 1, 1)
    exists = torch.rand(500, 2) < 0.6
    x = torch.where(exists, 3 * Rng(0, 500).normal(2) + 5, 0.0)
    norm = flow.bijections[0]
    norm.prepare(x, Context(x_mask=exists))
    z, _ = norm(x, Context(x_mask=exists))
    for j in range(2):
        assert z[exists[:, j], j].mean().item() == pytest.approx(0, abs=1e-4)
        assert z[exists[:, j], j].std(correction=0).item() == pytest.approx(1, abs=1e-4)


def test_the_density_given_the_codes_integrates_to_one():
    """One existing score of three, on 4001 points from -9 to 9, for every category."""
    objective = awake(build_system("table_flow", TABLE, {}, "tiny").objective)
    grid = torch.linspace(-9, 9, 4001)
    for category in range(3):
        codes = torch.tensor([[category, 0, 1, 0]]).expand(4001, -1)
        scores = torch.stack([0 * grid, grid, 0 * grid], 1)
        x = Encoded({"codes": codes, "scores": scores}, 0 * grid, 0 * grid + 4)
        nats = objective.log_prob(x, None, Rng(0, 4001)).nats
        of_codes = objective.codes.log_prob(x, None, Rng(0, 4001)).nats
        density = (nats - of_codes).double().exp()
        assert torch.trapezoid(density, grid.double()).item() == pytest.approx(1, abs=1e-3)


def test_samples_are_missing_where_their_codes_say_so():
    model = build_system("table_flow", TABLE, {}, "tiny")
    x = model.sample_batch(Rng(0, 400))
    missing = x["codes"][:, 1:] == 0
    assert missing.any() and not x["scores"][missing].any() and x["scores"][~missing].all()


def test_a_table_of_categories_alone_is_refused():
    with pytest.raises(ConfigError, match="table_transformer"):
        build_system("table_flow", Tabular((CategoryColumn("c", ("x", "y")),)))
