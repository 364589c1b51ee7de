"""Nothing of ours pickles, and nothing makes code of data: read off the source, with a mutant for each way to do it.

A checkpoint, a run or a cache from a stranger can then be read without running it. That they are, in fact, is listened to in
`test_reads_without_pickle.py`.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import morphogen

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
