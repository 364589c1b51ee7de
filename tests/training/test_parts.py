"""The small parts: averages, players, precision, budgets, the journal and the line on the terminal."""

import io
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import nn

from morphogen.component import ConfigError
from morphogen.numerics.precision import autocast, native_bf16
from morphogen.plan import Adam, AdamW, Plan
from morphogen.training import Progress, train
from morphogen.training.ema import Ema
from morphogen.training.journal import Journal
from morphogen.training.optimizers import players_of
from morphogen.training.progress import Budget
from morphogen.training.stages import shared
from training.toys import Rows, denoiser, duel


def test_average_is_the_recursion() -> None:
    w = nn.Parameter(torch.tensor([1.0]))
    ema, expected = Ema([w], decay=0.5), 1.0
    for turn in range(20):
        with torch.no_grad():
            w.mul_(1.1)
        ema.update(turn)
        d = min(0.5, (1 + turn) / (10 + turn))
        expected = d * expected + (1 - d) * w.item()
    assert ema.average[0].item() == pytest.approx(expected, rel=1e-5)


def test_averaged_restores_bit_for_bit() -> None:
    w = nn.Parameter(torch.randn(50, generator=torch.Generator().manual_seed(0)))
    ema = Ema([w], 0.9)
    before = w.detach().clone()
    ema.average[0] += 1
    with pytest.raises(RuntimeError), ema.averaged():
        assert torch.equal(w, before + 1)
        raise RuntimeError
    assert torch.equal(w, before)


def test_vectors_are_not_decayed() -> None:
    model = denoiser(optimizer=AdamW(1e-3, weight_decay=0.3))
    optimizer = players_of(model)["model"].optimizer
    assert optimizer is not None
    assert [(g["weight_decay"], {p.ndim for p in g["params"]}) for g in optimizer.param_groups] == [(0.3, {2}), (0.0, {1})]


def test_turns_of_a_player_are_counted() -> None:
    players = players_of(duel())
    assert list(players) == ["generator", "critic"]
    assert [players["critic"].turns_before(s) for s in range(9)] == [0, 1, 2, 3, 3, 4, 5, 6, 6]
    assert [players["generator"].turns_before(s) for s in range(9)] == [0, 0, 0, 0, 1, 1, 1, 1, 2]


def test_a_player_without_optimiser_is_refused() -> None:
    model = duel()
    model.plan = Plan({"generator": Adam()})
    with pytest.raises(ConfigError, match="'critic'"):
        players_of(model)


def test_bf16_where_it_was_asked_for() -> None:
    cpu, x = torch.device("cpu"), torch.randn(4, 4)
    expected = {"bf16": torch.bfloat16, "fp32": torch.float32}
    for precision, dtype in (expected | {"auto": expected["bf16" if native_bf16(cpu) else "fp32"]}).items():
        with autocast(precision, cpu):  # type: ignore[arg-type]
            assert (x @ x).dtype == dtype
    model = denoiser()
    train(model, Rows(), steps=2, precision="bf16")
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("steps", [3, 10, 100, 101])
def test_budget_is_shared_out_whole(steps: int) -> None:
    parts = shared(Budget(steps=steps), ["a", "b", "c"])
    assert sum(part.steps or 0 for part in parts.values()) == steps
    halves = shared(Budget(time=10.0), ["a", "b"], {"a": 3, "b": 1})
    assert [part.time for part in halves.values()] == pytest.approx([7.5, 2.5])
    with pytest.raises(ConfigError, match="shares"):
        shared(Budget(steps=steps), ["a", "b"], {"a": 1})


def test_journal_is_cut_back_and_torn_lines_go(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for step in range(1, 5):
        journal.record(step, "model", {"loss": float(step)})
        journal.close_window(step, 1.0, 1.0)
    journal.close()
    whole = (tmp_path / "metrics.jsonl").read_text()
    (tmp_path / "metrics.jsonl").write_text(whole + '{"step": 2, "pl')
    Journal(tmp_path, step=3).close()
    assert (tmp_path / "metrics.jsonl").read_text() == "".join(whole.splitlines(keepends=True)[:3])


def test_tensorboard_is_written_when_asked(tmp_path: Path) -> None:
    train(denoiser(), Rows(), steps=2, directory=tmp_path, tensorboard=True)
    assert list(tmp_path.glob("tensorboard/events*"))


def test_the_line_is_silent_without_a_terminal() -> None:
    for terminal in (False, True):
        out = io.StringIO()
        train(denoiser(), Rows(), steps=3, progress=Progress(Console(file=out, force_terminal=terminal, width=100)))
        assert ("samples/s" in out.getvalue()) == terminal
