"""The peer in its own process, as its users run it.

Our setting of the memory allocator (`morphogen.numerics.memory`) therefore applies to our process only. The
processes exchange lines: the child reports "ready"; then, for each comparison number that it receives, it
runs that peer once and sends the number back.
"""

__all__ = ["PeerProcess"]

import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from benchmarks.pairs import TICK


class PeerProcess:
    """Context manager: the peers of a benchmark, in another process.

    Arguments:
        words: the benchmark's name.
    """

    def __init__(self, words: Sequence[str]):
        command = [sys.executable, "-m", "benchmarks.peer_process", *words]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "PeerProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def ready(self) -> None:
        """Wait until the peers are set up."""
        self._expect("ready")

    def peer(self, index: int) -> Callable[[], None]:
        """The peer of a comparison; each call runs one repetition."""

        def run() -> None:
            assert self._process.stdin is not None
            self._process.stdin.write(f"{index}\n")
            self._process.stdin.flush()
            self._expect(str(index))

        return run

    def seconds(self) -> float:
        """CPU seconds used by the process and by the children that it has waited for."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(ticks) for ticks in fields[11:15]) * TICK

    def memory_mib(self) -> dict[str, float]:
        """Peak resident memory of both processes until now, with all imports but without child processes."""
        return {"ours": _peak_mib("self"), "peer": _peak_mib(self._process.pid)}

    def _expect(self, expected: str) -> None:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if line != expected:
            raise RuntimeError(
                f"the peer's process sent {line!r} instead of {expected!r}; its error output is above"
            )


def _peak_mib(process: int | str) -> float:
    """Peak resident memory of a process (VmHWM)."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def _serve(words: Sequence[str]) -> None:
    """The child's loop."""
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a peer prints goes to standard error
    warnings.filterwarnings("ignore")
    from benchmarks.benches import open_bench
    from benchmarks.names import parse

    comparisons = open_bench(parse(words))
    replies.write("ready\n")
    for line in sys.stdin:
        comparisons[int(line)].peer()
        replies.write(line)


if __name__ == "__main__":
    _serve(sys.argv[1:])
