"""The laws of the kernels hold for an older processor, and under the address sanitizer."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from morphogen.native.compiler import find_compiler

LAWS = Path(__file__).parent
OTHERS = "test_compiler.py", "test_builds.py"
COMPILER = find_compiler()

pytestmark = [pytest.mark.slow, pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler")]


def test_the_laws_hold_without_avx512(tmp_path: Path) -> None:
    check_laws(tmp_path, "-march=x86-64-v3")


def test_the_laws_hold_under_the_address_sanitizer(tmp_path: Path) -> None:
    """Reads and writes beyond an array end the process; the leaks are those of the interpreter."""
    runtime = [library_path(name) for name in ("libasan.so", "libstdc++.so")]  # the second one throws
    if not all(path.is_absolute() for path in runtime):
        pytest.skip("the compiler has no address sanitizer")
    options = "-fsanitize=address", "-fno-omit-frame-pointer", "-O1"
    check_laws(tmp_path, *options, LD_PRELOAD=":".join(map(str, runtime)), ASAN_OPTIONS="detect_leaks=0")


def library_path(name: str) -> Path:
    """Where the compiler has this library; the name alone if it has none."""
    command = [*(COMPILER or ()), f"-print-file-name={name}"]
    return Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())


def check_laws(folder: Path, *options: str, **environment: str) -> None:
    """Run the laws of this folder in a process whose kernels are compiled with these options."""
    environment |= {"CXX": shlex.join([*(COMPILER or ()), *options]), "MORPHOGEN_NATIVE": str(folder)}
    ignored = [f"--ignore={LAWS / name}" for name in OTHERS]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-m", "not slow", str(LAWS), *ignored]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    built = [path for path in folder.iterdir() if path.suffix == ".so"]
    assert len(built) > 5 and "skipped" not in done.stdout.splitlines()[-1]
