"""Laws of networks with structure: causal ones, their decoding caches, and bijections."""

__all__ = ["bijection_inverts", "cache_equals_recomputation", "factorisation_is_causal"]

from typing import Any

import torch
from torch import Tensor, nn

from morphogen.contract import Batch, Causal, Prefills, Reorders, Truncates
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import raster, unraster
from morphogen.testing.subjects import assert_close, context_of, last_stage


def cache_equals_recomputation(model: Any, batch: Batch) -> None:
    """Cached decoding gives the samples of full forward passes, also after prefill, reorder and truncate."""
    last = last_stage(model)
    network = getattr(last.objective, "network", None)
    if not isinstance(network, Causal):
        return
    uncached, rng = last.objective.steered(_Uncached), Rng(0, 2, ("law",))
    sampler, shape, context = (
        last.objective.default_sampler(),
        last.representation.shape,
        context_of(last, batch),
    )
    with torch.no_grad():
        drawn = sampler(last.objective.eval(), shape, context, rng)
        assert torch.equal(drawn, sampler(uncached, shape, context, rng)), (
            "cached decoding gives other samples"
        )
        _check_cache(network, raster(drawn, shape).clamp_min(0), shape, context)


def factorisation_is_causal(model: Any, batch: Batch) -> None:
    """Changing position i changes no logits at positions up to i."""
    last = last_stage(model).eval()
    if not isinstance(getattr(last.objective, "network", None), Causal):
        return
    x = last.representation.encode(batch.medium[:2], Rng(0, 2), measure=False).x
    shape, network = x.shape[1:], last.objective.network
    logits = raster(network(x, context_of(last, batch)), shape)
    for i in (0, x[0].numel() // 2, x[0].numel() - 1):
        changed = raster(x, shape).clone()
        changed[:, i] = (changed[:, i] + 1) % logits.shape[-1]
        after = raster(network(unraster(changed, shape), context_of(last, batch)), shape)
        assert_close(after[:, : i + 1], logits[:, : i + 1], 1e-5, f"logits up to position {i}")


def bijection_inverts(model: Any, batch: Batch) -> None:
    """The inverse of a flow inverts it (<= 1e-4 for the whole composition, in fp32)."""
    last = last_stage(model).eval()
    if not hasattr(last.objective, "bijection"):
        return
    x = last.representation.encode(batch.medium[:2], Rng(0, 2), measure=False).x
    z, _ = last.objective.bijection(x, context_of(last, batch))
    assert_close(last.objective.bijection.inverse(z, context_of(last, batch)), x, 1e-4, "inverse(forward(x))")


class _Uncached(nn.Module):
    """A causal network without make_cache."""

    def __init__(self, network: Any):
        super().__init__()
        self.network = network

    def forward(self, *arguments: Any) -> Tensor:
        return self.network(*arguments)


def _check_cache(network: Any, s: Tensor, shape: tuple[int, ...], context: Any) -> None:
    """Prefill, truncate and reorder give the logits of a full pass over s [2, N] (<= 1e-4)."""
    logits, cache = raster(network(unraster(s, shape), context), shape), network.make_cache(2, context)
    half, n = s.shape[1] // 2, s.shape[1]
    if isinstance(cache, Prefills):
        assert_close(cache.prefill(s[:, :half]), logits[:, 1 : half + 1], 1e-4, "logits after prefill")
    else:
        cache.step(None)
        for i in range(half):
            cache.step(s[:, i])
    if isinstance(cache, Truncates):
        length = cache.length
        cache.step((s[:, half] + 1) % logits.shape[-1])
        cache.truncate(length)
    order = torch.tensor([1, 0, 1] if isinstance(cache, Reorders) else [0, 1], device=s.device)
    if isinstance(cache, Reorders):
        cache.reorder(order)
    for i in range(half, min(half + 2, n - 1)):
        assert_close(
            cache.step(s[order, i]),
            logits[order, i + 1],
            1e-4,
            "logits after prefill, truncate and reorder",
        )
