"""Invariants that every model must satisfy ("laws"); `check_model(model, batch)` checks them for any model.

Each law is a function of (model, batch) that raises AssertionError with the law's name and the observed
values. Laws are checked on copies whose weights are first perturbed, since a zero-initialized layer satisfies
many of them trivially.
"""

__all__ = ["LAWS", "check_model"]

import copy
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from morphogen.component import to_config
from morphogen.contract import Batch, Causal, Losses, Prefills, Reorders, Truncates, Unsupported
from morphogen.model import Model, load, save, tensors
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import raster, unraster
from morphogen.staged import Staged
from morphogen.training.checkpoint import Every
from morphogen.training.loop import train


def check_model(model: Model | Staged, batch: Batch, laws: Iterable[str] | None = None) -> list[str]:
    """Check laws on a model and a batch of at least 8 rows; returns the names of those checked.

    Arguments:
        model: the model to check; it is copied, never changed.
        batch: rows of its medium, with conditions if it is conditional.
        laws: names of the laws to check; None: all of `LAWS`.

    Errors: AssertionError that names the law and the observed values.
    """
    checked = []
    for name in laws if laws is not None else LAWS:
        subject = _perturbed(copy.deepcopy(model), batch)
        try:
            LAWS[name](subject, batch)
        except AssertionError as broken:
            raise AssertionError(f"law broken: {name}: {broken}") from broken
        checked.append(name)
    return checked


def save_load_round_trip(model: Any, batch: Batch) -> None:
    """A loaded model has the same config, bitwise equal tensors and the same samples."""
    with tempfile.TemporaryDirectory() as folder:
        save(model, folder)
        loaded = load(folder)
    assert to_config(loaded) == to_config(model), "the config changed"
    for name, tensor in tensors(model).items():
        assert torch.equal(tensors(loaded)[name], tensor), f"{name} changed"
    assert torch.equal(loaded.sample(2, seed=3).tensor, model.sample(2, seed=3).tensor), "the samples changed"


def gradient_reaches_every_owned_parameter(model: Any, batch: Batch) -> None:
    """All parameters that a stage owns receive a gradient within a cycle of turns, and no others do."""
    for stage in _stages(model):
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


def sample_is_a_function_of_its_index(model: Any, batch: Batch) -> None:
    """Sample 5 of 8 equals sample 5 drawn alone (<= 1e-5; tokens exactly); a seed repeats its samples."""
    condition = _eight(batch.condition) if _last(model).conditioner is not None else None
    together = _draw(model, torch.arange(8), condition)
    alone = _draw(model, torch.tensor([5]), None if condition is None else condition[5:6])
    assert torch.equal(together, _draw(model, torch.arange(8), condition)), (
        "the same seed gave different samples"
    )
    assert not torch.equal(together[0], together[1]) or together[0].numel() == 1, (
        "two indices gave the same sample"
    )
    distance = (together[5] - alone[0]).abs().max().item()
    assert distance <= (0 if not together.is_floating_point() else 1e-5), (
        f"sample 5 alone differs by {distance:.2g}"
    )


def bf16_samples_match_fp32(model: Any, batch: Batch) -> None:
    """bf16 samples are three times closer to the same fp32 samples than to others; weights do not change."""
    last, before = _last(model), {name: tensor.clone() for name, tensor in tensors(model).items()}
    condition = None if last.conditioner is None else _eight(batch.condition)
    bf16, fp32 = (
        last.sample(8, condition, seed=3, precision=precision).tensor for precision in ("bf16", "fp32")
    )
    assert bf16.dtype == fp32.dtype and bf16.shape == fp32.shape, (
        f"bf16 gives {bf16.dtype} {bf16.shape}, fp32 gives {fp32.dtype} {fp32.shape}"
    )
    same, other = (float((bf16.double() - of).abs().mean()) for of in (fp32, fp32.roll(1, 0)))
    assert bf16.isfinite().all() and same < other / 3, (
        f"bf16 and fp32 samples differ by {same:.2g}, unrelated samples by {other:.2g}"
    )
    assert all(torch.equal(tensor, before[name]) for name, tensor in tensors(model).items()), (
        "the weights changed"
    )


def losses_are_per_row(model: Any, batch: Batch) -> None:
    """The losses of a part of a batch equal those rows' losses in the whole batch (<= 1e-4 relative).

    Gradient accumulation therefore equals training on the large batch.
    """
    for stage in _stages(model):
        for player in stage.players():
            rng = Rng(0, len(batch), ("law",))
            whole, part = stage(batch, rng, player), stage(batch[2:5], rng[2:5], player)
            _close(part.total, whole.total[2:5], 1e-4, f"{player}'s losses of a part of the batch")
            _statistics_add(stage, batch, player, whole)


