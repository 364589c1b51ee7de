"""Training is a pure function of (seed, step), also if resumed, accumulated or given NaN rows."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Batch, Losses
from morphogen.model import Model, load, tensors
from morphogen.plan import SGD, Constant, Shift
from morphogen.training import Every, train
from morphogen.training.outcome import StoppedEarly
from training.toys import Rows, ToyDuel, contents, denoiser, duel, mean, two_stages


class Killed(Exception):
    pass


class FailingRows(Rows):
    """Rows that raise after `reads` reads."""

    def __init__(self, reads: int):
        super().__init__()
        self.reads = reads

    def __getitem__(self, rows: Tensor) -> Batch:
        self.reads -= 1
        if self.reads < 0:
            raise Killed
        return super().__getitem__(rows)


def equal(a: Model, b: Model) -> bool:
    return all(torch.equal(t, tensors(b)[name]) for name, t in tensors(a).items())


@pytest.mark.parametrize(
    "stop", [1, 5, 7, 10]
)  # 10 steps of 6 are three epochs of 20; 5 and 7 are inside a cycle and a window
def test_resumed_training_equals_the_uninterrupted_bitwise(
    maker: Callable[[], Model], stop: int, tmp_path: Path
) -> None:
    uninterrupted, resumed = maker(), maker()
    train(uninterrupted, Rows(), steps=13, directory=tmp_path / "a", log_every=3, keep=1)
    with pytest.raises(Killed):
        every = Every(steps=stop)
        train(
            maker(),
            FailingRows(stop + 2),
            steps=13,
            directory=tmp_path / "b",
            log_every=3,
            keep=1,
            checkpoint_every=every,
        )
    torch.manual_seed(99)
    torch.randn(1000)
    train(resumed, Rows(), steps=13, directory=tmp_path / "b", log_every=3, keep=1)
    assert equal(uninterrupted, resumed)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert len(contents(tmp_path / "a")) == 7


def test_training_depends_on_the_seed_only(maker: Callable[[], Model]) -> None:
    a, b, other = maker(), maker(), maker()
    train(a, Rows(), steps=6)
    torch.rand(7)
    train(b, Rows(), steps=6)
    train(other, Rows(), steps=6, seed=1)
    assert equal(a, b)
    assert not equal(a, other)


def test_torch_generator_state_is_restored() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    model = denoiser()
    torch.manual_seed(5)
    train(model, Rows(), steps=2)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("parts", [2, 4, 7])  # 7: micro-batches of unequal size
def test_gradient_accumulation_equals_the_whole_batch(parts: int) -> None:
    """Weighted rows in fp64 differ by rounding only (a mean of means would differ by 1e-2)."""
    models = [denoiser(dropout=0.0, batch=12, accumulate=k).double() for k in (1, parts)]
    for model in models:
        train(model, Rows(dtype=torch.float64), steps=8)
    for name, tensor in tensors(models[0]).items():
        assert (tensor - tensors(models[1])[name]).abs().max() <= 1e-10, name


def test_statistics_are_summed_over_micro_batches() -> None:
    """With a full batch, each step halves the distance to the data's mean: (1 - 2^-k) of it after k steps."""
    model, rows = mean(), Rows()
    model.plan.accumulate = 3
    train(model, rows, steps=5)
    assert torch.allclose(model.objective.mean, rows.medium.mean(0) * (1 - 2.0**-5), atol=1e-6)


@pytest.mark.parametrize("make", [denoiser, lambda: mean(6)])
def test_a_non_finite_step_is_skipped(make: Callable[[], Model], tmp_path: Path) -> None:
    """10 steps of 2 rows read the NaN row once; the checkpoint after that step equals the one before it."""
    model = make()
    model.plan.batch = 2
    train(
        model,
        Rows(poisoned=7),
        steps=10,
        directory=tmp_path,
        checkpoint_every=Every(steps=1),
        keep=20,
        log_every=1,
    )
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    skipped = [line["step"] for line in lines if line.get("skipped")]
    assert len(skipped) == 1
    assert len(lines) == 10
    before, after = (tmp_path / f"checkpoints/{step:08d}" for step in (skipped[0] - 1, skipped[0]))
    for file in ("weights", "optimizer", "ema"):
        same = (before / f"{file}.safetensors").read_bytes() == (after / f"{file}.safetensors").read_bytes()
        assert same, file
    assert all(tensor.isfinite().all() for tensor in tensors(model).values())


