"""The law of examples of different sizes: padding has no effect, or a mask is refused."""

__all__ = ["padding_has_no_effect"]

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from morphogen.contract import Batch, Context, Encoded, Unsupported
from morphogen.model import evaluating
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import leaves
from morphogen.testing.subjects import assert_close, generates, stages


def padding_has_no_effect(model: Any, batch: Batch) -> None:
    """A padded row has the loss, likelihood and sample of the same row without padding (<= 1e-5).

    A model of examples of one size refuses a mask in one line instead (`Unsupported`). Nothing is ignored: a
    mask that excludes elements changes the loss.
    """
    for stage in stages(model):
        rng = Rng(0, len(batch), ("law",))
        with evaluating(stage):
            x, context = stage.encode_batch(batch, rng)
            elements = next(leaves(x.x)).shape[1]
            size = elements // 2  # x as padding after the first half of its elements
            mask = (torch.arange(elements) < size).expand(len(x), -1)
            padded = replace(x, mask=mask)
            if not _accepts_masks(stage, padded, context, rng):
                continue
            short = replace(x, x=x.x[:, :size], mask=mask[:, :size])
            _check_losses(stage, padded, short, context, rng)
            _check_likelihood(stage, padded, short, context, rng)
            _check_sample(stage, padded, short, context, rng)


def _accepts_masks(stage: Any, padded: Encoded, context: Context | None, rng: Rng) -> bool:
    """Whether losses, likelihood and sampling accept a mask; they agree."""
    objective, player = stage.objective, next(iter(stage.players()))
    assert padded.mask is not None
    whole = replace(padded, mask=torch.ones_like(padded.mask))
    losses = _accepted(lambda: [objective.losses(x, context, rng, player).total for x in (padded, whole)])
    nats = _accepted(lambda: objective.log_prob(padded, context, rng).nats) if generates(stage) else None
    received = _accepted(lambda: objective.receive_mask(padded.mask, context, rng))
    if losses is None:
        assert nats is None, "losses refuse a mask that log_prob accepts"
        return False
    assert received is not None, "losses accept a mask that sampling refuses"
    assert not torch.equal(*losses), "a mask that excludes elements does not change the loss: it is ignored"
    return True


def _accepted(call: Callable[[], Any]) -> Any:
    """The result of the call, or None if it is refused in one line."""
    try:
        return call()
    except Unsupported as refusal:
        assert "\n" not in str(refusal), f"a mask is refused in several lines: {refusal}"
        return None
    except Exception as error:
        raise AssertionError(f"a mask is neither accepted nor refused, but fails: {error!r:.200}") from error


def _check_losses(stage: Any, padded: Encoded, short: Encoded, context: Context | None, rng: Rng) -> None:
    for player in stage.players():
        one, other = (stage.objective.losses(x, context, rng, player) for x in (padded, short))
        assert_close(one.total, other.total, 1e-5, f"{player}'s losses of padded rows")
        if one.weight is not None:
            assert torch.equal(one.weight, other.weight), "padded rows have another weight"


def _check_likelihood(stage: Any, padded: Encoded, short: Encoded, context: Context | None, rng: Rng) -> None:
    one, other = (_accepted(partial(stage.objective.log_prob, x, context, rng)) for x in (padded, short))
    if one is not None:
        assert_close(one.nats, other.nats, 1e-5, "log p of padded rows")


def _check_sample(stage: Any, padded: Encoded, short: Encoded, context: Context | None, rng: Rng) -> None:
    one, other = (_sampled(stage, x, context, rng) for x in (padded, short))
    tolerance = 1e-5 if one.is_floating_point() else 0
    assert_close(one[:, : other.shape[1]], other, tolerance, "a padded sample")


@torch.no_grad()
def _sampled(stage: Any, x: Encoded, context: Context | None, rng: Rng) -> Tensor:
    """Samples of the sizes of x."""
    context, rng = stage.objective.receive_mask(x.mask, context, rng.fork("sample"))
    return stage.objective.default_sampler()(stage.objective, tuple(x.x.shape[1:]), context, rng)
