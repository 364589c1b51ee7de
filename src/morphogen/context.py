"""`Context`: what a network receives besides x, the encoded condition.

A conditioner sets the fields that its networks read: one vector for the whole x, a sequence of tokens to
attend to, planes to concatenate, the first ids of x, or the ids of a text before it.
"""

__all__ = ["Context", "full_masks", "x_mask_of"]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from morphogen.component import ConfigError
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
    text: Int[Tensor, "b s"] | None = None  # ids of a text before x in one sequence, padded with -1
    given: Tree | None = None  # the given parts of x, anywhere in it: x with -1 for ids that are not given
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
    def cat(*contexts: "Context") -> "Context":
        """Concatenate contexts along the batch axis; the result has no `null` and no raw condition.

        Token sequences are padded to a common length and masked. A context without tokens counts as a batch
        of the same size whose tokens are all masked.

        Errors: ConfigError for a vector, planes, a prefix or a text that only some of the contexts have.
        """
        joined: dict[str, Any] = {}
        for name in ("vector", "spatial", "prefix", "text", "x_mask"):
            given = [value for context in contexts if (value := getattr(context, name)) is not None]
            if given and len(given) < len(contexts):
                raise ConfigError(f"contexts with and without {name!r} do not concatenate: give it to each")
            joined |= {name: torch.cat(given)} if given else {}
        return Context(**joined, **_cat_tokens(contexts))


def x_mask_of(context: Context | None) -> Bool[Tensor, "b n"] | None:
    """The mask of x; None: all elements exist."""
    return None if context is None else context.x_mask


def full_masks(
    tokens: Sequence[Float[Tensor, "_ _ _"]], masks: Sequence[Bool[Tensor, "..."] | None]
) -> list[Bool[Tensor, "..."]]:
    """The mask of each token sequence, all [B, T] or all [B, Q, T]; None: all tokens are valid."""
    full = [
        t.new_ones(t.shape[:2], dtype=torch.bool) if mask is None else mask
        for t, mask in zip(tokens, masks, strict=True)
    ]
    queries = max((mask.shape[1] for mask in full if mask.ndim == 3), default=0)
    if queries:  # a mask for all positions of x holds for each of them
        full = [mask if mask.ndim == 3 else mask[:, None].expand(-1, queries, -1) for mask in full]
    return full


def _apply(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Context):
        return value.map(change)
    return None if value is None else tree_map(change, value)


def _cat_tokens(contexts: Sequence[Context]) -> dict[str, Any]:
    """Concatenated tokens and mask of contexts; without a mask if every token is valid."""
    given = [c.tokens for c in contexts if c.tokens is not None]
    if not given:
        return {}
    tokens = [given[0][:, :0] if c.tokens is None else c.tokens for c in contexts]
    longest = max(t.shape[1] for t in tokens)
    padded = torch.cat([nn.functional.pad(t, (0, 0, 0, longest - t.shape[1])) for t in tokens])
    masks = [None if c.tokens is None else c.mask for c in contexts]
    if all(t.shape[1] == longest for t in tokens) and all(mask is None for mask in masks):
        return {"tokens": padded}
    full = [nn.functional.pad(mask, (0, longest - mask.shape[-1])) for mask in full_masks(tokens, masks)]
    return {"tokens": padded, "mask": torch.cat(full)}
