"""The peer in a process of its own, as its users have it: how ours has its memory kept (`morphogen.numerics.memory`) is ours alone.

The two talk by lines: the child says that it is ready, and for the number of a duel that it is sent runs the peer once and sends it back.
"""

__all__ = ["Apart"]

import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from benchmarks.pairs import TICK


class Apart:
    """The peers of a bench, in another process while the context lasts.

    Arguments:
        words: the bench's name.
    """

    def __init__(self, words: Sequence[str]):
        command = [sys.executable, "-m", "benchmarks.apart", *words]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "Apart":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    def ready(self) -> None:
        """Wait until the peers are made."""
        self._heard("ready")

    def peer(self, duel: int) -> Callable[[], None]:
        """The peer of that duel: a call is one repetition."""

        def run() -> None:
            assert self._process.stdin is not None
            self._process.stdin.write(f"{duel}\n")
            self._process.stdin.flush()
            self._heard(str(duel))

        return run

    def seconds(self) -> float:
        """CPU seconds that it and the processes it has waited for have used."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(ticks) for ticks in fields[11:15]) * TICK

    def memory_mib(self) -> dict[str, float]:
        """The most that each side's process has held so far, the imports of both among it; not what other processes do for it."""
        return {"ours": _peak_mib("self"), "peer": _peak_mib(self._process.pid)}

    def _heard(self, wanted: str) -> None:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if line != wanted:
            raise RuntimeError(f"the peer's process said {line!r} where {wanted!r} was awaited; its last words are above")


def _peak_mib(process: int | str) -> float:
    """The largest resident memory of a process (VmHWM)."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def _serve(words: Sequence[str]) -> None:
    """The child's side."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a peer prints is for people
    warnings.filterwarnings("ignore")
    from benchmarks.benches import open_bench
    from benchmarks.names import parse

    duels = open_bench(parse(words))
    answers.write("ready\n")
    for line in sys.stdin:
        duels[int(line)].peer()
        answers.write(line)


if __name__ == "__main__":
    _serve(sys.argv[1:])
