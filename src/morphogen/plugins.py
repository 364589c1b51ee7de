"""Systems and parts of other packages, which declare them as entry points of two groups.

    [project.entry-points."morphogen.systems"]
    NAME = "package.module:function"      # a page, as in `systems/`
    [project.entry-points."morphogen.parts"]
    NAME = "package.module"               # a module that defines parts

Which code is imported follows from the installed packages alone, never from a file that morphogen reads. An
error of a package is a line that names it, and affects neither other packages nor the systems of this one.
"""

__all__ = ["Plugin", "installed"]

from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

Group = Literal["systems", "parts"]


@dataclass(frozen=True)
class Plugin:
    """An entry point of another package.

    Arguments:
        package: name of the package that declares it.
        entry: the entry point: a name, and the object that it refers to.
    """

    package: str
    entry: EntryPoint

    @property
    def name(self) -> str:
        """Name of the entry point."""
        return self.entry.name

    def load(self) -> Any:
        """Import the object. Errors: any error of the package; `fault` describes it."""
        return self.entry.load()

    def fault(self, error: BaseException) -> str:
        """An error of the package as one line with the remedy."""
        lines = str(error).splitlines() or ["no message"]
        where = f"{self.entry.group} {self.name!r}"
        return (
            f"the package {self.package} cannot be used ({where}: {type(error).__name__}: {lines[0]}); "
            "repair or uninstall it"
        )


@cache
def installed(group: Group) -> tuple[Plugin, ...]:
    """The entry points of one group, by package and name."""
    found = entry_points(group=f"morphogen.{group}")
    plugins = [Plugin(str(entry.dist.name), entry) for entry in found if entry.dist is not None]
    return tuple(sorted(plugins, key=lambda plugin: (plugin.package, plugin.name)))
