"""Loading models, runs and data never unpickles anything, which is monitored while they load.

Python raises an audit event for every class that is unpickled ("pickle.find_class"). Functions that unpickle
plain data raise none, so they are replaced by wrappers that record the call. Pickling within other libraries
is not monitored if it doesn't read untrusted data: `datasets` pickles functions to name its cache (but
unpickles nothing of a data set), and `multiprocessing` communicates with its own children by pickle.
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
from morphogen.compare import Comparison, announcement, find_runs, resume
from morphogen.data import load_data, mnist
from morphogen.evaluation.features import CLASSIFIERS, ClassifierFeatures
from morphogen.run import Run
from morphogen.training import train
from training.toys import MAKERS, Rows

events: list[str] | None = None  # None: not monitored; an audit hook cannot be removed


def _audit(event: str, arguments: tuple) -> None:
    if event == "pickle.find_class" and events is not None:
        events.append(f"{event} {arguments[0]}.{arguments[1]}")


sys.addaudithook(_audit)


@contextmanager
def monitor_pickle() -> Iterator[list[str]]:
    """Context manager: record what is unpickled."""
    global events
    events = recorded = []
    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((torch, "load"), (torch.jit, "load"), (pickle, "load"), (pickle, "loads")):
            wrapper = _recording(getattr(module, name), f"{module.__name__}.{name}", recorded)
            patch.setattr(module, name, wrapper)
        try:
            yield recorded
        finally:
            events = None


def _recording(function: Callable, name: str, recorded: list[str]) -> Callable:
    def wrapper(*arguments, **options):
        recorded.append(name)
        return function(*arguments, **options)

    return wrapper


@pytest.fixture(scope="module")
def compared(tmp_path_factory) -> Path:
    """An interrupted comparison of one system."""
    directory, data = tmp_path_factory.mktemp("compared") / "compare-digits-001", load_data("digits")
    comparison = Comparison(data, 0.2, directory, ["mixture"], "tiny", n=20, settings={"data": "digits"})
    list(comparison.run())
    return directory


@pytest.fixture
def trained(tmp_path) -> Path:
    """A run of four training steps, with its checkpoint."""
    train(MAKERS["denoiser"](), Rows(), steps=4, directory=tmp_path / "run", device="cpu")
    return tmp_path / "run"


def test_models_runs_and_comparisons_load_without_pickle(compared):
    with monitor_pickle() as recorded:
        (run,) = find_runs([compared])
        run.model().sample(2)
        morphogen.load(run.directory / "model")
        Run.latest(compared)
        list(announcement(resume(compared)))
        list(resume(compared, budget=0.3).run())
    assert recorded == []


def test_checkpoints_load_without_pickle(trained):
    with monitor_pickle() as recorded:
        assert train(MAKERS["denoiser"](), Rows(), steps=8, directory=trained, device="cpu").steps == 8
    assert recorded == [] and list(trained.glob("checkpoints/*/optimizer.safetensors"))


@pytest.mark.parametrize("name", sorted(set(CLASSIFIERS.values())))
def test_classifiers_load_without_pickle(name):
    with monitor_pickle() as recorded:
        ClassifierFeatures(name)
    assert recorded == []


@pytest.mark.parametrize(
    "data",
    [
        "digits",
        "mnist-5k",
        "pictures",
        "text.txt",
        "table.csv",
        "table.parquet",
        "hub",
        "cache/fashion-mnist",
    ],
)
def test_data_sets_load_without_pickle(data, tmp_path, monkeypatch):
    monkeypatch.setenv("MORPHOGEN_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hub-cache")
    if data in MAKE:
        MAKE[data](tmp_path / data)
    pins = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.glob("cache/*/*")}
    monkeypatch.setattr(mnist, "FASHION_FILES", mnist.FASHION_FILES | pins)
    named = {"hub": f"hf:{tmp_path / data}", "cache/fashion-mnist": "fashion-mnist"}
    name = named.get(data, str(tmp_path / data) if data in MAKE else data)
    with monitor_pickle() as recorded:
        assert len(load_data(name).train)
    assert recorded == []


def test_the_monitor_records_real_unpickling(tmp_path):
    torch.save({"half": fractions.Fraction(1, 2)}, tmp_path / "half.pt")
    torch.save({"numbers": torch.ones(2)}, tmp_path / "numbers.pt")
    np.save(tmp_path / "half.npy", np.array([fractions.Fraction(1, 2)], dtype=object))
    plain, half = pickle.dumps({"a": 1}), pickle.dumps(fractions.Fraction(1, 2))
    pure_python_loads = pickle._loads  # not wrapped, so only the audit hook records it
    calls = {
        "a class": lambda: pure_python_loads(half),
        "plain data": lambda: pickle.loads(plain),
        "torch": lambda: torch.load(tmp_path / "half.pt", weights_only=False),
        "weights": lambda: torch.load(tmp_path / "numbers.pt"),
        "an array": lambda: np.load(tmp_path / "half.npy", allow_pickle=True),
    }
    for name, call in calls.items():
        with monitor_pickle() as recorded:
            call()
        assert recorded, f"{name} is not recorded"
    pure_python_loads(half)
    assert events is None, "outside of the context nothing is recorded"


def _pictures(folder: Path) -> None:
    folder.mkdir()
    for i, values in enumerate(PICTURES):
        Image.fromarray(values[:8, :8]).save(folder / f"{i}.png")


def _text(file: Path) -> None:
    lines = [
        f"{i} times {i + 1} is {i * (i + 1)}, and half of it is the sum up to {i}.\n" for i in range(900)
    ]
    file.write_text("".join(lines))


def _table(file: Path) -> None:
    file.write_text("height,width,kind\n" + "".join(f"{i % 7}.5,{i},{'ab'[i % 2]}\n" for i in range(40)))


def _parquet(file: Path) -> None:
    columns = {"height": [i % 7 + 0.5 for i in range(40)], "width": list(range(40))}
    pyarrow.parquet.write_table(pyarrow.table(columns), file)


def _hub(folder: Path) -> None:
    lines = [f"line {i} of a text that goes on and on, to the number {i * i}" for i in range(400)]
    datasets.Dataset.from_dict({"text": lines}).save_to_disk(str(folder))


def _cached(folder: Path) -> None:
    """Random pictures in place of Fashion-MNIST."""
    folder.mkdir(parents=True)
    labels = PICTURES[:, 0, 0] % 10
    for file, values in zip(mnist.FASHION_FILES, (PICTURES, labels, PICTURES[:30], labels[:30]), strict=True):
        header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
        (folder / file).write_bytes(header + values.tobytes())


PICTURES = np.random.default_rng(0).integers(0, 256, (200, 28, 28), dtype=np.uint8)
MAKE = {
    "pictures": _pictures,
    "text.txt": _text,
    "table.csv": _table,
    "table.parquet": _parquet,
    "hub": _hub,
    "cache/fashion-mnist": _cached,
}
