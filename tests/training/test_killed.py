"""A killed and resumed training ends in the same bytes: weights, optimizer state, averages, metrics.

SIGKILL is sent at random times over the whole training: in the first step, while a checkpoint is written,
while one is read. It is then sent at chosen steps, three times in one epoch and at the end of an epoch.
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

SYSTEMS = "mixture", "gpt", "gated_pixelcnn", "vae", "realnvp", "wgan_gp", "ddpm", "vqvae"
TRANSLATORS = "pix2pix", "cyclegan"
GANS = "gan", "dcgan", "lsgan", "wgan", "sngan", "conditional_gan", "stylegan2", "table_gan"
AUTOENCODERS = (
    *("vae", "vae_2013", "iwae", "hierarchical_vae", "latent_flow"),
    *("vqvae", "vqvae_gpt", "vqvae2", "dvae", "autoencoder_kl", "autoencoder_kl_ddpm", "vqgan"),
)
OF_CAPTIONS = (
    *("clip", "align", "latent_diffusion", "stable_diffusion", "stable_diffusion_2", "dalle", "dalle2"),
    *("dalle2_autoregressive", "glide", "imagen", "controlnet"),
)
EPOCH_ENDS = (5, 11)  # of 5.5 steps: inside step 5, and before step 11
Uninterrupted = Callable[[str], tuple[Path, float]]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Uninterrupted:
    """The directory of a system's uninterrupted training and its seconds; trained on first use."""
    trained: dict[str, tuple[Path, float]] = {}

    def train(system: str) -> tuple[Path, float]:
        if system not in trained:
            directory = tmp_path_factory.mktemp(system)
            finished, seconds = Victim(system, directory).train()
            assert finished
            trained[system] = directory, seconds
        return trained[system]

    return train


def kill_at_random(victim: Victim, seconds: float, kills: int) -> None:
    """Kill the training at random times within its duration, then let it finish."""
    times = random.Random(f"{victim.system} {kills}")
    killed = 0
    while killed < kills:
        finished, _ = victim.train(kill_after=times.uniform(0, 1.5 * seconds / kills))
        if finished:  # it was faster than the uninterrupted one: start again
            shutil.rmtree(victim.directory)
        killed += not finished
    assert victim.train()[0]


@pytest.mark.parametrize(
    ("system", "kills"),
    [
        ("wgan_gp", 5),
        *(pytest.param(system, 5, marks=pytest.mark.slow) for system in ("vae", "vqvae")),
        *(pytest.param(system, kills, marks=pytest.mark.slow) for system in SYSTEMS for kills in (10, 25)),
    ],
)
def test_killed_at_random_times(
    system: str, kills: int, uninterrupted: Uninterrupted, tmp_path: Path
) -> None:
    directory, seconds = uninterrupted(system)
    kill_at_random(Victim(system, tmp_path), seconds, kills)
    assert_same(tmp_path, directory)


@pytest.mark.parametrize("system", ["mixture", "wgan_gp", "vqvae"])
def test_sigterm_stops_after_the_current_step(
    system: str, uninterrupted: Uninterrupted, tmp_path: Path
) -> None:
    directory, _ = uninterrupted(system)
    finished, _ = Victim(system, tmp_path).train(kill_at=7, by=signal.SIGTERM)
    kept = sorted(int(path.parent.name) for path in tmp_path.glob("**/checkpoints/*/manifest.json"))
    assert not finished and kept  # a checkpoint of its last step, and no partial files
    assert not list(tmp_path.glob("**/.*"))
    assert Victim(system, tmp_path).train()[0]
    assert_same(tmp_path, directory)


@pytest.mark.parametrize(
    "system",
    [
        *("mixture", "wgan_gp", "ddpm", "vqvae"),
        *(
            pytest.param(system, marks=pytest.mark.slow)
            for system in ("gpt", "gated_pixelcnn", "vae", "realnvp", *TRANSLATORS, *GANS)
        ),
    ],
)
def test_killed_within_an_epoch_and_at_epoch_ends(
    system: str, uninterrupted: Uninterrupted, tmp_path: Path
) -> None:
    directory, _ = uninterrupted(system)
    for step in (1, 3, 4, *EPOCH_ENDS):
        assert not Victim(system, tmp_path).train(kill_at=step)[0]
    assert Victim(system, tmp_path).train()[0]
    assert_same(tmp_path, directory)


@pytest.mark.slow
@pytest.mark.parametrize("system", [*AUTOENCODERS, *OF_CAPTIONS])
def test_killed_in_every_stage(system: str, uninterrupted: Uninterrupted, tmp_path: Path) -> None:
    """Each process is killed in its fifth step, of 34, which are divided among up to four stages."""
    directory, _ = uninterrupted(system)
    kills = 0
    while not Victim(system, tmp_path).train(steps=4)[0]:
        kills += 1
    assert kills >= 8
    assert_same(tmp_path, directory)


def test_a_checkpoint_without_momentum_is_detected(uninterrupted: Uninterrupted, tmp_path: Path) -> None:
    """Mutant: the optimizer's first moments are lost."""
    directory, _ = uninterrupted("vae")
    Victim("vae", tmp_path).train(kill_at=9)
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    newest = checkpoints.newest()
    assert newest is not None and newest.step == 8
    newest.tensors["optimizer"] = {
        name: 0 * tensor if name.endswith("exp_avg") else tensor
        for name, tensor in newest.tensors["optimizer"].items()
    }
    checkpoints.write(8, newest.tensors, newest.state)
    assert Victim("vae", tmp_path).train()[0]
    with pytest.raises(AssertionError, match=r"weights.safetensors"):
        assert_same(tmp_path, directory)


def assert_same(a: Path, b: Path) -> None:
    """Last checkpoint, model and metrics of every stage are equal byte for byte."""
    left, right = final_files(a), final_files(b)
    assert left.keys() == right.keys()
    assert {Path(name).name for name in left} >= {
        "weights.safetensors",
        "optimizer.safetensors",
        "ema.safetensors",
        "metrics.jsonl",
    }
    assert not (differing := [name for name in left if left[name] != right[name]]), differing


def final_files(directory: Path) -> dict[str, bytes]:
    """Its files without the checkpoints before the last, since SIGTERM adds one."""
    older = {path for folder in directory.glob("**/checkpoints") for path in sorted(folder.iterdir())[:-1]}
    return {
        name: data for name, data in contents(directory).items() if (directory / name).parent not in older
    }
