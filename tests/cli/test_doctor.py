"""`morphogen doctor` names the machine, the state of each kernel and the limits it measured."""

import pytest

from command_line import run
from morphogen.native import limits
from morphogen.native.operators import KERNELS


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MEGABYTES", 1)
    monkeypatch.setattr(limits, "SIDE", 32)


def rows(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    lines = capsys.readouterr().out.splitlines()
    return {line[:21].strip(): line[21:] for line in lines}


def test_the_doctor_names_machine_kernels_and_limits(monkeypatch, capsys):
    monkeypatch.setenv("MORPHOGEN_NATIVE", "off")
    assert run(monkeypatch, "doctor") == 0
    found = rows(capsys)
    assert list(found) == ["machine", "instructions", "compiler", "kernels", *KERNELS, "memory", "arithmetic"]
    assert {found[kernel] for kernel in KERNELS} == {"off (MORPHOGEN_NATIVE)"}
    assert float(found["memory"].split(" GB/s")[0]) > 0
    assert float(found["arithmetic"].split(" GFLOPS fp32")[0]) >= 0


def test_the_doctor_says_why_a_kernel_is_not_built(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("MORPHOGEN_NATIVE", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    assert run(monkeypatch, "doctor") == 0
    found = rows(capsys)
    assert found["compiler"].startswith("none")
    assert {found[kernel] for kernel in KERNELS} == {
        "not built: no C++ compiler was found (g++, clang++, or $CXX)"
    }
