"""Run Python in new processes: one, two under `accelerate launch`, or two with ranks in the environment."""

__all__ = ["LAUNCH", "alone", "launched", "pair"]

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ENVIRONMENT = os.environ | {
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": os.pathsep.join(
        [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    ),
    "TORCH_CPP_LOG_LEVEL": "ERROR",
}
LAUNCH = [
    sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2",
    "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0",
]  # fmt: skip


def alone(directory: Path, *words: str) -> str:
    """The output of `python WORDS`."""
    return _printed([sys.executable, *words], directory)


def launched(directory: Path, *words: str) -> str:
    """The output of two processes of `python WORDS` under `accelerate launch`."""
    return _printed([*LAUNCH, *words], directory)


def pair(code: str) -> list[tuple[int, str]]:
    """Exit codes and standard errors of two processes that run the code with ranks 0 and 1."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    processes = [_start(code, shared | {"RANK": rank, "LOCAL_RANK": rank}) for rank in ("0", "1")]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    return [(process.returncode, error) for process, error in zip(processes, errors, strict=True)]


def _start(code: str, variables: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code], env={**ENVIRONMENT, **variables}, stderr=subprocess.PIPE, text=True
    )


def _printed(command: list[str], directory: Path) -> str:
    done = subprocess.run(
        command, cwd=directory, env=ENVIRONMENT, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
