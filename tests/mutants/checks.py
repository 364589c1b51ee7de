"""The test files of tests/families, whose checks the mutants must fail."""

__all__ = ["checks_of"]

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def checks_of(name: str) -> ModuleType:
    """A test file of tests/families, under the name by which pytest knows it, so that it is loaded once."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            name, Path(__file__).parents[1] / "families" / f"{name}.py"
        )
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]
