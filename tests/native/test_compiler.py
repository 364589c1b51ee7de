"""A kernel is compiled once, by one process; without a compiler the twins work, and one line says so."""

import os
import re
import subprocess
import sys
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch

from morphogen.native.compiler import BuildFailed, find_compiler, library
from morphogen.native.kernels import available, source
from morphogen.native.operators import KERNELS
from morphogen.native.processor import instructions, model_name
from morphogen.numerics import randomness
from morphogen.numerics.randomness import Rng

needs_compiler = pytest.mark.skipif(find_compiler() is None, reason="needs a C++ compiler")
DRAW = """
import os, warnings, torch
import morphogen, morphogen.model
from morphogen.numerics.randomness import Rng
assert not os.path.exists(os.environ["MORPHOGEN_NATIVE"])  # nothing is built on import
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    drawn = Rng(3, 2).normal(3), Rng(3, 2).uniform(3), Rng(3, 2).bits(3)
print([line for line in (str(warning.message) for warning in caught)])
print(torch.cat([values.double() for values in drawn]).flatten().tolist())
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MORPHOGEN_NATIVE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def drawn(**environment: str) -> list[str]:
    """The warnings and the numbers of a process that draws some."""
    done = subprocess.run(
        [sys.executable, "-c", DRAW], capture_output=True, text=True, env=os.environ | environment, check=True
    )
    assert not done.stderr
    return done.stdout.splitlines()


def twin() -> str:
    """The same numbers, drawn without the kernel."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(randomness, "available", lambda kernel: False)
        drawn = Rng(3, 2).normal(3), Rng(3, 2).uniform(3), Rng(3, 2).bits(3)
    return str(torch.cat([values.double() for values in drawn]).flatten().tolist())


def test_without_a_compiler_the_twin_draws_the_same_numbers_and_one_line_says_so():
    warned, numbers = drawn(PATH="", CXX="")
    assert warned == (
        "['no native kernels, so training and sampling take longer: "
        "no C++ compiler was found (g++, clang++, or $CXX)']"
    )
    assert numbers == twin()


def test_a_failing_build_is_one_line_and_the_twin_draws_the_same_numbers(cache):
    warned, numbers = drawn(CXX="false")
    assert "false failed on philox.cpp: exit code 1" in warned and warned.count("no native kernels") == 1
    assert numbers == twin()
    assert not list(cache.glob("*.part"))


@needs_compiler
def test_several_processes_compile_once(tmp_path, cache, monkeypatch):
    tiny = tmp_path / "tiny.cpp"
    tiny.write_text('extern "C" int answer() { return 42; }')
    counting = tmp_path / "counting"  # a compiler that counts its calls
    counting.write_text(f'#!/bin/sh\necho call >> {tmp_path}/calls\nexec {find_compiler()[0]} "$@"\n')
    counting.chmod(0o755)
    monkeypatch.setenv("CXX", str(counting))
    running = [get_context("fork").Process(target=library, args=(tiny,)) for _ in range(3)]
    for process in running:
        process.start()
    for process in running:
        process.join()
    assert [process.exitcode for process in running] == [0, 0, 0]
    assert (tmp_path / "calls").read_text() == "call\n"
    assert len(list(cache.glob("tiny-*.so"))) == 1


@needs_compiler
@pytest.mark.parametrize("terminal", [False, True])
def test_a_build_says_one_line_on_a_terminal(terminal, tmp_path, monkeypatch, capsys):
    tiny = tmp_path / "tiny.cpp"
    tiny.write_text('extern "C" int answer() { return 42; }')
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal, raising=False)
    library(tiny)
    library(tiny)  # from the cache
    said = capsys.readouterr().err
    line = r"compiling tiny\.cpp for this processor, once \.\.\. \d+ s\n"
    assert re.fullmatch(line if terminal else "", said)


@needs_compiler
def test_other_source_is_another_library_and_an_error_names_its_line(tmp_path):
    tiny = tmp_path / "tiny.cpp"
    tiny.write_text('extern "C" int answer() { return 42; }')
    first = library(tiny)
    assert library(tiny) == first
    tiny.write_text('extern "C" int answer() { return 43; }')
    assert library(tiny) != first
    tiny.write_text("int answer( {")
    with pytest.raises(BuildFailed, match=r"failed on tiny\.cpp: .*tiny\.cpp:1:.* error"):
        library(tiny)


@needs_compiler
def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MORPHOGEN_NATIVE", str(tmp_path / "file" / "cache"))
    with pytest.raises(BuildFailed, match="file"):
        library(source("philox"))


def test_the_command_of_a_compiler_may_have_options(monkeypatch):
    monkeypatch.setenv("CXX", f"{sys.executable} -O1")
    assert find_compiler() == (sys.executable, "-O1")
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setenv("PATH", "")
    assert find_compiler() is None


@needs_compiler
def test_options_of_the_user_replace_ours(tmp_path, monkeypatch):
    plain = tmp_path / "plain.cpp"
    plain.write_text("#ifdef __OPTIMIZE__\n#error optimized\n#endif\n")
    command = find_compiler()
    assert command is not None
    with pytest.raises(BuildFailed, match="optimized"):
        library(plain)
    monkeypatch.setenv("CXX", f"{command[0]} -O0")
    assert library(plain).is_file()


def test_kernels_can_be_switched_off(monkeypatch):
    monkeypatch.setenv("MORPHOGEN_NATIVE", "off")
    assert not available.__wrapped__("philox")  # not from the cache


def test_each_kernel_is_one_short_file():
    for kernel in KERNELS:
        assert len(source(kernel).read_text(encoding="utf8").splitlines()) <= 250
    assert {path.stem for path in source("philox").parent.glob("*.cpp")} == set(KERNELS)


def test_the_processor_has_a_name():
    assert model_name()
    assert all(name == name.strip() for name in instructions())
