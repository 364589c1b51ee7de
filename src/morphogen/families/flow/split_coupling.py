r"""Couplings of two halves of the channels, whose network receives the one half and nothing else.

    z_b = x_b,   z_a = f(x_a; theta(x_b)),   log|det| = sum_a log|f'(x_a)|       (Dinh et al. 2017, eqs. 4-8)

The halves are slices, so that nothing is computed for entries that are copied. `Coupling` has masks instead,
which can also form a checkerboard of pixels.

A Gaussian of one half given the other is such a coupling too: it standardises that half,

    z_a = (x_a - mu(x_b)) exp(-log sigma(x_b))   <=>   x_a = mu(x_b) + sigma(x_b) z_a

so that z_a is standard normal, and can be factored out: the conditional split prior of Glow (Kingma &
Dhariwal 2018).

Entries of vectors that do not exist (`context.x_mask`) are 0 and remain 0: the map is a bijection of the
others.
"""

__all__ = ["Halves", "SplitCoupling", "split"]

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.contract import Context, x_mask_of
from morphogen.families.flow.bijection import Bijection
from morphogen.families.flow.elementwise import Affine, Elementwise
from morphogen.numerics.tensors import sum_except_batch
from morphogen.objective_values import check_result

Halves = Literal["alternate", "blocks"]


class SplitCoupling(Bijection):
    r"""A coupling of the two halves of x [B, C, ...] (Dinh, Sohl-Dickstein & Bengio 2017).

    Arguments:
        network: `(x_b [B, C_b, ...], context) -> [B, P C_a, ...]`, the parameters of f of each entry of x_a,
            in the layout of `Elementwise`; P = `transform.outputs`.
        halves: "alternate": channels 0, 2, ... and 1, 3, ...; "blocks": the first C // 2 channels, and the
            rest.
        parity: 0 or 1, which of these is x_b; successive couplings alternate, unless a permutation or a 1 x 1
            convolution between them mixes the channels.
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
        return self._joined(x_b, z_a), sum_except_batch(log_det)

    def inverse(self, z: Float[Tensor, " b *x"], context: Context | None) -> Float[Tensor, " b *x"]:
        z_b, z_a = self._halves(z)
        x_a = self.transform.inverse(z_a, self._theta(z_b, z_a, context))
        mask = x_mask_of(context)
        return self._joined(z_b, x_a if mask is None else torch.where(self._halves(mask)[1], x_a, z_a))

    def _theta(self, x_b: Tensor, x_a: Tensor, context: Context | None) -> Tensor:
        shape = len(x_a), self.transform.outputs * x_a.shape[1], *x_a.shape[2:]
        theta = check_result(self.network, self.network(self.transform.seen(x_b), context), shape)
        return theta.to(x_a.dtype)  # a network in bf16 must not round what the inverse has to restore

    def _halves(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The half that is copied, x_b, and the one that is changed, x_a."""
        copied, changed = split(x.shape[1], self.halves, self.parity)
        return x[:, copied], x[:, changed]

    def _joined(self, b: Tensor, a: Tensor) -> Tensor:
        """The inverse of `_halves`."""
        if self.halves == "blocks":
            return torch.cat([a, b] if self.parity else [b, a], 1)
        x = b.new_empty(len(b), b.shape[1] + a.shape[1], *b.shape[2:])
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
