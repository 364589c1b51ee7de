"""The source never pickles and never executes code from data; every check has a mutant.

Checkpoints, runs and caches from untrusted sources can therefore be read without executing code.
`test_reads_without_pickle.py` tests this at run time.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import morphogen

SOURCE = Path(morphogen.__file__).parent
MODULES = {
    "pickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "copyreg", "runpy", "code",
}  # fmt: skip
CALLS = {
    "torch.load", "torch.save", "torch.jit.load", "torch.hub.load", "torch.package.PackageImporter",
    "yaml.load", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all",
    "eval", "exec", "compile", "__import__",
}  # fmt: skip
METHODS = {
    "to_pickle", "read_pickle", "__reduce__", "__reduce_ex__", "__setstate__",
    # torch.distributed and accelerate
    "all_gather_object", "broadcast_object_list", "gather_object", "scatter_object_list",
}  # fmt: skip
PLUGINS = {"importlib.metadata.entry_points", "importlib.metadata.EntryPoint"}  # they import what they name
# The code of other packages is imported in one place, and named by their metadata, which pip has installed.
WHERE_PLUGINS_ARE_READ = "plugins.py"
ARRAYS = {"numpy.load", "numpy.save"}  # they pickle object arrays unless allow_pickle=False


def violations(text: str) -> Iterator[str]:
    """The lines of a file that pickle, or execute code from data."""
    tree, names = ast.parse(text), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            names |= {alias.asname or alias.name: module + alias.name for alias in node.names}
            imported = [module + alias.name for alias in node.names]
            if forbidden := [name for name in imported if name.split(".")[0] in MODULES]:
                yield f"line {node.lineno}: imports {forbidden[0]}"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in METHODS:
            yield f"line {node.lineno}: defines {node.name}"
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            name = _full_name(node, names)
            if name in CALLS | PLUGINS or name.rpartition(".")[2] in METHODS:
                yield f"line {node.lineno}: {name}"
        if isinstance(node, ast.Call) and (fault := _fault(node, names)):
            yield f"line {node.lineno}: {fault}"


def _full_name(node: ast.expr, names: dict[str, str]) -> str:
    """The full name that an expression refers to: `t.load` after `import torch as t` is torch.load."""
    if isinstance(node, ast.Attribute):
        return f"{_full_name(node.value, names)}.{node.attr}"
    return names.get(node.id, node.id) if isinstance(node, ast.Name) else "?"


def _fault(call: ast.Call, names: dict[str, str]) -> str | None:
    """The fault in the arguments of a call, if any."""
    name, keywords = _full_name(call.func, names), {word.arg: word.value for word in call.keywords}
    if name in ARRAYS and not _is(keywords.get("allow_pickle"), False):
        return f"{name} without allow_pickle=False"
    if "trust_remote_code" in keywords and not _is(keywords["trust_remote_code"], False):
        return "trust_remote_code"
    if name == "getattr" and isinstance(call.args[1], ast.Constant):
        attribute = f"{_full_name(call.args[0], names)}.{call.args[1].value}"
        return f"getattr of {attribute}" if attribute in CALLS else None
    if name == "importlib.util.spec_from_file_location":
        return "imports a file"
    if name == "importlib.import_module":
        first = call.args[0].values[0] if isinstance(call.args[0], ast.JoinedStr) else call.args[0]
        if not (isinstance(first, ast.Constant) and str(first.value).startswith("morphogen.")):
            return "imports a module outside of morphogen"
    return None


def _is(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


MUTANTS = [
    "import pickle",
    "from pickle import loads",
    "import joblib",
    "import dill",
    "import cloudpickle as c",
    "import shelve",
    "import marshal",
    "import torch\ntorch.load(f)",
    "import torch as t\nt.load(f, weights_only=True)",
    "from torch import load\nload(f)",
    "from torch import load as read\nread(f)",
    "import torch\ntorch.save(m, f)",
    "import torch\nread = torch.load",
    "import torch\ngetattr(torch, 'load')(f)",
    "import torch\ntorch.jit.load(f)",
    "import torch\ntorch.hub.load(f)",
    "import numpy as np\nnp.load(f)",
    "import numpy as np\nnp.load(f, allow_pickle=True)",
    "import numpy as np\nnp.save(f, x)",
    "from numpy import load\nload(f, allow_pickle=flag)",
    "import pandas\npandas.read_pickle(f)",
    "table.to_pickle(f)",
    "import yaml\nyaml.load(f)",
    "import yaml\nyaml.unsafe_load(f)",
    "from yaml import full_load\nfull_load(f)",
    "eval(text)",
    "exec(text)",
    "compile(text, 'f', 'exec')",
    "__import__(name)",
    "run = exec",
    "from importlib import import_module\nimport_module(config['module'])",
    "import importlib\nimportlib.import_module(f'{name}.part')",
    "from importlib.metadata import entry_points\nentry_points(group=config['group'])",
    "from importlib import metadata as m\nm.EntryPoint('x', config['path'], 'y').load()",
    "import importlib.util\nimportlib.util.spec_from_file_location('x', path)",
    "load_dataset(name, trust_remote_code=True)",
    "class A:\n    def __reduce__(self): ...",
    "from torch import distributed\ndistributed.broadcast_object_list(x)",
]
ALLOWED = [
    "import re\nre.compile(text)",
    "model.eval()",
    "import numpy as np\nnp.load(f, allow_pickle=False)",
    "import yaml\nyaml.safe_load(f)",
    "from importlib import import_module\nimport_module(f'morphogen.systems.{name}')",
    "import json\njson.load(f)",
    "from safetensors.torch import load\nload(content)",
    "from morphogen.model import load\nload(folder)",
]


def test_the_package_does_not_pickle():
    files = {file: file.read_text(encoding="utf8") for file in SOURCE.rglob("*.py")}
    found = {str(file.relative_to(SOURCE)): list(violations(text)) for file, text in files.items()}
    found |= {WHERE_PLUGINS_ARE_READ: _without(PLUGINS, found[WHERE_PLUGINS_ARE_READ])}
    assert len(files) > 100
    assert [f"{file}: {fault}" for file, faults in found.items() for fault in faults] == []


def test_plugins_are_read_where_the_test_looks():
    faults = list(violations((SOURCE / WHERE_PLUGINS_ARE_READ).read_text(encoding="utf8")))
    assert {fault.partition(": ")[2] for fault in faults} == PLUGINS
    assert _without(PLUGINS, ["line 1: eval", *faults]) == ["line 1: eval"]


def _without(allowed: set[str], faults: list[str]) -> list[str]:
    return [fault for fault in faults if fault.partition(": ")[2] not in allowed]


@pytest.mark.parametrize("text", MUTANTS)
def test_a_violation_is_found(text):
    assert list(violations(text))


@pytest.mark.parametrize("text", ALLOWED)
def test_safe_code_passes(text):
    assert list(violations(text)) == []
