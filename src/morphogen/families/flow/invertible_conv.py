r"""Invertible 1 x 1 convolutions: a learned linear map of the channels, the same at every pixel.

    z = W x,   W = P L (U + diag(s)),   log|det| = H W sum log|s|          (Kingma & Dhariwal 2018, eqs. 9-11)

It generalises the permutation of channels between couplings. P is a fixed permutation, L is unit lower and U
strictly upper triangular, so that the log-determinant costs C operations instead of C^3, and W cannot become
singular.
"""

__all__ = ["InvertibleConv"]

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.contract import Context
from morphogen.families.flow.bijection import Bijection


class InvertibleConv(Bijection):
    r"""Invertible 1 x 1 convolution in LU form, a random rotation at initialization.

    Glow: Generative flow with invertible 1x1 convolutions (Kingma & Dhariwal 2018, section 3.2). One matrix
    holds L below, U above and log|s| on the diagonal; the signs of s are fixed, as P is.

    Arguments:
        channels: C of x [B, C, ...], at least 1.

    Raises:
        ConfigError: for less than one channel.
    """

    permutation: Int[Tensor, " c"]
    sign: Float[Tensor, " c"]

    def __init__(self, channels: int):
        super().__init__()
        if channels < 1:
            raise ConfigError(f"InvertibleConv: channels={channels}: give at least 1")
        self.channels = channels
        rotation, _ = torch.linalg.qr(torch.randn(channels, channels))
        p, lower, upper = torch.linalg.lu(rotation)
        s = upper.diagonal()
        self.factors = nn.Parameter(lower.tril(-1) + upper.triu(1) + s.abs().log().diag())
        self.register_buffer("permutation", p.argmax(1))  # row i of P L is row permutation[i] of L
        self.register_buffer("sign", s.sign())

    def forward(
        self, x: Float[Tensor, " b *x"], context: Context | None
    ) -> tuple[Float[Tensor, " b *x"], Float[Tensor, " b"]]:
        lower, upper = self._lower_upper(self.factors.to(x.dtype))
        log_det = self.factors.diagonal().sum() * x[0, 0].numel()
        return _matmul((lower @ upper)[self.permutation], x), log_det.to(x.dtype).expand(len(x))

    def inverse(self, z: Float[Tensor, " b *x"], context: Context | None) -> Float[Tensor, " b *x"]:
        lower, upper = self._lower_upper(self.factors.double())
        unit = torch.eye(self.channels, dtype=lower.dtype, device=lower.device)[self.permutation].T
        solved = torch.linalg.solve_triangular(lower, unit, upper=False, unitriangular=True)
        return _matmul(torch.linalg.solve_triangular(upper, solved, upper=True).to(z.dtype), z)

    def _lower_upper(self, factors: Tensor) -> tuple[Tensor, Tensor]:
        """L, and U + diag(s)."""
        s = self.sign.to(factors.dtype) * factors.diagonal().exp()
        lower = factors.tril(-1) + torch.eye(self.channels, dtype=factors.dtype, device=factors.device)
        return lower, factors.triu(1) + s.diag()


def _matmul(weight: Tensor, x: Tensor) -> Tensor:
    """W x at every position, in the precision of x: bf16 would lose what the inverse has to restore."""
    with torch.autocast(x.device.type, enabled=False):
        return F.linear(x.movedim(1, -1), weight.to(x.dtype)).movedim(-1, 1)
