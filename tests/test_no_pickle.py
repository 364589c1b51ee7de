"""Nothing is pickled and no file names code: a checkpoint, a run or a cache from a stranger can be read without running it.

Two nets. The gate reads our source for every call that unpickles, or makes code of data; each of its patterns has a mutant. The hook
listens while our own loads run: Python tells of every class that an unpickling asks for ("pickle.find_class"), and the functions that
unpickle without asking for a class are replaced by ones that tell.

Outside: what libraries do among themselves, away from our files. `datasets` hashes functions by pickling them (it reads the rows, out
of Arrow files), `multiprocessing` speaks pickle to its own children. Neither reads a file of ours; both are named in the gate's reach
only where we would call them.
"""

import ast
import fractions
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

import morphogen
from morphogen.compare import Comparison, find_runs, resume
from morphogen.data import load as load_data
from morphogen.evaluation.features import CLASSIFIERS, ClassifierFeatures
from morphogen.run import Run
from morphogen.training import train
from training.toys import MAKERS, Rows

SOURCE = Path(morphogen.__file__).parent
MODULES = {"pickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "copyreg", "runpy", "code"}
CALLS = {
    "torch.load", "torch.save", "torch.jit.load", "torch.hub.load", "torch.package.PackageImporter", "yaml.load", "yaml.unsafe_load",
    "yaml.full_load", "yaml.load_all", "eval", "exec", "compile", "__import__",
}  # fmt: skip
METHODS = {
    "to_pickle", "read_pickle", "__reduce__", "__reduce_ex__", "__setstate__",
    "all_gather_object", "broadcast_object_list", "gather_object", "scatter_object_list",  # of torch.distributed, and of accelerate
}  # fmt: skip
ARRAYS = {"numpy.load", "numpy.save"}  # of numbers only if told so: numpy.save pickles what it cannot write, unless it is forbidden to


def gate(text: str) -> Iterator[str]:
    """Every place of a page that unpickles, or makes code of data."""
    tree, names = ast.parse(text), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            home = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            names |= {alias.asname or alias.name: home + alias.name for alias in node.names}
            if found := [alias.name for alias in node.names if (home + alias.name).split(".")[0] in MODULES]:
                yield f"line {node.lineno}: imports {home}{found[0]}"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in METHODS:
            yield f"line {node.lineno}: defines {node.name}"
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            said = _dotted(node, names)
            if said in CALLS or said.rpartition(".")[2] in METHODS:
                yield f"line {node.lineno}: {said}"
        if isinstance(node, ast.Call) and (fault := _fault(node, names)):
            yield f"line {node.lineno}: {fault}"


def _dotted(node: ast.expr, names: dict[str, str]) -> str:
    """What an expression names, by the full name of what was imported: `t.load` after `import torch as t` is torch.load."""
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value, names)}.{node.attr}"
    return names.get(node.id, node.id) if isinstance(node, ast.Name) else "?"


def _fault(call: ast.Call, names: dict[str, str]) -> str | None:
    """What is wrong with a call's arguments, if the call itself is allowed."""
    said, given = _dotted(call.func, names), {word.arg: word.value for word in call.keywords}
    if said in ARRAYS and not _is(given.get("allow_pickle"), False):
        return f"{said} without allow_pickle=False"
    if "trust_remote_code" in given and not _is(given["trust_remote_code"], False):
        return "trust_remote_code"
    if said == "getattr" and isinstance(call.args[1], ast.Constant) and f"{_dotted(call.args[0], names)}.{call.args[1].value}" in CALLS:
        return "getattr of what must not be called"
    if said in ("importlib.import_module", "importlib.util.spec_from_file_location"):
        first = call.args[0].values[0] if isinstance(call.args[0], ast.JoinedStr) else call.args[0]
        if said.endswith("location") or not (isinstance(first, ast.Constant) and str(first.value).startswith("morphogen.")):
            return "imports what is not one of our own modules"
    return None


def _is(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


MUTANTS = [
    "import pickle", "from pickle import loads", "import joblib", "import dill", "import cloudpickle as c", "import shelve",
    "import marshal", "import torch\ntorch.load(f)", "import torch as t\nt.load(f, weights_only=True)", "from torch import load\nload(f)",
    "from torch import load as read\nread(f)", "import torch\ntorch.save(m, f)", "import torch\nread = torch.load",
    "import torch\ngetattr(torch, 'load')(f)", "import torch\ntorch.jit.load(f)", "import torch\ntorch.hub.load(f)",
    "import numpy as np\nnp.load(f)", "import numpy as np\nnp.load(f, allow_pickle=True)", "import numpy as np\nnp.save(f, x)",
    "from numpy import load\nload(f, allow_pickle=flag)", "import pandas\npandas.read_pickle(f)", "table.to_pickle(f)",
    "import yaml\nyaml.load(f)", "import yaml\nyaml.unsafe_load(f)", "from yaml import full_load\nfull_load(f)",
    "eval(text)", "exec(text)", "compile(text, 'f', 'exec')", "__import__(name)", "run = exec",
    "from importlib import import_module\nimport_module(config['module'])", "import importlib\nimportlib.import_module(f'{name}.part')",
    "import importlib.util\nimportlib.util.spec_from_file_location('x', path)", "load_dataset(name, trust_remote_code=True)",
    "class A:\n    def __reduce__(self): ...", "from torch import distributed\ndistributed.broadcast_object_list(told)",
]  # fmt: skip
ALLOWED = [
    "import re\nre.compile(text)", "model.eval()", "import numpy as np\nnp.load(f, allow_pickle=False)", "import yaml\nyaml.safe_load(f)",
    "from importlib import import_module\nimport_module(f'morphogen.systems.{name}')", "import json\njson.load(f)",
    "from safetensors.torch import load\nload(content)", "from morphogen.model import load\nload(folder)",
]  # fmt: skip


def test_nothing_of_ours_unpickles():
    pages = {file: file.read_text(encoding="utf8") for file in SOURCE.rglob("*.py")}
    assert len(pages) > 100 and [f"{file.relative_to(SOURCE)}: {fault}" for file, text in pages.items() for fault in gate(text)] == []


@pytest.mark.parametrize("text", MUTANTS)
def test_the_gate_kills(text):
    assert list(gate(text))


@pytest.mark.parametrize("text", ALLOWED)
def test_the_gate_lets_pass(text):
    assert list(gate(text)) == []


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


def test_data_are_read_without_pickle(tmp_path):
    rows = "".join(f"{i % 7}.5,{i},{'ab'[i % 2]}\n" for i in range(40))
    lines = "".join(f"{i} times {i + 1} is {i * (i + 1)}, and half of it is the sum up to {i}.\n" for i in range(900))
    (tmp_path / "table.csv").write_text("height,width,kind\n" + rows)
    (tmp_path / "text.txt").write_text(lines)
    with listening() as told:
        for name in ("digits", "mnist-5k", str(tmp_path / "table.csv"), str(tmp_path / "text.txt")):
            assert len(load_data(name).train)
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
