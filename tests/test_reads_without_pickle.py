"""Our loads unpickle nothing, which is listened to while they run.

Python tells of every class that an unpickling asks for ("pickle.find_class"); the functions that unpickle without asking for a class are
replaced by ones that tell. Outside is what libraries do among themselves, away from what a stranger hands over: `datasets` pickles
functions to name its cache (and unpickles nothing of a data set), `multiprocessing` speaks pickle to its own children.
"""

import fractions
import hashlib
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import datasets
import numpy as np
import pyarrow.parquet
import pytest
import torch
from PIL import Image

import morphogen
from morphogen.compare import Comparison, find_runs, resume
from morphogen.data import load as load_data
from morphogen.data import mnist
from morphogen.evaluation.features import CLASSIFIERS, ClassifierFeatures
from morphogen.run import Run
from morphogen.training import train
from training.toys import MAKERS, Rows

heard: list[str] | None = None  # None: nobody listens; a hook of Python's can never be taken out again


def _hear(event: str, arguments: tuple) -> None:
    if event == "pickle.find_class" and heard is not None:
        heard.append(f"{event} {arguments[0]}.{arguments[1]}")


sys.addaudithook(_hear)


@contextmanager
def listening() -> Iterator[list[str]]:
    """What is unpickled inside."""
    global heard
    heard = found = []
    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((torch, "load"), (torch.jit, "load"), (pickle, "load"), (pickle, "loads")):
            patch.setattr(module, name, _telling(getattr(module, name), f"{module.__name__}.{name}", found))
        try:
            yield found
        finally:
            heard = None


def _telling(function: Callable, name: str, told: list[str]) -> Callable:
    def tell(*arguments, **options):
        told.append(name)
        return function(*arguments, **options)

    return tell


@pytest.fixture(scope="module")
def compared(tmp_path_factory) -> Path:
    """A comparison of one system, to be gone on with."""
    directory = tmp_path_factory.mktemp("compared") / "compare-digits-001"
    list(Comparison(load_data("digits"), 0.2, directory, ["mixture"], "tiny", n=20, settings={"data": "digits"}).run())
    return directory


@pytest.fixture
def trained(tmp_path) -> Path:
    """A training of four steps, with its checkpoint."""
    train(MAKERS["denoiser"](), Rows(), steps=4, directory=tmp_path / "run", device="cpu")
    return tmp_path / "run"


def test_a_model_a_run_and_a_comparison_are_read_without_pickle(compared):
    with listening() as told:
        (run,) = find_runs([compared])
        run.model().sample(2)
        morphogen.load(run.directory / "model")
        Run.latest(compared)
        resume(compared).announcement()
        list(resume(compared, budget=0.3).run())
    assert told == []


def test_a_checkpoint_is_restored_without_pickle(trained):
    with listening() as told:
        assert train(MAKERS["denoiser"](), Rows(), steps=8, directory=trained, device="cpu").steps == 8
    assert told == [] and list(trained.glob("checkpoints/*/optimizer.safetensors"))


@pytest.mark.parametrize("name", sorted(set(CLASSIFIERS.values())))
def test_a_classifier_is_read_without_pickle(name):
    with listening() as told:
        ClassifierFeatures(name)
    assert told == []


@pytest.mark.parametrize("data", ["digits", "mnist-5k", "pictures", "text.txt", "table.csv", "table.parquet", "hub", "cache/fashion-mnist"])
def test_data_are_read_without_pickle(data, tmp_path, monkeypatch):
    monkeypatch.setenv("MORPHOGEN_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hub-cache")
    if data in MAKE:
        MAKE[data](tmp_path / data)
    pins = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.glob("cache/*/*")}
    monkeypatch.setattr(mnist, "FASHION_FILES", mnist.FASHION_FILES | pins)
    named = {"hub": f"hf:{tmp_path / data}", "cache/fashion-mnist": "fashion-mnist"}
    given = named.get(data, str(tmp_path / data) if data in MAKE else data)
    with listening() as told:
        assert len(load_data(given).train)
    assert told == []


def test_the_hook_hears_a_real_unpickling(tmp_path):
    torch.save({"half": fractions.Fraction(1, 2)}, tmp_path / "half.pt")
    torch.save({"numbers": torch.ones(2)}, tmp_path / "numbers.pt")
    np.save(tmp_path / "half.npy", np.array([fractions.Fraction(1, 2)], dtype=object))
    plain, half = pickle.dumps({"a": 1}), pickle.dumps(fractions.Fraction(1, 2))
    read = pickle._loads  # the pure Python twin, which nobody replaced: the hook alone hears it
    acts = {
        "a class": lambda: read(half), "plain data": lambda: pickle.loads(plain),
        "torch": lambda: torch.load(tmp_path / "half.pt", weights_only=False), "weights": lambda: torch.load(tmp_path / "numbers.pt"),
        "an array": lambda: np.load(tmp_path / "half.npy", allow_pickle=True),
    }  # fmt: skip
    for name, act in acts.items():
        with listening() as told:
            act()
        assert told, f"{name}: unheard"
    read(half)
    assert heard is None, "outside nobody listens"


def _pictures(folder: Path) -> None:
    folder.mkdir()
    for i, values in enumerate(PICTURES):
        Image.fromarray(values[:8, :8]).save(folder / f"{i}.png")


def _text(file: Path) -> None:
    file.write_text("".join(f"{i} times {i + 1} is {i * (i + 1)}, and half of it is the sum up to {i}.\n" for i in range(900)))


def _table(file: Path) -> None:
    file.write_text("height,width,kind\n" + "".join(f"{i % 7}.5,{i},{'ab'[i % 2]}\n" for i in range(40)))


def _parquet(file: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"height": [i % 7 + 0.5 for i in range(40)], "width": list(range(40))}), file)


def _hub(folder: Path) -> None:
    lines = [f"line {i} of a text that goes on and on, to the number {i * i}" for i in range(400)]
    datasets.Dataset.from_dict({"text": lines}).save_to_disk(str(folder))


def _cached(folder: Path) -> None:
    """Random pictures in the place of Fashion-MNIST."""
    folder.mkdir(parents=True)
    marks = PICTURES[:, 0, 0] % 10
    for file, values in zip(mnist.FASHION_FILES, (PICTURES, marks, PICTURES[:30], marks[:30]), strict=True):
        (folder / file).write_bytes(bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.tobytes())


PICTURES = np.random.default_rng(0).integers(0, 256, (200, 28, 28), dtype=np.uint8)
MAKE = {
    "pictures": _pictures, "text.txt": _text, "table.csv": _table, "table.parquet": _parquet, "hub": _hub, "cache/fashion-mnist": _cached,
}  # fmt: skip
