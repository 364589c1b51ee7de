"""`Context`: what a network receives besides x, the encoded condition.

A conditioner sets the fields that its networks read: one vector for the whole x, a sequence of tokens to
attend to, planes to concatenate, or the first ids of x.
"""

__all__ = ["Context"]

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from morphogen.numerics.trees import Tree, tree_map


@dataclass(frozen=True)
class Context:
    """The encoded condition that a network receives besides x.

    `null` is the context without the condition, for classifier-free guidance; it is set only if the model was
    trained with condition dropout.
    """

    vector: Float[Tensor, "b d"] | None = None
    tokens: Float[Tensor, "b t e"] | None = None
    # True at valid tokens, [B, T]; or [B, Q, T]: which position of x may attend to which token
    mask: Bool[Tensor, "b *q t"] | None = None
    spatial: Float[Tensor, "b c ..."] | None = None
    prefix: Int[Tensor, "b p"] | None = None  # the given first ids of x, padded with -1
    condition: Mapping[str, Tree] = field(default_factory=dict)  # the raw condition, for classifier guidance
    x_mask: Bool[Tensor, "b n"] | None = None  # True at existing elements of x; also in `null`
    null: "Context | None" = None

    def map(self, change: Callable[[Tensor], Tensor]) -> "Context":
        """Apply `change` to every tensor, including those of `null`."""
        return Context(**{f.name: _apply(getattr(self, f.name), change) for f in fields(self)})

    def __getitem__(self, rows: slice | Shaped[Tensor, " n"]) -> "Context":
        return self.map(lambda t: t[rows])

    def detach(self) -> "Context":
        """Return the context with all tensors detached."""
        return self.map(Tensor.detach)

    @staticmethod
    def cat(first: "Context", second: "Context") -> "Context":
        """Concatenate two contexts along the batch axis; the result has no `null`.

        Token sequences are padded to a common length and masked. A context without tokens counts as a batch
        of the same size whose tokens are all masked.
        """
        names = ("vector", "spatial", "prefix", "x_mask")
        pairs = {n: (getattr(first, n), getattr(second, n)) for n in names}
        joined: dict[str, Any] = {
            n: torch.cat([a, b]) for n, (a, b) in pairs.items() if a is not None and b is not None
        }
        return Context(**joined, **_cat_tokens(first, second))


def _apply(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Context):
        return value.map(change)
    return None if value is None else tree_map(change, value)


def _cat_tokens(first: Context, second: Context) -> dict[str, Any]:
    """Concatenated tokens and mask of two contexts; without a mask if every token is valid."""
    given = [c.tokens for c in (first, second) if c.tokens is not None]
    if not given:
        return {}
    size = max(tokens.shape[1] for tokens in given)
    if len(given) == 2 and given[0].shape[1] == given[1].shape[1] and first.mask is second.mask is None:
        return {"tokens": torch.cat(given)}
    tokens = [given[0][:, :0] if c.tokens is None else c.tokens for c in (first, second)]
    masks = [_mask(c, t) for c, t in zip((first, second), tokens, strict=True)]
    queries = {m.shape[1] for m in masks if m.ndim == 3}
    if queries:  # a mask for all positions of x holds for each of them
        masks = [m if m.ndim == 3 else m[:, None].expand(-1, max(queries), -1) for m in masks]
    return {
        "tokens": torch.cat([nn.functional.pad(t, (0, 0, 0, size - t.shape[1])) for t in tokens]),
        "mask": torch.cat([nn.functional.pad(m, (0, size - m.shape[-1])) for m in masks]),
    }


def _mask(context: Context, tokens: Tensor) -> Tensor:
    """The mask of a context's tokens; all valid without one."""
    valid = tokens.new_ones(tokens.shape[:2], dtype=torch.bool)
    return valid if context.mask is None or context.tokens is None else context.mask