def likelihood_is_typed(model: Any, batch: Batch) -> None:
    """log p is finite and typed, and depends on its own row only; or it raises Unsupported."""
    condition = batch.condition if _last(model).conditioner is not None else None
    try:
        whole = model.log_prob(batch.medium, condition, seed=1)
    except Unsupported:
        return
    assert whole.nats.isfinite().all(), "log p is not finite"
    assert whole.kind in ("exact", "lower_bound", "estimate") and whole.measure in ("mass", "density")
    assert whole.measure == "density" or (whole.nats <= 1e-4).all(), "a probability mass is above 1"
    row = model.log_prob(
        batch.medium[3:4], None if condition is None else condition[3:4], seed=1, indices=torch.tensor([3])
    )
    _close(row.nats[0], whole.nats[3], 1e-4, "log p of a row alone")


def condition_matters_and_null_is_independent(model: Any, batch: Batch) -> None:
    """The losses depend on the condition; the null context does not."""
    last = _last(model)
    if last.conditioner is None or batch.condition is None:
        return
    rolled = Batch(batch.medium, batch.condition.roll(1))
    player, rng = next(iter(last.players())), Rng(0, len(batch), ("law",))
    totals = [last.eval()(b, rng, player).total for b in (batch, rolled)]
    assert not torch.equal(*totals), "the losses do not change with the condition"
    nulls = [last.conditioner(b.condition).null for b in (batch, rolled)]
    if nulls[0] is not None:
        one, other = (
            [(f.name, getattr(null, f.name)) for f in fields(null) if getattr(null, f.name) is not None]
            for null in nulls
        )
        assert [name for name, _ in one] == [name for name, _ in other] and nulls[0].condition is None, (
            "the condition leaks into null"
        )
        assert all(torch.equal(a, b) for (_, a), (_, b) in zip(one, other, strict=True)), (
            "the condition leaks into null"
        )


def sampler_makes_the_requested_calls(model: Any, batch: Batch) -> None:
    """A sampler with `steps=N` calls the network N times."""
    last = _last(model)
    default = last.objective.default_sampler()
    if "steps" not in default.arguments:
        return
    sampler = type(default)(**default.arguments | {"steps": 5})
    counted = _Counted(last.objective.network)
    sampler(last.objective.with_network(counted), last.representation.shape, _context(last, batch), Rng(0, 2))
    assert counted.calls == sampler.steps, f"{sampler} called the network {counted.calls} times"


def cache_equals_recomputation(model: Any, batch: Batch) -> None:
    """Cached decoding gives the samples of full forward passes, also after prefill, reorder and truncate."""
    last = _last(model)
    network = getattr(last.objective, "network", None)
    if not isinstance(network, Causal):
        return
    uncached, rng = last.objective.with_network(_Uncached(network)), Rng(0, 2, ("law",))
    sampler, shape, context = (
        last.objective.default_sampler(),
        last.representation.shape,
        _context(last, batch),
    )
    with torch.no_grad():
        drawn = sampler(last.objective.eval(), shape, context, rng)
        assert torch.equal(drawn, sampler(uncached, shape, context, rng)), (
            "cached decoding gives other samples"
        )
        _check_cache(network, raster(drawn, shape).clamp_min(0), shape, context)


