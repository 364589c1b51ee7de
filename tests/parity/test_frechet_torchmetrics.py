"""The Frechet distance equals torchmetrics', which takes eigenvalues of the product of covariances."""

import pytest
import torch

from morphogen.evaluation.frechet import frechet

fid = pytest.importorskip("torchmetrics.image.fid")


@pytest.mark.parametrize(("n", "m", "d"), [(300, 200, 8), (500, 400, 64)])
def test_frechet_equals_torchmetrics(n, m, d):
    generator = torch.Generator().manual_seed(d)
    real = torch.randn(n, d, generator=generator).double()
    fake = real[torch.arange(m) % n] * 1.2 + torch.rand(m, d, generator=generator).double()
    moments = [part for x in (real, fake) for part in (x.mean(0), torch.cov(x.T))]
    assert frechet(real, fake) == pytest.approx(fid._compute_fid(*moments).item(), rel=1e-6)
