"""`morphogen compare`: interrupted by Ctrl-C, resumed, and applied to trained runs."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from PIL import Image

from morphogen.cli import main

TINY = ("--size", "tiny", "--n", "20", "--device", "cpu")


def run(place: Path, *words: str) -> tuple[int, str]:
    """The exit code of `morphogen WORDS` in a directory, and its output."""
    output = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(output):
        patch.chdir(place)
        patch.setattr(sys, "argv", ["morphogen", *words])
        try:
            main()
        except SystemExit as stop:
            return int(stop.code or 0), output.getvalue()
    return 0, output.getvalue()


def report_of(directory: Path) -> dict:
    return json.loads((directory / "report.json").read_text())


def models_of(report: dict) -> list[str]:
    return [row["system"] for row in report["rows"] if row["run"]]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, str]:
    """A comparison interrupted while its second system trained: its directory, exit code and output."""
    place = tmp_path_factory.mktemp("stopped")
    words = ("compare", "digits", "--systems", "mixture,vae", "--time", "4s", *TINY)
    command = [sys.executable, "-c", "from morphogen.cli import main; main()", *words]
    process = subprocess.Popen(
        command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    report, deadline = place / "runs/compare-digits-001/report.json", time.monotonic() + 300
    while not (report.exists() and models_of(json.loads(report.read_text()))) and time.monotonic() < deadline:
        time.sleep(0.1)
    while not list(report.parent.glob("vae-*/metrics.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=300)
    return place, process.returncode, output


def test_ctrl_c_leaves_a_valid_partial_report(stopped):
    place, code, output = stopped
    directory = place / "runs/compare-digits-001"
    report = report_of(directory)
    assert code == 130 and "Traceback" not in output
    assert "runs/compare-digits-001/report.html" in output and "--resume runs/compare-digits-001" in output
    assert (models_of(report), report["finished"], report["systems"]) == (
        ["mixture"],
        False,
        ["mixture", "vae"],
    )
    page = (directory / "report.html").read_text()
    assert "partial: 1 of 2 systems" in page and page.rstrip().endswith("</html>")
    assert Image.open(directory / "samples.png").height > 0
    assert json.loads(next(directory.glob("vae-*/run.json")).read_text())["status"] == "interrupted"


def test_an_interrupted_comparison_is_resumed(stopped):
    place = stopped[0]
    directory = place / "runs/compare-digits-001"
    before = report_of(directory)["rows"]
    code, output = run(place, "compare", "--resume", "runs/compare-digits-001")
    report = report_of(directory)
    assert code == 0, output
    assert (
        report["finished"]
        and models_of(report) == ["mixture", "vae"]
        and report["rows"][: len(before)] == before
    )
    assert "partial: " not in (directory / "report.html").read_text()
    assert len(list(directory.glob("vae-*"))) == 1


def test_the_expected_duration_is_printed_before_training(tmp_path):
    code, output = run(tmp_path, "compare", "digits", "--families", "classical", "--budget", "1s", *TINY)
    assert code == 0, output
    assert (
        output.index(" in total, until") < output.index("mixture: done")
        and "runs/compare-digits-001/report.html" in output
    )
    code, output = run(tmp_path, "compare", "runs/compare-digits-001", "--out", "again", "--n", "20")
    assert code == 0 and "already trained" in output
    assert (
        models_of(report_of(tmp_path / "again")) == ["mixture"]
        and report_of(tmp_path / "again")["budget"] is None
    )


def test_the_exit_code_is_2_if_every_system_fails(tmp_path):
    code, output = run(tmp_path, "train", "mixture", "--data", "digits", "--size", "tiny", "--steps", "1")
    assert code == 0, output
    shutil.rmtree(tmp_path / "runs/mixture-digits-001/model")
    code, output = run(tmp_path, "compare", "runs/mixture-digits-001", "--n", "20")
    assert code == 2 and "mixture: failed: " in output and "runs/mixture-digits-001/model" in output


def test_equal_steps_are_a_budget_and_exclude_a_time(tmp_path):
    code, output = run(tmp_path, "compare", "digits", "--systems", "mixture", "--steps", "2", *TINY)
    assert code == 0 and "mixture: 2 steps of training each, 20 samples; at least" in output, output
    assert "Precision, recall, density and coverage are not given: n = 20 is below 100" in output
    report = report_of(tmp_path / "runs/compare-digits-001")
    assert (report["budget"], report["steps"], report["rows"][-1]["steps"]) == (None, 2, 2)
    code, output = run(tmp_path, "compare", "digits", "--time", "1s", "--steps", "2", *TINY)
    assert code == 2 and "--time and --steps exclude each other" in output


@pytest.mark.parametrize(
    ("words", "data"), [(["a b", "vae", "wgan_gp"], "'a b'"), (["vae", "wgan_gp"], "DATA")]
)
def test_systems_in_place_of_runs_get_the_option_that_takes_them(words, data, tmp_path):
    code, said = run(tmp_path, "compare", *words)
    assert code == 2 and f"morphogen compare {data} --systems vae,wgan_gp" in " ".join(said.split())
