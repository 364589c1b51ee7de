"""Laws of samples: keyed by index, close in bf16, drawn in the requested number of calls."""

__all__ = [
    "bf16_samples_match_fp32",
    "sample_is_a_function_of_its_index",
    "sampler_makes_the_requested_calls",
]

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from morphogen.contract import Batch
from morphogen.model import tensors
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree, index, leaves, same
from morphogen.testing.subjects import context_of, last_stage

_EIGHT = torch.arange(8)


def sample_is_a_function_of_its_index(model: Any, batch: Batch) -> None:
    """Sample 5 of 8 equals sample 5 drawn alone (<= 1e-5; tokens exactly); a seed repeats its samples."""
    condition = model.taken(batch[_EIGHT % len(batch)].condition)
    together = _draw(model, torch.arange(8), condition)
    alone = _draw(model, torch.tensor([5]), index(condition, slice(5, 6)))
    assert same(together, _draw(model, torch.arange(8), condition)), "the same seed gave different samples"
    first, second, fifth = (index(together, slice(i, i + 1)) for i in (0, 1, 5))
    assert not same(first, second) or all(leaf.numel() == 1 for leaf in leaves(first)), (
        "two indices gave the same sample"
    )
    for one, other in zip(leaves(fifth), leaves(alone), strict=True):
        distance = (one - other).abs().max().item()
        assert distance <= (1e-5 if one.is_floating_point() else 0), (
            f"sample 5 alone differs by {distance:.2g}"
        )


def bf16_samples_match_fp32(model: Any, batch: Batch) -> None:
    """bf16 samples are three times closer to the same fp32 samples than to others; weights do not change."""
    before = {name: tensor.clone() for name, tensor in tensors(model).items()}
    condition = model.taken(batch[_EIGHT % len(batch)].condition) or None
    bf16, fp32 = (
        model.sample(8, condition, seed=3, precision=precision).tensor for precision in ("bf16", "fp32")
    )
    for low, full in zip(leaves(bf16), leaves(fp32), strict=True):
        assert low.dtype == full.dtype and low.shape == full.shape, (
            f"bf16 gives {low.dtype} {low.shape}, fp32 gives {full.dtype} {full.shape}"
        )
        related, other = (_distance(low.double(), of.double()) for of in (full, full.roll(1, 0)))
        assert not low.isinf().any() and related < other / 3, (
            f"bf16 and fp32 samples differ by {related:.2g}, unrelated samples by {other:.2g}"
        )
    assert all(torch.equal(tensor, before[name]) for name, tensor in tensors(model).items()), (
        "the weights changed"
    )


def sampler_makes_the_requested_calls(model: Any, batch: Batch) -> None:
    """A sampler with `steps=N` calls the prediction N times."""
    last = last_stage(model)
    default = last.objective.default_sampler()
    if "steps" not in default.arguments:
        return
    sampler = type(default)(**default.arguments | {"steps": 5})
    calls: list[Any] = []

    def counted(predict: Any) -> Any:
        def call(*inputs: Any) -> Any:
            calls.append(inputs)
            return predict(*inputs)

        return call

    shape, context = last.representation.shape, context_of(last, batch)
    sampler(last.objective.steered(counted), shape, context, Rng(0, 2))
    assert len(calls) == sampler.steps, f"{sampler} called the prediction {len(calls)} times"


def _distance(a: Tensor, b: Tensor) -> float:
    """The mean |a - b|; a missing value (NaN) has the distance 1 to any other."""
    missing = (a.isnan() | b.isnan()).double()
    either = torch.where(a.isnan() & b.isnan(), 0.0, missing)
    return float(torch.where(missing > 0, either, (a - b).abs()).mean())


def _draw(model: Any, indices: Tensor, condition: Mapping[str, Tree]) -> Tree:
    return model.sample_batch(Rng(0, indices, ("law",)), condition)
