r"""Bijections of vectors whose entries are taken in another order.

    z = P^-1 f(P x)

After f the entries return to their places. Like every permutation of the noise, this changes neither the
distribution nor the density, and an entry that does not exist (`context.x_mask`) keeps its place.
"""

__all__ = ["Permuted", "keyed", "reverse"]

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Context
from morphogen.families.flow.bijection import Bijection
from morphogen.families.flow.rearranged import Rearranged
from morphogen.numerics.randomness import Rng


class Permuted(Rearranged):
    """P^-1 o f o P, where entry i of P x is x[order[i]] (Kingma et al. 2016 reverse it between maps).

    Arguments:
        inner: f, of vectors [B, D].
        order: a permutation of 0 .. D - 1, such as `reverse(D)` or `keyed(D, seed=0)`.

    Errors: ConfigError for an order that is not a permutation.
    """

    order_of_entries: Int[Tensor, " d"]
    places: Int[Tensor, " d"]

    def __init__(self, inner: Bijection, order: tuple[int, ...]):
        super().__init__(inner)
        if not order or sorted(order) != list(range(len(order))):
            raise ConfigError(
                f"Permuted: order {tuple(order)} is not a permutation: give each of 0, 1, ... once, "
                "such as reverse(3), which is (2, 1, 0)"
            )
        self.order = tuple(order)
        self.register_buffer("order_of_entries", torch.tensor(order), persistent=False)
        self.register_buffer("places", torch.tensor(order).argsort(), persistent=False)

    def arranged(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        return x[:, self.order_of_entries]

    def restored(self, y: Float[Tensor, "b d"], x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        return y[:, self.places]

    def inner_context(self, context: Context | None) -> Context | None:
        """The context whose mask is that of the permuted entries."""
        if context is None or context.x_mask is None:
            return context
        return replace(context, x_mask=context.x_mask[:, self.order_of_entries])


def reverse(dims: int) -> tuple[int, ...]:
    """The order D - 1, ..., 0."""
    return tuple(range(dims))[::-1]


def keyed(dims: int, seed: int) -> tuple[int, ...]:
    """A random order, which is a function of D and the seed."""
    return tuple(Rng(seed, 1, ("order",)).uniform(dims)[0].argsort().tolist())
