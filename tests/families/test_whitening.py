"""Whitening: the rows of `prepare` become uncorrelated, also where entries are missing, and it inverts."""

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.contract import Context
from morphogen.families.flow import Whitening
from morphogen.numerics.distributions import gaussian_log_prob
from morphogen.numerics.randomness import Rng

MIXING = torch.tensor([[3.0, 0.0, 0.0], [2.9, 0.1, 0.0], [0.5, 0.2, 1.0]])


def prepared(rows: int = 5000, context: Context | None = None) -> tuple[Whitening, torch.Tensor]:
    """A whitening of correlated rows (0.999 between the first two entries), and the rows."""
    x = Rng(0, rows).normal(3) @ MIXING.T + 4
    x = x if context is None else torch.where(context.x_mask, x, 0.0)
    whitening = Whitening(3)
    whitening.prepare(x, context)
    return whitening, x


def test_white_rows_have_mean_zero_and_the_identity_as_covariance():
    """n = 100,000, seed 0."""
    whitening, x = prepared(100_000)
    z, _ = whitening(x, None)
    assert z.mean(0).abs().max() < 1e-4
    torch.testing.assert_close(torch.cov(z.T), torch.eye(3), atol=0.3, rtol=0)
    assert (torch.corrcoef(x.T) - torch.eye(3)).abs().max() > 0.99


def test_it_is_the_gaussian_that_is_fitted():
    """n = 100,000, seed 0."""
    whitening, x = prepared(100_000)
    z, log_det = whitening(x, None)
    gaussian = torch.distributions.MultivariateNormal(x.mean(0), torch.cov(x.T))
    ours = gaussian_log_prob(z).sum(1) + log_det
    assert (ours.mean() - gaussian.log_prob(x).mean()).abs() < 0.02


@pytest.mark.parametrize("scale", [1.0, 100.0])
@pytest.mark.parametrize("is_missing", [False, True])
def test_it_inverts_and_its_log_determinant_is_that_of_the_jacobian(scale, is_missing):
    rows = Rng(1, 40)
    context = Context(x_mask=rows.uniform(3) < 0.6) if is_missing else None
    whitening, _ = prepared(40, context)
    x = scale * rows.fork("x").normal(3)
    x = torch.where(context.x_mask, x, 0.0) if context is not None else x
    z, log_det = whitening(x, context)
    torch.testing.assert_close(whitening.inverse(z, context), x, atol=1e-5 * scale, rtol=1e-5)
    for i in range(5):
        of_row = None if context is None else context[i : i + 1]
        seen = torch.arange(3) if context is None else context.x_mask[i].nonzero()[:, 0]
        jacobian = torch.autograd.functional.jacobian(
            lambda row, c=of_row: whitening(row, c)[0], x[i : i + 1]
        )
        inside = jacobian[0, :, 0][seen][:, seen]
        assert log_det[i].item() == pytest.approx(torch.linalg.slogdet(inside)[1].item(), abs=1e-4)


def test_few_rows_and_constant_entries_leave_it_invertible():
    x = torch.cat([Rng(0, 3).normal(4), torch.full((3, 1), 7.0)], 1)
    whitening = Whitening(5)
    whitening.prepare(x, None)
    z, log_det = whitening(x, None)
    assert z.isfinite().all() and log_det.isfinite().all()
    torch.testing.assert_close(whitening.inverse(z, None), x, atol=1e-5, rtol=1e-5)


def test_no_dimension_is_refused():
    with pytest.raises(ConfigError, match="dims=0: give at least 1"):
        Whitening(0)
