"""`startup`: seconds until the command line has shown its help, and until the package is imported, Python's own start included.

The peers: `diffusers-cli --help`, and `import transformers`, which also imports lazily.
"""

__all__ = ["startup"]

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.figure import Duel
from benchmarks.names import Name


def startup(name: Name) -> list[Duel]:
    """Seconds of a process."""
    scripts = Path(sys.executable).parent
    return [
        _duel([str(scripts / "morphogen"), "--help"], [str(scripts / "diffusers-cli"), "--help"], "help"),
        _duel([sys.executable, "-c", "import morphogen"], [sys.executable, "-c", "import transformers"], "import"),
    ]


def _duel(ours: list[str], peer: list[str], label: str) -> Duel:
    config = {side: " ".join([Path(command[0]).name, *command[1:]]) for side, command in (("ours", ours), ("peer", peer))}
    return Duel(_process(ours), _process(peer), None, "s", config, (label,))


def _process(command: list[str]) -> Callable[[], object]:
    return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
