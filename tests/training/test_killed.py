"""Killed without warning and begun again, a training comes to the very same bytes: weights, optimiser, averages, metrics.

SIGKILL comes from outside, at instants drawn over the whole training: in the first step, inside a checkpoint's writing, while a
checkpoint is read; then at steps of our choosing, thrice in one epoch and where an epoch ends.
"""

import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from morphogen.training.checkpoint import Checkpoints
from training.toys import contents
from training.victim import Victim

SYSTEMS = "mixture", "gpt", "gated_pixelcnn", "vae", "realnvp", "wgan_gp", "ddpm", "latent_flow"
EPOCHS_END = (5, 11)  # of 5.5 steps: inside step 5, and before step 11
Straight = Callable[[str], tuple[Path, float]]


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Straight:
    """The uninterrupted training of a system, and its seconds; trained when first asked for."""
    known: dict[str, tuple[Path, float]] = {}

    def of(system: str) -> tuple[Path, float]:
        if system not in known:
            directory = tmp_path_factory.mktemp(system)
            finished, seconds = Victim(system, directory).train()
            assert finished
            known[system] = directory, seconds
        return known[system]

    return of


def killed_at_random(victim: Victim, seconds: float, kills: int) -> None:
    """So many kills, each an instant drawn within its share of the training's time; then on to the end."""
    instants = random.Random(f"{victim.system} {kills}")
    landed = 0
    while landed < kills:
        finished, _ = victim.train(kill_after=instants.uniform(0, 1.5 * seconds / kills))
        if finished:  # it was faster than the straight one: once more from the start
            shutil.rmtree(victim.directory)
        landed += not finished
    assert victim.train()[0]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("kills", [5, pytest.param(25, marks=pytest.mark.slow)])
def test_killed_at_random_instants(system: str, kills: int, straight: Straight, tmp_path: Path) -> None:
    directory, seconds = straight(system)
    killed_at_random(Victim(system, tmp_path), seconds, kills)
    assert_same(tmp_path, directory)


@pytest.mark.parametrize("system", ["mixture", "wgan_gp", "latent_flow"])
def test_sigterm_ends_at_the_next_safe_point(system: str, straight: Straight, tmp_path: Path) -> None:
    directory, _ = straight(system)
    finished, _ = Victim(system, tmp_path).train(kill_at=7, by=signal.SIGTERM)
    kept = sorted(int(path.parent.name) for path in tmp_path.glob("**/checkpoints/*/manifest.json"))
    assert not finished and kept  # it left its step, even or odd, and no half of anything
    assert not list(tmp_path.glob("**/.*"))
    assert Victim(system, tmp_path).train()[0]
    assert_same(tmp_path, directory)


@pytest.mark.parametrize("system", SYSTEMS)
def test_killed_thrice_in_an_epoch_and_where_epochs_end(system: str, straight: Straight, tmp_path: Path) -> None:
    directory, _ = straight(system)
    for step in (1, 3, 4, *EPOCHS_END):
        assert not Victim(system, tmp_path).train(kill_at=step)[0]
    assert Victim(system, tmp_path).train()[0]
    assert_same(tmp_path, directory)


def test_a_checkpoint_that_forgets_is_found_out(straight: Straight, tmp_path: Path) -> None:
    """The mutant: an optimiser whose memory is lost on the way."""
    directory, _ = straight("vae")
    Victim("vae", tmp_path).train(kill_at=9)
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    found = checkpoints.newest()
    assert found is not None and found.step == 8
    found.tensors["optimizer"] = {
        name: 0 * tensor if name.endswith("exp_avg") else tensor for name, tensor in found.tensors["optimizer"].items()
    }
    checkpoints.write(8, found.tensors, found.state)
    assert Victim("vae", tmp_path).train()[0]
    with pytest.raises(AssertionError, match=r"weights.safetensors"):
        assert_same(tmp_path, directory)


def assert_same(a: Path, b: Path) -> None:
    """What they ended in is the same, byte for byte: the last checkpoint, the model, the metrics, of every stage."""
    left, right = ending(a), ending(b)
    assert left.keys() == right.keys()
    assert {Path(name).name for name in left} >= {"weights.safetensors", "optimizer.safetensors", "ema.safetensors", "metrics.jsonl"}
    assert not (differing := [name for name in left if left[name] != right[name]]), differing


def ending(directory: Path) -> dict[str, bytes]:
    """Its contents without the checkpoints before the last: SIGTERM leaves one where no other would have been."""
    older = {path for folder in directory.glob("**/checkpoints") for path in sorted(folder.iterdir())[:-1]}
    return {name: data for name, data in contents(directory).items() if (directory / name).parent not in older}
