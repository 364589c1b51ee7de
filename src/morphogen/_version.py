"""The version of the installed package."""

__all__ = ["__version__"]

from importlib.metadata import version

__version__ = version("morphogen")
