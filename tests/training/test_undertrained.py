"""A training is called too short by its plan and its loss, and a long one is not."""

import json
import math
import random
from pathlib import Path

import pytest

from morphogen.catalogue import build_system
from morphogen.representations.pixels import Pixels
from morphogen.training.undertrained import FEW, STEEP, falling, undertrained

PIXELS = Pixels(17, (1, 8, 8))


def write(folder: Path, losses: list[float], every: int = 50, player: str = "model") -> Path:
    """A metrics.jsonl of one line per window."""
    folder.mkdir(exist_ok=True)
    lines = [{"step": every * (i + 1), "player": player, "loss": loss} for i, loss in enumerate(losses)]
    with (folder / "metrics.jsonl").open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    return folder


def declining(length: int, time_constants: float) -> list[float]:
    return [1 + math.exp(-time_constants * i / length) for i in range(length)]


def test_few_steps_are_too_few(tmp_path):
    vae = build_system("vae", PIXELS, {}, "small")
    assert f"it took 100 steps, and from {FEW} on one can see whether its loss still falls" == undertrained(
        vae, write(tmp_path / "short", [1.0, 1.0])
    )
    assert undertrained(vae, write(tmp_path / "long", [1.0] * 6)) is None
    assert undertrained(vae, tmp_path / "missing") is None, "without metrics nothing is claimed"


def test_a_training_within_its_warm_up_is_too_short(tmp_path):
    vae = build_system("vae", PIXELS, {}, "small", {"plan.schedule.warmup": 400})
    short = undertrained(vae, write(tmp_path / "short", [1.0] * 15))
    assert short == "it took 750 steps, of which the learning rate warms up over 400"
    assert undertrained(vae, write(tmp_path / "long", [1.0] * 16)) is None


@pytest.mark.parametrize(
    ("time_constants", "is_short"), [(1.0, True), (1.4, True), (1.8, False), (5.0, False)]
)
def test_a_steeply_falling_loss_is_too_short(tmp_path, time_constants, is_short):
    vae = build_system("vae", PIXELS, {}, "small")
    reason = undertrained(vae, write(tmp_path / "run", declining(100, time_constants)))
    assert (reason is not None and "its loss was falling" in reason) == is_short


def test_noise_and_rising_losses_do_not_fall():
    """Of 1000 constant losses with noise, seed 0, at most 10 % seem to fall (nominally 2.3 %)."""
    noise = random.Random(0)
    losses = [[noise.gauss(1, 0.1) for _ in range(10)] for _ in range(1000)]
    assert 0 < sum(falling(series) > 0 for series in losses) <= 100
    noisy = [[loss + noise.gauss(0, 0.02) for loss in declining(50, 1.0)] for _ in range(1000)]
    assert sum(falling(series) > STEEP for series in noisy) > 700, "a steep decline is seen through the noise"
    assert falling([1, 2, 3, 4, 5]) == 0 and falling([1, 1, 1]) == 0
    assert falling([float(5 - i) for i in range(5)]) == pytest.approx(0.25), "a linear decline"


def test_closed_forms_and_adversarial_losses_are_not_judged_by_the_loss(tmp_path):
    gan = build_system("wgan_gp", PIXELS, {}, "small")
    for player in ("critic", "generator"):
        write(tmp_path / "gan", declining(100, 1.0), player=player)
    assert undertrained(gan, tmp_path / "gan") is None
    ngram = build_system("mixture", PIXELS, {}, "small", {"plan.rounds": 3})
    assert undertrained(ngram, write(tmp_path / "mixture", [3.0, 2.0, 1.0], every=1)) is None


@pytest.mark.parametrize(("rounds", "is_short"), [(1, True), (5, True), (9, True), (10, False), (12, False)])
def test_a_fit_of_few_rounds_that_was_cut_is_too_short(tmp_path, rounds, is_short):
    """EM takes a dozen rounds: five of them, cut by --time, are no fit, although their loss is not judged."""
    em = build_system("mixture", PIXELS, {}, "small")
    reason = undertrained(em, write(tmp_path / "mixture", [3.0], every=rounds))
    assert reason == (f"it took {rounds} of the 12 rounds that complete its training" if is_short else None)


def test_more_steps_than_the_plan_has_are_not_demanded(tmp_path):
    """A plan of 200 rounds is complete after 200 steps: 150 are a part of them, not too few for a curve."""
    vae = build_system("vae", PIXELS, {}, "small", {"plan.rounds": 200})
    reason = undertrained(vae, write(tmp_path / "vae", [1.0] * 3))
    assert reason == "it took 150 of the 200 rounds that complete its training"
    assert undertrained(vae, write(tmp_path / "vae", [1.0] * 4)) is None
    long = build_system("vae", PIXELS, {}, "small", {"plan.rounds": 2000})
    assert f"from {FEW} on" in str(undertrained(long, write(tmp_path / "long", [1.0] * 3)))


def test_each_stage_is_asked(tmp_path):
    staged = build_system("latent_flow", PIXELS, {}, "small")
    first, second = staged.models
    write(tmp_path / first, [1.0] * 10)
    write(tmp_path / second, [1.0] * 2)
    reason = undertrained(staged, tmp_path)
    assert reason is not None and reason.startswith(f"in its stage {second}, it took 100 steps")
