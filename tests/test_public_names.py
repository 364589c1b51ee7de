"""Every public name can be imported, in a fresh process and without side effects on the others."""

import pkgutil
import subprocess
import sys

import pytest

import morphogen as mg

MODULES = ("", *(f".{name}" for name in mg._MODULES))
EACH = """
import importlib, sys
module = importlib.import_module("morphogen" + sys.argv[1])
for name in {*module.__all__, *(dir(module) if sys.argv[1] == ".systems" else ())}:
    assert getattr(module, name) is not None, name
    exec(f"from {module.__name__} import {name}")
assert set(module.__all__) <= set(dir(module))
"""


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_can_be_imported_in_a_fresh_process(module: str) -> None:
    subprocess.run([sys.executable, "-c", EACH, module], check=True, timeout=120)


def test_systems_are_functions_whatever_was_imported_before() -> None:
    """A page's module has the name of its function; the function is what the package exports."""
    import morphogen.systems.dit  # noqa: F401
    from morphogen.systems import ddpm, dit

    assert callable(ddpm) and callable(dit)


def test_no_name_is_that_of_a_submodule() -> None:
    assert not set(mg._HOMES) & {module.name for module in pkgutil.iter_modules(mg.__path__)}


def test_importing_the_package_does_not_import_torch_or_pandas() -> None:
    code = "import sys, morphogen; dir(morphogen); assert not {'torch', 'pandas', 'pyarrow'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_command_for_sampling_imports_no_scipy() -> None:
    code = "import sys, morphogen.cli.sample, morphogen.foreign_run; assert 'scipy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_an_unknown_name_suggests_the_closest_ones() -> None:
    with pytest.raises(AttributeError, match=r"samplers has no attribute 'DDIMM'; did you mean DDIM, DDPM"):
        mg.samplers.DDIMM  # noqa: B018


def test_a_name_close_to_none_lists_all() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'Zebra'; it exports Ancestral, AnnealedLangevin"):
        mg.samplers.Zebra  # noqa: B018