@pytest.mark.parametrize("infinite", ["loss", "gradient"])
def test_a_skipped_step_equals_a_step_with_zero_gradient(infinite: str) -> None:
    """The control has a zero gradient at step 2; SGD without momentum or average then changes nothing."""
    models = []
    for poisoned in (True, False):
        model = denoiser(dropout=0.0, optimizer=SGD(1e-2), ema=0.0, schedule=Constant())
        losses, calls = model.objective.losses, iter(range(100))

        def changed_losses(*arguments, losses=losses, calls=calls, poisoned=poisoned):  # type: ignore[no-untyped-def]
            terms = losses(*arguments).terms
            if next(calls) == 2:
                # sqrt at 0: the loss is finite, its gradient is not
                bad = terms["error"] * torch.inf if infinite == "loss" else (terms["error"] * 0).sqrt()
                terms = {"error": bad if poisoned else terms["error"] * 0}
            return Losses(terms)

        model.objective.losses = changed_losses
        train(model, Rows(), steps=6)
        models.append(model)
    assert equal(*models)


def test_gradient_clipping() -> None:
    unclipped, clipped = (
        denoiser(optimizer=SGD(1.0), clip=c, schedule=Constant(), ema=0.0, dropout=0.0) for c in (None, 1e-3)
    )
    start = torch.cat([p.detach().flatten().clone() for p in clipped.parameters()])
    train(unclipped, Rows(), steps=1)
    train(clipped, Rows(), steps=1)
    moved = [
        (torch.cat([p.detach().flatten() for p in m.parameters()]) - start).norm().item()
        for m in (unclipped, clipped)
    ]
    assert moved[0] > 0.1
    assert moved[1] == pytest.approx(1e-3, rel=1e-3)


def test_players_are_updated_in_their_own_turns() -> None:
    model = duel()
    model.plan.ema = 0.0
    start = {name: t.clone() for name, t in tensors(model).items()}
    train(model, Rows(), steps=3)
    moved = {name.split(".")[1] for name, t in tensors(model).items() if not torch.equal(t, start[name])}
    assert moved == {"critic"}
    train(model, Rows(), steps=ToyDuel.turns.index("generator") + 1)
    assert not torch.equal(tensors(model)["objective.generator.weight"], start["objective.generator.weight"])


