"""Run the command line in this process."""

__all__ = ["run"]

import sys

import pytest

from morphogen.cli import main


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The exit code of `morphogen WORDS`."""
    monkeypatch.setattr(sys, "argv", ["morphogen", *words])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0
