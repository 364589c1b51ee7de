"""`startup`: seconds until the command line has printed its help, and until the package is imported.

Python's own start is included. The peers are `diffusers-cli --help` and `import transformers`, which also
imports lazily.
"""

__all__ = ["startup"]

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.figure import Comparison
from benchmarks.names import Name


def startup(name: Name) -> list[Comparison]:
    """Seconds per process."""
    scripts = Path(sys.executable).parent
    return [
        _compare([str(scripts / "morphogen"), "--help"], [str(scripts / "diffusers-cli"), "--help"], "help"),
        _compare(
            [sys.executable, "-c", "import morphogen"],
            [sys.executable, "-c", "import transformers"],
            "import",
        ),
    ]


def _compare(ours: list[str], peer: list[str], label: str) -> Comparison:
    commands = {"ours": ours, "peer": peer}
    config = {side: " ".join([Path(program).name, *words]) for side, (program, *words) in commands.items()}
    return Comparison(_process(ours), _process(peer), None, "s", config, (label,))


def _process(command: list[str]) -> Callable[[], object]:
    return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