def test_schedule_over_the_whole_budget(tmp_path: Path) -> None:
    train(denoiser(), Rows(), steps=8, directory=tmp_path, log_every=1)
    rates = [json.loads(line)["lr"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    plan = denoiser().plan
    assert rates == pytest.approx([1e-2 * plan.schedule(s, s / 8) for s in range(8)])


def test_nested_model_is_not_updated(tmp_path: Path) -> None:
    first = denoiser()
    second = denoiser(first=first)
    before = {name: t.clone() for name, t in tensors(first).items()}
    second.players = lambda: {"model": list(second.parameters())}  # even if a family lists them
    train(second, Rows(), steps=4, directory=tmp_path)
    assert all(torch.equal(t, before[name]) for name, t in tensors(first).items())
    assert all(p.requires_grad for p in second.parameters())  # flags are restored
    assert first.training


def test_stages_resume(tmp_path: Path) -> None:
    uninterrupted, resumed = two_stages(), two_stages()
    stage_fractions = {"first": 1.0, "second": 2.0}
    assert (
        train(uninterrupted, Rows(), steps=9, stage_fractions=stage_fractions, directory=tmp_path / "a").steps
        == 9
    )
    with pytest.raises(Killed):  # 1 + 3 reads in stage one, then inside stage two
        train(
            two_stages(),
            FailingRows(7),
            steps=9,
            stage_fractions=stage_fractions,
            directory=tmp_path / "b",
            checkpoint_every=Every(steps=1),
        )
    train(resumed, Rows(), steps=9, stage_fractions=stage_fractions, directory=tmp_path / "b")
    assert equal(uninterrupted, resumed)
    for stage in ("first", "second"):
        assert (
            contents(tmp_path / "a" / stage)["metrics.jsonl"]
            == contents(tmp_path / "b" / stage)["metrics.jsonl"]
        )
    assert equal(load(tmp_path / "b/model"), uninterrupted)


def test_trained_model_has_averaged_weights(tmp_path: Path) -> None:
    model = denoiser()
    train(model, Rows(), steps=6, directory=tmp_path)
    assert equal(load(tmp_path / "model"), model)
    raw = denoiser(ema=0.0)
    train(raw, Rows(), steps=6)
    assert not equal(raw, model)
    again = denoiser()
    assert train(again, Rows(), steps=6, directory=tmp_path).finished  # only loads it
    assert equal(again, model)


def test_training_resumes_after_sigterm(tmp_path: Path) -> None:
    class Terminated(Rows):
        def __getitem__(self, rows: Tensor) -> Batch:
            if len(rows) == 6 and not (tmp_path / "sent").exists() and (tmp_path / "metrics.jsonl").exists():
                (tmp_path / "sent").touch()
                os.kill(os.getpid(), signal.SIGTERM)
            return super().__getitem__(rows)

    before = signal.getsignal(signal.SIGTERM)
    model, uninterrupted = denoiser(), denoiser()
    with pytest.warns(StoppedEarly, match="SIGTERM stopped the training after [1-8] steps"):
        trained = train(model, Terminated(), steps=9, directory=tmp_path)
    assert not trained.finished
    assert 1 <= trained.steps < 9
    assert signal.getsignal(signal.SIGTERM) is before
    assert not (tmp_path / "model").exists()
    assert train(model, Terminated(), steps=9, directory=tmp_path).finished
    train(uninterrupted, Rows(), steps=9)
    assert equal(model, uninterrupted)


def test_keyboard_interrupt_is_raised_after_a_checkpoint(tmp_path: Path) -> None:
    class Interrupted(Rows):
        sent = False

        def __getitem__(self, rows: Tensor) -> Batch:
            if (tmp_path / "metrics.jsonl").exists():
                os.kill(os.getpid(), signal.SIGINT * (not self.sent))  # signal 0 has no effect
                self.sent = True
            return super().__getitem__(rows)

    with pytest.raises(KeyboardInterrupt):
        train(denoiser(), Interrupted(), steps=9, directory=tmp_path)
    assert len(list(tmp_path.glob("checkpoints/*/manifest.json"))) == 1


def test_time_budget() -> None:
    trained = train(denoiser(), Rows(), time=0.2)
    assert 0.2 <= trained.seconds < 1.0
    assert trained.steps > 5


def test_rounds_end_the_training(tmp_path: Path) -> None:
    """Two cycles of four turns, of a budget 100 times as large; the schedules reach their end."""
    progress: list[float] = []

    class Recording(Constant):
        def __call__(self, turn: int, progress_now: float) -> float:
            progress.append(progress_now)
            return 1.0

    for budget in ({"steps": 800}, {"time": 600.0}):
        model = duel()
        model.plan.rounds, model.plan.schedule = 2, Recording()
        trained = train(model, Rows(), directory=tmp_path / next(iter(budget)), **budget)  # type: ignore[arg-type]
        assert (trained.steps, trained.finished) == (8, True)
        assert trained.ended == "all 2 rounds of the plan are done"
        assert progress == pytest.approx([i / 8 for i in range(8)], abs=0.01)
        progress.clear()
    again = duel()
    again.plan.rounds = 2
    again.plan.schedule = Recording()
    assert train(again, Rows(), steps=800, directory=tmp_path / "steps").steps == 8
    assert not progress
    short = duel()
    short.plan.rounds = 2
    trained = train(short, Rows(), steps=3)
    assert (trained.steps, trained.ended) == (3, "")


def test_invalid_budgets_and_checkpoints_raise(tmp_path: Path) -> None:
    nan, inf = float("nan"), float("inf")
    for budget in ({}, {"steps": 1, "time": 1.0}, {"steps": 0}, {"time": -1.0}, {"time": nan}, {"time": inf}):
        with pytest.raises(ConfigError, match=r"budget|one of the two|time=nan: give a number"):
            train(denoiser(), Rows(), **budget)  # type: ignore[arg-type]
    train(denoiser(), Rows(), steps=2, directory=tmp_path)
    with pytest.raises(ConfigError, match="seed was 0, is 1"):
        train(denoiser(), Rows(), steps=4, seed=1, directory=tmp_path)
    assert train(denoiser(), Rows(), steps=3, seed=1, directory=tmp_path, resume=False).steps == 3


def test_augmentation_is_keyed_by_position() -> None:
    class Pictures(Rows):
        def __getitem__(self, rows: Tensor) -> Batch:
            return Batch(self.medium[rows].reshape(-1, 1, 2, 2))

    seen: list[Tensor] = []
    for parts in (1, 3):
        model = mean()
        model.representation.encode = lambda medium, rng, measure=True, f=model.representation.encode: (  # type: ignore[method-assign]
            seen.append(medium), f(medium.flatten(1), rng))[1]  # fmt: skip
        model.plan.augment, model.plan.accumulate = Shift(1), parts
        train(model, Pictures(), steps=1)
    first, second = seen[1], torch.cat(seen[3:])  # seen[0], seen[2]: prepare
    assert torch.equal(first, second)
    assert not torch.equal(first, seen[0])
