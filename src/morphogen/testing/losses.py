"""Laws of losses and likelihoods: gradients, independence of rows, types."""

__all__ = [
    "coupled_rows_are_declared",
    "gradient_reaches_every_owned_parameter",
    "likelihood_is_typed",
]

from typing import Any

import torch
from torch import Tensor

from morphogen.contract import Batch, Losses, Unsupported
from morphogen.model import Model
from morphogen.numerics.randomness import Rng
from morphogen.ownership import coupled_parts
from morphogen.testing.subjects import assert_close, relative_distance, stages


def gradient_reaches_every_owned_parameter(model: Any, batch: Batch) -> None:
    """All parameters that a stage owns receive a gradient within a cycle of turns, and no others do."""
    for stage in stages(model):
        for turn in range(4):  # several draws, since condition dropout hides the condition of some rows
            for player, parameters in stage.players().items():
                losses = stage(batch, Rng(turn, len(batch)), player)
                if parameters:
                    grads = torch.autograd.grad(losses.total.sum(), parameters, allow_unused=True)
                    for p, g in zip(parameters, grads, strict=True):
                        p.grad = _sum(p.grad, g)
        players = [p for group in stage.players().values() for p in group]
        names = {id(p): n for n, p in stage.named_parameters()}
        without_gradient = [names[id(p)] for p in players if p.grad is None or not p.grad.any()]
        assert not without_gradient, f"no gradient reaches {without_gradient[:5]}"
        others = [
            n
            for n, p in stage.named_parameters()
            if id(p) not in {id(q) for q in players} and p.grad is not None
        ]
        assert not others, f"a gradient reaches {others[:5]}, which another model owns"
        stage.zero_grad()


def coupled_rows_are_declared(model: Any, batch: Batch) -> None:
    """The losses of a part of a batch equal those rows' losses in the whole batch (<= 1e-4 relative).

    Gradient accumulation therefore equals training on the large batch. In a model with `coupled_parts`, the
    losses of some player differ instead.
    """
    for stage in stages(model):
        coupled, rng, distances = coupled_parts(stage), Rng(0, len(batch), ("law",)), [0.0]
        for module in coupled:
            module.training = True  # but not its submodules, since dropout would change the losses as well
        for player in stage.players():
            whole, part = stage(batch, rng, player), stage(batch[2:5], rng[2:5], player)
            if coupled:
                distances.append(relative_distance(part.total, whole.total[2:5]))
            else:
                assert_close(part.total, whole.total[2:5], 1e-4, f"{player}'s losses of a part of the batch")
                _statistics_add(stage, batch, player, whole)
        names = sorted({type(module).__name__ for module in coupled})
        assert not coupled or max(distances) > 1e-4, (
            f"{names} couple rows, but the losses of a part of the batch differ by {max(distances):.2g} only"
        )


def likelihood_is_typed(model: Any, batch: Batch) -> None:
    """log p is finite and typed, and depends on its own row only; or it raises Unsupported."""
    try:
        whole = model.log_prob(batch.medium, batch.condition, seed=1)
    except Unsupported:
        return
    assert whole.nats.isfinite().all(), "log p is not finite"
    assert whole.kind in ("exact", "lower_bound", "estimate") and whole.measure in ("mass", "density")
    assert whole.measure == "density" or (whole.nats <= 1e-4).all(), "a probability mass is above 1"
    alone = batch[3:4]
    row = model.log_prob(alone.medium, alone.condition, seed=1, indices=torch.tensor([3]))
    assert_close(row.nats[0], whole.nats[3], 1e-4, "log p of a row alone")


def _sum(total: Tensor | None, more: Tensor | None) -> Tensor | None:
    return more if total is None else total if more is None else total + more


def _statistics_add(stage: Model, batch: Batch, player: str, whole: Losses) -> None:
    rng, half = Rng(0, len(batch), ("law",)), len(batch) // 2
    first, second = stage(batch[:half], rng[:half], player), stage(batch[half:], rng[half:], player)
    for name, total in whole.statistics.items():
        halves = first.statistics[name] + second.statistics[name]
        if total.is_sparse:  # counts in sparse tensors
            halves, total = halves.coalesce(), total.coalesce()
            assert torch.equal(halves.indices(), total.indices()), (
                f"{name} of two halves are not those of the whole batch"
            )
            halves, total = halves.values(), total.values()
        assert_close(halves, total, 1e-4, f"the sum of {name} over two halves")
