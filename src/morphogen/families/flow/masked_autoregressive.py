r"""Autoregressive flows: each entry is mapped with parameters computed from the entries before it.

    MAF   z_i = f(x_i; theta_i(x_<i, c)),   log|det| = sum_i log|f'(x_i)|
    IAF   x_i = f(z_i; theta_i(z_<i, c)),   its inverse

The Jacobian is triangular. A masked network gives all theta_i of a known vector in one pass, so that MAF has
a parallel density and IAF parallel samples. The other direction proceeds entry by entry. It costs about one
pass as well, not one per entry, since each entry changes a part of the hidden units (`MADE.make_cache`).

Entries that do not exist (`context.x_mask`) are 0 and remain 0: the map is a bijection of the others.

References: Masked autoregressive flow for density estimation, Papamakarios, Pavlakou & Murray, 2017; Improved
variational inference with inverse autoregressive flow, Kingma, Salimans, Jozefowicz, Chen, Sutskever &
Welling, 2016; Neural spline flows, Durkan, Bekasov, Murray & Papamakarios, 2019 (f is a spline).
"""

__all__ = ["InverseAutoregressiveFlow", "MaskedAutoregressive", "MaskedAutoregressiveFlow"]

from collections.abc import Callable
from itertools import chain

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.contract import Context, x_mask_of
from morphogen.families.flow.bijection import Bijection, Composite, Inverse
from morphogen.families.flow.coupling import ActNorm, existing
from morphogen.families.flow.elementwise import Affine, Elementwise
from morphogen.families.flow.permuted import Permuted, reverse
from morphogen.networks.made import MADE
from morphogen.objective_values import check_result


class MaskedAutoregressive(Bijection):
    """z_i = f(x_i; theta_i(x_<i, context)) (Papamakarios, Pavlakou & Murray 2017, section 3).

    Arguments:
        network: `(x [B, D], context) -> [B, P D]` whose outputs for entry i depend on the entries before it,
            in the layout of `Elementwise`, with P = `transform.outputs`.
        transform: f; None: `Affine()`.
    """

    def __init__(self, network: MADE, transform: Elementwise | None = None):
        super().__init__()
        self.transform = transform if transform is not None else Affine()
        self.network = network

    def forward(
        self, x: Float[Tensor, " b *x"], context: Context | None
    ) -> tuple[Float[Tensor, " b *x"], Float[Tensor, " b"]]:
        rows, dims = x.shape
        theta = self.network(self.transform.seen(x), context)
        theta = check_result(self.network, theta, (rows, self.transform.outputs * dims))
        z, log_det = self.transform(x, theta)
        return existing(z, context), existing(log_det, context).sum(1)

    def inverse(self, z: Float[Tensor, " b *x"], context: Context | None) -> Float[Tensor, " b *x"]:
        cache, mask = self.network.make_cache(len(z), context), x_mask_of(context)
        known: list[Tensor] = []
        for i, z_i in enumerate(z.unbind(1)):
            theta = cache.step(self.transform.seen(known[-1]) if known else None)
            x_i = self.transform.inverse(z_i[:, None], theta)[:, 0]
            known.append(x_i if mask is None else torch.where(mask[:, i], x_i, 0.0))
        return torch.stack(known, 1)


class MaskedAutoregressiveFlow(Composite):
    """A stack of autoregressive maps, with actnorm before each: parallel density (Papamakarios et al. 2017).

    The order of the entries is reversed in every other map. Where the paper has batch normalisation, actnorm
    keeps the rows independent.

    Arguments:
        dims: D of x [B, D], at least 1.
        width: units of the hidden layers of each MADE, at least D - 1.
        layers: hidden layers of each MADE.
        maps: number of autoregressive maps.
        vector: width of `context.vector` (0: unconditional).
        transform: f, shared by all maps; None: an `Affine` each.
    """

    def __init__(
        self, dims: int, width: int = 128, layers: int = 2, maps: int = 5, vector: int = 0,
        transform: Elementwise | None = None,
    ):  # fmt: skip
        super().__init__(_stack(dims, width, layers, maps, vector, transform, lambda one: one))
        self.dims, self.width, self.layers, self.maps = dims, width, layers, maps
        self.vector, self.transform = vector, transform


class InverseAutoregressiveFlow(Composite):
    """A stack of inverse autoregressive maps: parallel sampling (Kingma et al. 2016, section 3).

    The density of a sample costs one pass too; that of given data proceeds entry by entry.

    Arguments:
        dims, width, layers, maps, vector, transform: as for `MaskedAutoregressiveFlow`.
    """

    def __init__(
        self, dims: int, width: int = 128, layers: int = 2, maps: int = 5, vector: int = 0,
        transform: Elementwise | None = None,
    ):  # fmt: skip
        super().__init__(_stack(dims, width, layers, maps, vector, transform, Inverse))
        self.dims, self.width, self.layers, self.maps = dims, width, layers, maps
        self.vector, self.transform = vector, transform


def _stack(
    dims: int, width: int, layers: int, maps: int, vector: int, transform: Elementwise | None,
    direction: Callable[[Bijection], Bijection],
) -> list[Bijection]:  # fmt: skip
    """Actnorm and a map in this direction, `maps` times, every other one on the reversed entries."""
    outputs = 2 if transform is None else transform.outputs
    networks = (MADE(dims, outputs, width, layers, vector) for _ in range(maps))
    stacked = (direction(MaskedAutoregressive(network, transform)) for network in networks)
    ordered = (Permuted(one, reverse(dims)) if i % 2 else one for i, one in enumerate(stacked))
    return list(chain.from_iterable((ActNorm(dims), one) for one in ordered))
