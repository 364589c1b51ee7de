"""Where parts are defined: in modules of this package, and in those that other packages declare.

A part is found by its name alone, which is unique: to import the module that defines it registers it.
"""

__all__ = ["import_own", "import_part"]

import re
from collections import defaultdict
from collections.abc import Container
from functools import cache
from importlib import import_module
from pathlib import Path

from morphogen.plugins import installed


def import_own(name: str) -> None:
    """Import the modules of this package that define a class of that name."""
    for module in _modules().get(name, ()):
        import_module(f"morphogen.{module}")


def import_part(name: str, registered: Container[str]) -> list[str]:
    """Import modules until a part of that name is registered: those of this package, then of others.

    Arguments:
        name: of the part.
        registered: the names of the registered parts, which grows as modules are imported.

    Returns the faults of the packages that could not be imported, a line each.
    """
    import_own(name)
    faults: list[str] = []
    for plugin in installed("parts"):
        if name not in registered:
            try:
                plugin.load()
            except (Exception, SystemExit) as error:  # whatever the package does
                faults.append(plugin.fault(error))
    return faults


@cache
def _modules() -> dict[str, list[str]]:
    """The modules of this package that define a class of each name, read from the source, not imported."""
    root, modules = Path(__file__).parent, defaultdict(list)
    for file in sorted(root.rglob("*.py")):
        for name in re.findall(r"^class (\w+)\(", file.read_text(encoding="utf8"), re.M):
            modules[name].append(".".join(file.relative_to(root).with_suffix("").parts))
    return modules
