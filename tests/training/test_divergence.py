"""When a training counts as diverged, and what a run that is trained further is equal to."""

import warnings
from pathlib import Path

import pytest
import torch

from morphogen.model import Model, tensors
from morphogen.plan import Adam, Constant, Cosine
from morphogen.run import Run, RunError, extend, train_run
from morphogen.staged import Staged
from morphogen.training.divergence import Diverged, SkippedSteps, lower_rates
from morphogen.training.loop import train
from training.toys import Rows, denoiser, two_stages


def constant() -> Model:
    return denoiser(schedule=Constant())


def two_constant_stages() -> Staged:
    staged = two_stages()
    for stage in staged.models.values():
        stage.plan.schedule = Constant()
    return staged


@pytest.mark.parametrize(
    ("steps", "diverged"),
    [("", False), ("..", False), ("x", True), (".x", False), (".xx", True), ("." * 90 + "x" * 9, False),
     ("." * 90 + "x" * 10, True), ("." * 90 + "x" * 10 + ".", False)],
)  # fmt: skip
def test_most_steps_or_the_last_ten(steps: str, diverged: bool) -> None:
    skipped = SkippedSteps()
    for step in steps:
        skipped = SkippedSteps(skipped.counts)  # as after a checkpoint
        skipped.add("model", step == "x")
    assert (skipped.diverged, skipped.total) == (diverged, steps.count("x"))


def test_each_player_is_counted_alone() -> None:
    skipped = SkippedSteps()
    for _ in range(9):
        for player in ("critic", "critic", "critic", "generator"):
            skipped.add(player, player == "generator")
    assert skipped.diverged and skipped.total == 9


def test_a_diverged_model_is_not_saved(tmp_path: Path) -> None:
    model = denoiser(optimizer=Adam(0.1))
    with pytest.warns(
        Diverged, match=r"4 of 4 steps were not finite; lower the learning rate: changes={\"plan.*\": 0.001}"
    ):
        trained = train(model, Rows(1, poisoned=0), steps=4, directory=tmp_path / "plain")
    assert trained.diverged and not (tmp_path / "plain/model").exists()
    run = Run.create(tmp_path, "toy", "points", {"steps": 4})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train_run(run, denoiser(), Rows(1, poisoned=0))
    assert Run.open(run.directory).status == "diverged"
    with pytest.raises(RunError, match="4 of 4 steps were not finite"):
        run.model()
    with pytest.raises(RunError, match=r"contains no finished run; .*diverged"):
        Run.latest(tmp_path)


def test_the_rates_of_all_stages_are_named() -> None:
    assert lower_rates(two_stages()).count('plan.optimizer.lr": ') == 2


@pytest.mark.parametrize("make", [constant, two_constant_stages])
def test_an_extended_run_equals_one_of_the_larger_budget(make, tmp_path: Path) -> None:
    """With a schedule that does not depend on the budget, bitwise; both stages of two are trained further."""
    runs = [Run.create(tmp_path, "toy", "points", {"steps": steps, "seed": 3}) for steps in (4, 8)]
    models = []
    for run in runs:
        torch.manual_seed(0)
        models.append(make())
        train_run(run, models[-1], Rows())
    torch.manual_seed(0)
    extended = make()
    extend(runs[0], extended, steps=8)
    assert train_run(runs[0], extended, Rows()).steps == 8
    assert Run.open(runs[0].directory).record["settings"]["steps"] == 8
    same = [torch.equal(t, tensors(models[1])[name]) for name, t in tensors(extended).items()]
    assert all(same)


def test_a_cosine_continues_at_the_rate_of_the_larger_budget() -> None:
    assert Cosine()(turn=5, progress=0.5) == pytest.approx(0.5)


def test_a_warm_start_omits_the_preparation() -> None:
    for warm in (False, True):
        model = denoiser()
        train(model, Rows(), steps=1, warm_start=warm)
        assert bool(model.objective.seen.any()) != warm