def factorisation_is_causal(model: Any, batch: Batch) -> None:
    """Changing position i changes no logits at positions up to i."""
    last = _last(model).eval()
    if not isinstance(getattr(last.objective, "network", None), Causal):
        return
    x = last.representation.encode(batch.medium[:2], Rng(0, 2)).x
    shape, network = x.shape[1:], last.objective.network
    logits = raster(network(x, _context(last, batch)), shape)
    for i in (0, x[0].numel() // 2, x[0].numel() - 1):
        changed = raster(x, shape).clone()
        changed[:, i] = (changed[:, i] + 1) % logits.shape[-1]
        after = raster(network(unraster(changed, shape), _context(last, batch)), shape)
        _close(after[:, : i + 1], logits[:, : i + 1], 1e-5, f"logits up to position {i}")


def bijection_inverts(model: Any, batch: Batch) -> None:
    """The inverse of a flow inverts it (<= 1e-4 for the whole composition, in fp32)."""
    last = _last(model).eval()
    if not hasattr(last.objective, "bijection"):
        return
    x = last.representation.encode(batch.medium[:2], Rng(0, 2)).x
    z, _ = last.objective.bijection(x, _context(last, batch))
    _close(last.objective.bijection.inverse(z, _context(last, batch)), x, 1e-4, "inverse(forward(x))")


def resume_is_bitwise(model: Any, batch: Batch) -> None:
    """Training that is killed within a cycle of turns and resumed ends with bitwise equal weights."""
    steps = len(list(_stages(model))) * (max(len(stage.objective.turns) for stage in _stages(model)) + 2)
    uninterrupted, resumed = copy.deepcopy(model), copy.deepcopy(model)
    every_step = Every(steps=1)
    with tempfile.TemporaryDirectory() as folder:
        train(uninterrupted, _Rows(batch), steps=steps)
        with suppress(_Killed):
            train(
                copy.deepcopy(model),
                _Rows(batch, reads=steps // 2 + 1),
                steps=steps,
                directory=Path(folder),
                checkpoint_every=every_step,
            )
        torch.manual_seed(1234)  # the state of torch's generator must not matter
        train(resumed, _Rows(batch), steps=steps, directory=Path(folder), checkpoint_every=every_step)
    for name, tensor in tensors(uninterrupted).items():
        assert torch.equal(tensors(resumed)[name], tensor), f"{name} differs after resuming"


LAWS: dict[str, Callable[[Any, Batch], None]] = {
    law.__name__: law
    for law in (
        save_load_round_trip,
        gradient_reaches_every_owned_parameter,
        sample_is_a_function_of_its_index,
        bf16_samples_match_fp32,
        losses_are_per_row,
        likelihood_is_typed,
        condition_matters_and_null_is_independent,
        sampler_makes_the_requested_calls,
        cache_equals_recomputation,
        factorisation_is_causal,
        bijection_inverts,
        resume_is_bitwise,
    )
}


class _Killed(Exception):
    pass


class _Rows:
    """The batch as a data set; reading it more than `reads` times raises _Killed."""

    def __init__(self, batch: Batch, reads: int | None = None):
        self.batch, self.reads = batch, reads

    def __len__(self) -> int:
        return len(self.batch)

    def __getitem__(self, indices: Tensor) -> Batch:
        if self.reads is not None:
            self.reads -= 1
            if self.reads < 0:
                raise _Killed
        return self.batch[indices]


class _Counted(nn.Module):
    """A network that counts its calls."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network, self.calls = network, 0

    def forward(self, *arguments: Any) -> Tensor:
        self.calls += 1
        return self.network(*arguments)


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
        _close(cache.prefill(s[:, :half]), logits[:, 1 : half + 1], 1e-4, "logits after prefill")
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
        _close(
            cache.step(s[order, i]),
            logits[order, i + 1],
            1e-4,
            "logits after prefill, truncate and reorder",
        )


def _stages(model: Any) -> Iterator[Any]:
    yield from model.models.values() if isinstance(model, Staged) else [model]


def _last(model: Any) -> Any:
    return list(_stages(model))[-1]


def _perturbed(model: Any, batch: Batch) -> Any:
    """Prepare the model on the batch and perturb every parameter, so that no layer is left at zero."""
    for stage in _stages(model):
        stage.prepare(batch, Rng(0, len(batch), ("prepare",)))
        for i, parameter in enumerate(p for group in stage.players().values() for p in group):
            noise = Rng(i, 1, ("awake",)).normal(parameter.numel()).view_as(parameter)
            parameter.data.add_(0.03 * noise)
    return model


def _context(model: Model, batch: Batch) -> Any:
    return (
        None
        if model.conditioner is None or batch.condition is None
        else model.conditioner(batch.condition[:2])
    )


def _draw(model: Any, indices: Tensor, condition: Tensor | None) -> Tensor:
    return _last(model).sample_batch(Rng(0, indices, ("law",)), condition)


def _eight(condition: Tensor | None) -> Tensor | None:
    return None if condition is None else torch.cat([condition] * 8)[:8]


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
        _close(halves, total, 1e-4, f"the sum of {name} over two halves")


def _close(a: Tensor, b: Tensor, tolerance: float, what: str) -> None:
    distance = ((a - b).abs() / (1 + b.abs())).max().item()
    assert distance <= tolerance, f"{what} differs by {distance:.2g} (> {tolerance:g})"
