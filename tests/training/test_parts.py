"""Moving averages, players, precision, budgets, the journal and the progress bar."""

import io
import json
import sys
from pathlib import Path

import pytest
import torch
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from morphogen.component import ConfigError
from morphogen.contract import Unsupported
from morphogen.numerics.precision import autocast, native_bf16
from morphogen.plan import Adam, AdamW, Constant, Plan
from morphogen.training import Progress, train
from morphogen.training.ema import Ema
from morphogen.training.journal import Journal
from morphogen.training.optimizers import players_of
from morphogen.training.progress import Budget
from morphogen.training.stages import split_budget
from training.toys import Rows, denoiser, duel


def test_average_follows_its_recursion() -> None:
    w = nn.Parameter(torch.tensor([1.0]))
    ema, expected = Ema([w], decay=0.5), 1.0
    for turn in range(20):
        with torch.no_grad():
            w.mul_(1.1)
        ema.update(turn)
        d = min(0.5, (1 + turn) / (10 + turn))
        expected = d * expected + (1 - d) * w.item()
    assert ema.average[0].item() == pytest.approx(expected, rel=1e-5)


def test_averaged_restores_the_weights_bit_for_bit() -> None:
    w = nn.Parameter(torch.randn(50, generator=torch.Generator().manual_seed(0)))
    ema = Ema([w], 0.9)
    before = w.detach().clone()
    ema.average[0] += 1
    with pytest.raises(RuntimeError), ema.averaged():
        assert torch.equal(w, before + 1)
        raise RuntimeError
    assert torch.equal(w, before)


def test_vectors_have_no_weight_decay() -> None:
    model = denoiser(optimizer=AdamW(1e-3, weight_decay=0.3))
    optimizer = players_of(model)["model"].optimizer
    assert optimizer is not None
    assert [(g["weight_decay"], {p.ndim for p in g["params"]}) for g in optimizer.param_groups] == [
        (0.3, {2}),
        (0.0, {1}),
    ]


def test_turns_before_counts_a_players_turns() -> None:
    players = players_of(duel())
    assert list(players) == ["generator", "critic"]
    assert [players["critic"].turns_before(s) for s in range(9)] == [0, 1, 2, 3, 3, 4, 5, 6, 6]
    assert [players["generator"].turns_before(s) for s in range(9)] == [0, 0, 0, 0, 1, 1, 1, 1, 2]


def test_the_schedule_of_a_player_counts_its_own_turns(tmp_path: Path) -> None:
    """A warm-up of four turns: the fourth turn of the generator is at step 15, of the critic at step 4."""
    model = duel()
    model.plan.schedule = Constant(warmup=3)
    train(model, Rows(), steps=16, directory=tmp_path, log_every=1)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    for player, turns in (("critic", 12), ("generator", 4)):
        rates = [line["lr"] for line in lines if line["player"] == player]
        assert rates == pytest.approx([1e-2 * min(1, (i + 1) / 4) for i in range(turns)])


def test_the_average_of_a_player_counts_its_own_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[int] = []
    monkeypatch.setattr(Ema, "decay_at", lambda self, turn: turns.append(turn) or 0.5)
    train(duel(), Rows(), steps=16)
    assert turns == [0, 1, 2, 3]


def test_a_player_without_optimizer_raises() -> None:
    model = duel()
    model.plan = Plan({"generator": Adam()})
    with pytest.raises(ConfigError, match="'critic'"):
        players_of(model)


def test_autocast_precision() -> None:
    cpu, x = torch.device("cpu"), torch.randn(4, 4)
    expected = {"bf16": torch.bfloat16, "fp32": torch.float32}
    for precision, dtype in (expected | {"auto": expected["bf16" if native_bf16(cpu) else "fp32"]}).items():
        with autocast(precision, cpu):  # type: ignore[arg-type]
            assert (x @ x).dtype == dtype
    model = denoiser()
    train(model, Rows(), steps=2, precision="bf16")
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("steps", [3, 10, 100, 101])
def test_split_budget_adds_up(steps: int) -> None:
    parts = split_budget(Budget(steps=steps), ["a", "b", "c"])
    assert sum(part.steps or 0 for part in parts.values()) == steps
    halves = split_budget(Budget(time=10.0), ["a", "b"], {"a": 3, "b": 1})
    assert [part.time for part in halves.values()] == pytest.approx([7.5, 2.5])
    with pytest.raises(ConfigError, match="stage_fractions"):
        split_budget(Budget(steps=steps), ["a", "b"], {"a": 1})


def test_journal_is_truncated_on_resume(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for step in range(1, 5):
        journal.record(step, "model", {"loss": float(step)})
        journal.close_window(step, 1.0, 1.0)
    journal.close()
    complete = (tmp_path / "metrics.jsonl").read_text()
    (tmp_path / "metrics.jsonl").write_text(complete + '{"step": 2, "pl')
    Journal(tmp_path, step=3).close()
    assert (tmp_path / "metrics.jsonl").read_text() == "".join(complete.splitlines(keepends=True)[:3])


def test_tensorboard_files(tmp_path: Path) -> None:
    """The scalars of TensorBoard are those of metrics.jsonl, at the same steps."""
    train(denoiser(), Rows(), steps=6, directory=tmp_path, log_every=2, tensorboard=True)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    written = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    expected = {
        f"{line['player']}/{name}": [(other["step"], pytest.approx(other[name])) for other in lines]
        for line in lines
        for name in line.keys() - {"step", "player"}
    }
    assert [line["step"] for line in lines] == [2, 4, 6] and "model/loss" in expected
    scalars = {tag: [(event.step, event.value) for event in written.Scalars(tag)] for tag in expected}
    assert scalars == expected and set(written.Tags()["scalars"]) == expected.keys()


def test_tensorboard_is_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(Unsupported, match=r"pip install 'morphogen\[tensorboard\]'"):
        train(denoiser(), Rows(), steps=2, directory=tmp_path / "run", tensorboard=True)
    assert not list(tmp_path.rglob("metrics.jsonl"))
    train(denoiser(), Rows(), steps=2, directory=tmp_path / "run")


def test_no_progress_bar_without_a_terminal() -> None:
    for terminal in (False, True):
        out = io.StringIO()
        train(
            denoiser(),
            Rows(),
            steps=3,
            progress=Progress(Console(file=out, force_terminal=terminal, width=100)),
        )
        assert ("samples/s" in out.getvalue()) == terminal
