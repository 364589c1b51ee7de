r"""Linear maps of vectors with a cheap determinant.

    z = L U x,   log|det| = sum_i log|u_ii|

L is lower triangular with ones on its diagonal, and U is upper triangular; the inverse solves two triangular
systems, at the cost of D^2 per row instead of D^3. Such maps mix all entries between couplings.

References: Glow, Kingma & Dhariwal, 2018, section 3.2 (for channels of pictures); Neural spline flows,
Durkan, Bekasov, Murray & Papamakarios, 2019, section 3.2.
"""

__all__ = ["LULinear"]

from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context, x_mask_of
from morphogen.families.flow.bijection import Bijection
from morphogen.families.flow.coupling import existing


class LULinear(Bijection):
    """z = L U x with log u_ii as a parameter, so that no step of training makes it singular; z = x at first.

    Kingma & Dhariwal, 2018, eq. 10. With entries that do not exist, L and U are restricted to the rows and
    columns of the others, and both remain triangular.

    Arguments:
        dims: D of x [B, D], at least 1.

    Errors: ConfigError for dims below 1.
    """

    def __init__(self, dims: int):
        super().__init__()
        if dims < 1:
            raise ConfigError(f"LULinear: dims={dims}: give at least 1")
        self.dims = dims
        self.lower, self.upper = (nn.Parameter(torch.zeros(dims * (dims - 1) // 2)) for _ in range(2))
        self.log_diagonal = nn.Parameter(torch.zeros(dims))

    @classmethod
    def of(cls, weight: Float[Tensor, "d d"]) -> Self:
        """The map z = W x. Errors: ConfigError unless all leading minors of W are above 0."""
        one, dims = cls(len(weight)), len(weight)
        u = weight.double().clone()
        lower = torch.eye(dims, dtype=u.dtype)
        for i in range(dims):  # elimination without pivoting: W has this form, or is refused
            if not u[i, i] > 1e-12 * weight.abs().max():
                problem = f"the leading minor of order {i + 1} is not above 0"
                raise ConfigError(f"LULinear: {problem}: permute the rows of the matrix, or flip their signs")
            lower[i + 1 :, i] = u[i + 1 :, i] / u[i, i]
            u[i + 1 :] -= lower[i + 1 :, i, None] * u[i]
        below = torch.tril_indices(dims, dims, -1).unbind()
        with torch.no_grad():
            one.lower.copy_(lower[below])
            one.upper.copy_(u.T[below])
            one.log_diagonal.copy_(u.diagonal().log())
        return one

    def forward(
        self, x: Float[Tensor, " b *x"], context: Context | None
    ) -> tuple[Float[Tensor, " b *x"], Float[Tensor, " b"]]:
        lower, upper = self._factors()
        z = existing(existing(x @ upper.T, context) @ lower.T, context)
        return z, existing(self.log_diagonal.expand_as(x), context).sum(1)

    def inverse(self, z: Float[Tensor, " b *x"], context: Context | None) -> Float[Tensor, " b *x"]:
        mask, (lower, upper) = x_mask_of(context), self._factors()
        if mask is not None:  # of each row, with the identity at entries that do not exist
            both, identity = mask[:, :, None] & mask[:, None], torch.eye(self.dims).to(z)
            lower, upper = (torch.where(both, factor, identity) for factor in (lower, upper))
        h = torch.linalg.solve_triangular(lower, z[..., None], upper=False)
        return torch.linalg.solve_triangular(upper, h, upper=True)[..., 0]

    def _factors(self) -> tuple[Tensor, Tensor]:
        """L and U, [D, D]."""
        below = torch.tril_indices(self.dims, self.dims, -1, device=self.lower.device).unbind()
        zeros = self.lower.new_zeros(self.dims, self.dims)
        lower, upper = (zeros.index_put(below, entries) for entries in (self.lower, self.upper))
        return lower + torch.eye(self.dims).to(lower), upper.T + self.log_diagonal.exp().diag()
