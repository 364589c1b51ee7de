"""The package's front door: every name opens, and none is shadowed by a submodule once that is imported."""

import pkgutil

import morphogen as mg


def test_every_name_opens():
    for name in mg.__all__:
        assert getattr(mg, name) is not None


def test_no_name_is_a_submodules():
    assert not set(mg.__all__) & {module.name for module in pkgutil.iter_modules(mg.__path__)}
