r"""Couplings of vectors whose network receives one half and returns the parameters of the other half.

    z_b = x_b,   z_a = f(x_a; theta(x_b)),   log|det| = sum_a log|f'(x_a)|       (Dinh et al. 2017, eqs. 4-8)

The halves are slices, so that nothing is computed for entries that are copied. `Coupling` has masks instead,
which can also form a checkerboard of pixels.

Entries that do not exist (`context.x_mask`) are 0 and remain 0: the map is a bijection of the others.
"""

__all__ = ["Halves", "VectorCoupling", "split"]

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.contract import Context, x_mask_of
from morphogen.families.flow.bijection import Bijection
from morphogen.families.flow.elementwise import Affine, Elementwise
from morphogen.objective_values import check_result

Halves = Literal["alternate", "blocks"]


class VectorCoupling(Bijection):
    r"""A coupling of the two halves of x [B, D], for D of at least 2 (Dinh, Sohl-Dickstein & Bengio 2017).

    Arguments:
        network: `(x_b [B, D_b], context) -> [B, P D_a]`, the parameters of f of each entry of x_a, in the
            layout of `Elementwise`; P = `transform.outputs`.
        halves: "alternate": entries 0, 2, ... and 1, 3, ...; "blocks": the first D // 2 entries and the rest.
        parity: 0 or 1, which of these is x_b; successive couplings alternate.
        transform: f; None: `Affine()`.
    """

    def __init__(
        self,
        network: nn.Module,
        halves: Halves,
        parity: int,
        transform: Elementwise | None = None,
    ):
        super().__init__()
        self.transform = transform if transform is not None else Affine()
        self.network, self.halves, self.parity = network, halves, parity

    def forward(
        self, x: Float[Tensor, " b *x"], context: Context | None
    ) -> tuple[Float[Tensor, " b *x"], Float[Tensor, " b"]]:
        x_b, x_a = self._halves(x)
        z_a, log_det = self.transform(x_a, self._theta(x_b, x_a, context))
        mask = x_mask_of(context)
        if mask is not None:
            _, exists = self._halves(mask)
            z_a, log_det = torch.where(exists, z_a, x_a), torch.where(exists, log_det, 0.0)
        return self._joined(x_b, z_a), log_det.sum(1)

    def inverse(self, z: Float[Tensor, " b *x"], context: Context | None) -> Float[Tensor, " b *x"]:
        z_b, z_a = self._halves(z)
        x_a = self.transform.inverse(z_a, self._theta(z_b, z_a, context))
        mask = x_mask_of(context)
        return self._joined(z_b, x_a if mask is None else torch.where(self._halves(mask)[1], x_a, z_a))

    def _theta(self, x_b: Tensor, x_a: Tensor, context: Context | None) -> Tensor:
        shape = len(x_a), self.transform.outputs * x_a.shape[1]
        return check_result(self.network, self.network(self.transform.seen(x_b), context), shape)

    def _halves(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The half that is copied, x_b, and the one that is changed, x_a."""
        copied, changed = split(x.shape[1], self.halves, self.parity)
        return x[:, copied], x[:, changed]

    def _joined(self, b: Tensor, a: Tensor) -> Tensor:
        """The inverse of `_halves`."""
        if self.halves == "blocks":
            return torch.cat([a, b] if self.parity else [b, a], 1)
        x = b.new_empty(len(b), b.shape[1] + a.shape[1])
        for part, values in zip(split(x.shape[1], self.halves, self.parity), (b, a), strict=True):
            x[:, part] = values
        return x


def split(dims: int, halves: Halves, parity: int) -> tuple[slice, slice]:
    """The slices of x_b, which is copied, and of x_a, which is changed."""
    if halves == "alternate":
        parts = slice(0, dims, 2), slice(1, dims, 2)
    else:
        parts = slice(0, dims // 2), slice(dims // 2, dims)
    return parts[parity], parts[1 - parity]
