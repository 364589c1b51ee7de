"""Two processes under `accelerate launch` have the losses, gradient norms and weights of one, in fp64.

The shards are unequal (5 and 4 rows of a batch of 9, in micro-batches of 3, 2, 2, 2), and noise is keyed by
the row's position in the whole batch. Rows that depend on each other (contrastive, batch_norm) stay
together.
"""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from launching import alone, launched
from training.launched import MUTANTS, STEPS

QUICK = "toy", "mixture", "vae", "wgan_gp", "contrastive"
SLOW = (
    "ddpm",
    "clip",
    "align",
    "batch_norm",
    "gated_pixelcnn",
    "realnvp",
    "latent_flow",
    "vqvae",
    "gpt",
    "rnn_lm",
    "ngram",
)
MUTATED = {"places": "vae", "divided": "contrastive", "means": "toy", "statistics": "mixture"}
SAME, OTHER = 1e-6, 1e-3


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trainings by one process and by two; the `elastic` one switches from one to two and back."""
    mutants = [f"{system}!{name}" for name, system in MUTATED.items()]
    return train(tmp_path_factory.mktemp("quick"), *QUICK, *mutants, elastic=("wgan_gp:17", "wgan_gp:16"))


@pytest.fixture(scope="module")
def trained_slowly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("slow"), *SLOW, elastic=("latent_flow:17", "latent_flow:50"))


def train(directory: Path, *tasks: str, elastic: tuple[str, str]) -> Path:
    """Train every task with one process and with two, and the elastic one with one, two and one."""
    first, second = elastic
    module = ("-m", "training.launched")
    alone(directory, *module, *(f"one/{task}" for task in tasks), f"elastic/{first}")
    launched(directory, *module, *(f"two/{task}" for task in tasks), f"elastic/{second}")
    alone(directory, *module, f"elastic/{first.partition(':')[0]}")
    return directory


@pytest.mark.parametrize("system", QUICK)
def test_two_processes_equal_one(system: str, trained: Path) -> None:
    assert_same(trained, system)


@pytest.mark.slow
@pytest.mark.parametrize("system", SLOW)
def test_two_processes_equal_one_slow(system: str, trained_slowly: Path) -> None:
    assert_same(trained_slowly, system)


def test_training_resumes_with_another_number_of_processes(trained: Path) -> None:
    """Stopped by SIGTERM in step 17, then by SIGTERM to the last of two processes 16 steps later."""
    assert processes(trained / "elastic" / "wgan_gp") == [1, 2, 1]
    assert distance(trained / "one" / "wgan_gp", trained / "elastic" / "wgan_gp") <= SAME


@pytest.mark.slow
def test_staged_training_resumes_with_another_number_of_processes(trained_slowly: Path) -> None:
    """Stopped in each of its stages."""
    assert processes(trained_slowly / "elastic" / "latent_flow") == [1, 2, 1]
    assert (
        distance(trained_slowly / "one" / "latent_flow", trained_slowly / "elastic" / "latent_flow") <= SAME
    )


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_is_detected(mutant: str, trained: Path) -> None:
    task = f"{MUTATED[mutant]}!{mutant}"
    assert processes(trained / "two" / task) == [2]
    assert distance(trained / "one" / task, trained / "two" / task) > OTHER


def assert_same(trained: Path, system: str) -> None:
    one, two = trained / "one" / system, trained / "two" / system
    assert processes(one) == [1] and processes(two) == [2]
    assert distance(one, two) <= SAME
    assert len(metrics(one)) == STEPS * len(list(one.rglob("metrics.jsonl")))


def processes(directory: Path) -> list[int]:
    """The number of processes of each training there."""
    return [int(line) for line in (directory / "processes").read_text().split()]


def metrics(directory: Path) -> list[dict]:
    files = sorted(directory.rglob("metrics.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def distance(a: Path, b: Path) -> float:
    """The largest difference between any metrics of any step, and between any final weights."""
    steps = list(zip(metrics(a), metrics(b), strict=True))
    assert steps and all(x.keys() == y.keys() and "loss" in x for x, y in steps)
    differences = [abs(x[name] - y[name]) for x, y in steps for name in x if name != "player"]
    left, right = (load_file(folder / "model" / "weights.safetensors") for folder in (a, b))
    assert left.keys() == right.keys() and all(tensor.dtype.itemsize == 8 for tensor in left.values())
    return max(*differences, *((tensor - right[name]).abs().max().item() for name, tensor in left.items()))
