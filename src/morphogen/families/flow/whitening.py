r"""Whitening: the linear map after which the entries of the data are uncorrelated.

    z = W (x - m),   W = L^-1,   L L^T = S,   log|det| = sum_i log W_ii

m and S are the mean and the covariance of the rows of `prepare`. With nothing else, such a flow is the
Gaussian that is fitted to them; a flow behind it starts there. W is triangular, so that its restriction to
the entries that exist (`context.x_mask`) is a bijection too.

    S = (n C + D diag C) / (n + D)

counts D more rows, whose entries are uncorrelated, so that it is invertible for few rows too; of many nearly
collinear entries and few rows, C alone would be too narrow.
"""

__all__ = ["Whitening"]

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Context, x_mask_of
from morphogen.families.flow.bijection import Bijection
from morphogen.families.flow.coupling import existing

LEAST = 1e-6  # variance of an entry that hardly varies, such as a constant column


class Whitening(Bijection):
    """z = W (x - m), which gives the rows of `prepare` mean 0 and covariance I; z = x before.

    It is not trained. The covariance is shrunk towards its diagonal as by Ledoit & Wolf (2004), who estimate
    the weight that is D / (n + D) here.

    Arguments:
        dims: D of x [B, D], at least 1.

    Errors: ConfigError for dims below 1.
    """

    mean: Float64[Tensor, " d"]
    root: Float64[Tensor, "d d"]

    def __init__(self, dims: int):
        super().__init__()
        if dims < 1:
            raise ConfigError(f"Whitening: dims={dims}: give at least 1")
        self.dims = dims
        self.register_buffer("mean", torch.zeros(dims, dtype=torch.float64))
        self.register_buffer("root", torch.eye(dims, dtype=torch.float64))  # L

    def forward(
        self, x: Float[Tensor, " b *x"], context: Context | None
    ) -> tuple[Float[Tensor, " b *x"], Float[Tensor, " b"]]:
        centred = existing(x.double() - self.mean, context)
        white = torch.linalg.inv(self.root)
        log_det = existing(white.diagonal().log().expand_as(centred), context).sum(1)
        return existing(centred @ white.T, context).to(x.dtype), log_det.to(x.dtype)

    def inverse(self, z: Float[Tensor, " b *x"], context: Context | None) -> Float[Tensor, " b *x"]:
        mask, white = x_mask_of(context), torch.linalg.inv(self.root)
        if mask is None:
            return (z.double() @ self.root.T + self.mean).to(z.dtype)
        both, identity = mask[:, :, None] & mask[:, None], torch.eye(self.dims).to(white)
        of_row = torch.where(both, white, identity)
        x = torch.linalg.solve_triangular(of_row, z.double()[..., None], upper=False)[..., 0]
        return existing(x + self.mean, context).to(z.dtype)

    @torch.no_grad()
    def prepare(self, x: Float[Tensor, "b ..."], context: Context | None) -> None:
        exists = existing(torch.ones_like(x).double(), context)
        count = exists.sum(0).clamp_min(1)
        mean = existing(x.double(), context).sum(0) / count
        # a missing entry is at its mean, and the variances are those of the entries that exist
        centred = existing(x.double() - mean, context) / count.sqrt()
        covariance = centred.T @ centred
        variance = covariance.diagonal().clamp_min(LEAST)
        shrunk = covariance * (len(x) / (len(x) + self.dims))
        shrunk.diagonal().copy_(variance)
        self.mean.copy_(mean)
        self.root.copy_(torch.linalg.cholesky(shrunk))
