"""Compile a C++ file of this package for the processor at hand, once, and keep the library in a cache.

    $MORPHOGEN_NATIVE/NAME-KEY.so,  or ~/.cache/morphogen/native/NAME-KEY.so
    KEY = hash(source, headers beside it, flags, compiler, torch's version, Python's version, processor)

The compiler is called directly: torch's extension loader would do the same with ninja and setuptools, which
need not be installed. Options in $CXX replace ours: CXX="g++ -march=haswell" compiles for AVX2 without
AVX-512. One process compiles and the others wait, so that tests and ranks may start together.
"""

__all__ = ["FLAGS", "BuildFailed", "cache_directory", "find_compiler", "library"]

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from morphogen.native.processor import instructions, model_name

FLAGS = (
    "-std=c++20", "-O3", "-march=native", "-fPIC", "-shared", "-fopenmp", "-w",
    "-ffp-contract=off",  # a kernel rounds where its equations say
    "-fno-math-errno", "-fno-trapping-math",  # sqrt and floor are single instructions
)  # fmt: skip
SECONDS = 300.0  # after which a compiler is stopped


class BuildFailed(Exception):
    """A kernel cannot be built here; the message is one line."""


def library(source: Path) -> Path:
    """The shared library of a C++ file, compiled unless it is in the cache. Errors: BuildFailed."""
    compiler = find_compiler()
    if compiler is None:
        raise BuildFailed("no C++ compiler was found (g++, clang++, or $CXX)")
    path = cache_directory() / f"{source.stem}-{_key(source, compiler)}.so"
    try:
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _locked(path.with_suffix(".lock")):
                if not path.is_file():  # another process may have compiled it meanwhile
                    with _announced(source):
                        _compile(source, path, compiler)
    except OSError as error:
        raise BuildFailed(f"{error.filename or path}: {error.strerror or error}") from error
    return path


def cache_directory() -> Path:
    """The folder of the compiled kernels; it need not exist."""
    configured = os.environ.get("MORPHOGEN_NATIVE")
    return Path(configured).expanduser() if configured else Path("~/.cache/morphogen/native").expanduser()


def find_compiler() -> tuple[str, ...] | None:
    """The command of the C++ compiler, $CXX if it is set; None: there is none."""
    for command in (os.environ.get("CXX"), "c++", "g++", "clang++"):
        program, *options = shlex.split(command or "") or [""]
        found = shutil.which(program) if program else None
        if found is not None:
            return (found, *options)
    return None


def _compile(source: Path, path: Path, compiler: tuple[str, ...]) -> None:
    part = path.with_suffix(f".{os.getpid()}.part")
    folder = Path(torch.__file__).parent
    options = [word for word in compiler[1:] if word.startswith("-")]  # again, as the last one counts
    command = [
        *compiler, *FLAGS, *options, f"-I{folder / 'include'}", str(source), "-o", str(part),
        f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}",
        f"-L{folder / 'lib'}", "-lc10", "-ltorch_cpu",
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            first = next((line for line in lines if "error" in line), lines[0])
            raise BuildFailed(f"{compiler[0]} failed on {source.name}: {first.strip()}")
        os.replace(part, path)
    except subprocess.TimeoutExpired:
        raise BuildFailed(f"{compiler[0]} took more than {SECONDS:.0f} s on {source.name}") from None
    finally:
        part.unlink(missing_ok=True)


def _key(source: Path, compiler: tuple[str, ...]) -> str:
    program = Path(compiler[0]).resolve()
    status = program.stat()  # `--version` would take longer than to load the library
    versions = [torch.__version__, sys.version, platform.machine(), model_name(), sorted(instructions())]
    identity = [*compiler, program, status.st_size, status.st_mtime_ns, *FLAGS, *versions]
    text = b"".join(path.read_bytes() for path in (source, *sorted(source.parent.glob("*.h"))))
    return hashlib.blake2b(text + repr(identity).encode(), digest_size=8).hexdigest()


@contextmanager
def _announced(source: Path) -> Iterator[None]:
    """Context manager: say on the terminal, if there is one, what takes the time, and how much it took."""
    start, shown = time.monotonic(), sys.stderr.isatty()
    if shown:
        sys.stderr.write(f"compiling {source.name} for this processor, once ... ")
        sys.stderr.flush()
    try:
        yield
    finally:
        if shown:
            sys.stderr.write(f"{time.monotonic() - start:.0f} s\n")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Context manager: hold a lock on a file, which a process that dies releases."""
    import fcntl  # not on Windows, where no compiler is found that takes these flags

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
