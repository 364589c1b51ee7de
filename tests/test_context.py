"""`Context`: concatenation of unlike contexts, and maps that reach every tensor."""

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.context import Context


def rows(n: int, *shape: int) -> torch.Tensor:
    return torch.randn(n, *shape)


def test_tokens_of_several_lengths_are_padded_and_masked() -> None:
    lengths = (3, 1, 2)
    contexts = [Context(tokens=rows(2, length, 4)) for length in lengths]
    joined = Context.cat(*contexts)
    assert joined.tokens is not None and joined.mask is not None and joined.tokens.shape == (6, 3, 4)
    assert joined.mask.sum(1).tolist() == [3, 3, 1, 1, 2, 2]
    for i, (context, length) in enumerate(zip(contexts, lengths, strict=True)):
        part = joined[slice(2 * i, 2 * i + 2)]
        assert part.tokens is not None
        assert torch.equal(part.tokens[:, :length], context.tokens) and not part.tokens[:, length:].any()


def test_a_mask_of_all_positions_holds_for_each_of_them() -> None:
    """[B, T] joins [B, Q, T] as the same mask at each of the Q positions."""
    by_position = torch.rand(2, 5, 3) < 0.5
    valid = torch.tensor([[True, False], [True, True]])
    joined = Context.cat(
        Context(tokens=rows(2, 3, 4), mask=by_position), Context(tokens=rows(2, 2, 4), mask=valid)
    )
    assert joined.mask is not None and joined.mask.shape == (4, 5, 3)
    assert torch.equal(joined.mask[:2], by_position)
    assert torch.equal(joined.mask[2:, :, :2], valid[:, None].expand(-1, 5, -1))
    assert not joined.mask[2:, :, 2:].any()


def test_a_context_without_tokens_has_no_valid_one() -> None:
    joined = Context.cat(Context(vector=rows(2, 4)), Context(vector=rows(2, 4), tokens=rows(2, 3, 4)))
    assert joined.mask is not None and joined.mask.any(1).tolist() == [False, False, True, True]


def test_all_valid_tokens_need_no_mask() -> None:
    joined = Context.cat(Context(tokens=rows(1, 3, 4)), Context(tokens=rows(2, 3, 4)))
    assert joined.mask is None and joined.tokens is not None and joined.tokens.shape == (3, 3, 4)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vector", rows(2, 4)),
        ("spatial", rows(2, 1, 3, 3)),
        *((name, torch.zeros(2, 3, dtype=torch.long)) for name in ("prefix", "text")),
    ],
)
def test_a_field_of_some_contexts_is_not_lost(name: str, value: torch.Tensor) -> None:
    with_field, without = Context(**{name: value}), Context(tokens=rows(2, 1, 4))
    with pytest.raises(ConfigError, match=f"contexts with and without {name!r} do not concatenate"):
        Context.cat(with_field, without)
    assert torch.equal(getattr(Context.cat(with_field, with_field), name), torch.cat([value, value]))


def test_rows_and_maps_reach_conditions_and_null() -> None:
    condition = {"label": torch.arange(3), "caption": {"ids": rows(3, 2), "mask": rows(3, 2)}}
    context = Context(
        vector=rows(3, 4).requires_grad_(), condition=condition, null=Context(vector=rows(3, 4))
    )
    part = context[torch.tensor([2, 0])]
    assert part.null is not None and part.vector is not None and context.null is not None
    assert part.condition["label"].tolist() == [2, 0]
    assert torch.equal(part.condition["caption"]["ids"], condition["caption"]["ids"][[2, 0]])  # type: ignore[index]
    assert torch.equal(part.null.vector, context.null.vector[[2, 0]])  # type: ignore[index, arg-type]
    detached = context.detach().vector
    assert detached is not None and not detached.requires_grad and part.vector.requires_grad
