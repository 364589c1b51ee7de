"""morphogen compare as a person uses it: stopped by Ctrl-C, gone on with, given more time, pointed at runs."""

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
    """The exit code of `morphogen WORDS` in that directory, and what it said."""
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(said), redirect_stderr(said):
        patch.chdir(place)
        patch.setattr(sys, "argv", ["morphogen", *words])
        try:
            main()
        except SystemExit as stop:
            return int(stop.code or 0), said.getvalue()
    return 0, said.getvalue()


def report_of(directory: Path) -> dict:
    return json.loads((directory / "report.json").read_text())


def models_of(report: dict) -> list[str]:
    return [row["system"] for row in report["rows"] if row["run"]]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, str]:
    """A comparison that got Ctrl-C while its second system trained; its exit code and what it said."""
    place = tmp_path_factory.mktemp("stopped")
    words = ("compare", "digits", "--systems", "mixture,vae", "--time", "8s", *TINY)
    command = [sys.executable, "-c", "from morphogen.cli import main; main()", *words]
    process = subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    report, deadline = place / "runs/compare-digits-001/report.json", time.monotonic() + 300
    while not (report.exists() and models_of(json.loads(report.read_text()))) and time.monotonic() < deadline:
        time.sleep(0.1)
    while not list(report.parent.glob("vae-*/metrics.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=300)
    return place, process.returncode, said


def test_ctrl_c_leaves_a_valid_partial_report(stopped):
    place, code, said = stopped
    directory = place / "runs/compare-digits-001"
    report = report_of(directory)
    assert code == 130 and "Traceback" not in said
    assert "runs/compare-digits-001/report.html" in said and "--resume runs/compare-digits-001" in said
    assert (models_of(report), report["finished"], report["systems"]) == (["mixture"], False, ["mixture", "vae"])
    page = (directory / "report.html").read_text()
    assert "partial: 1 of 2 systems" in page and page.rstrip().endswith("</html>")
    assert Image.open(directory / "samples.png").height > 0
    assert json.loads(next(directory.glob("vae-*/run.json")).read_text())["status"] == "interrupted"


def test_a_stopped_comparison_goes_on_to_its_end(stopped):
    place = stopped[0]
    directory = place / "runs/compare-digits-001"
    before = report_of(directory)["rows"]
    code, said = run(place, "compare", "--resume", "runs/compare-digits-001")
    report = report_of(directory)
    assert code == 0, said
    assert report["finished"] and models_of(report) == ["mixture", "vae"] and report["rows"][: len(before)] == before
    assert "partial: " not in (directory / "report.html").read_text()
    assert len(list(directory.glob("vae-*"))) == 1


def test_the_duration_and_the_end_are_told_before_the_start(tmp_path):
    code, said = run(tmp_path, "compare", "digits", "--families", "classical", "--budget", "1s", *TINY)
    assert code == 0, said
    assert said.index(" in all, until") < said.index("mixture: done") and "runs/compare-digits-001/report.html" in said
    code, said = run(tmp_path, "compare", "runs/compare-digits-001", "--out", "again", "--n", "20")
    assert code == 0 and "trained already" in said
    assert models_of(report_of(tmp_path / "again")) == ["mixture"] and report_of(tmp_path / "again")["budget"] is None


def test_where_every_system_fails_the_exit_code_says_so(tmp_path):
    code, said = run(tmp_path, "train", "mixture", "--data", "digits", "--size", "tiny", "--steps", "1")
    assert code == 0, said
    shutil.rmtree(tmp_path / "runs/mixture-digits-001/model")
    code, said = run(tmp_path, "compare", "runs/mixture-digits-001", "--n", "20")
    assert code == 2 and "mixture: failed: " in said and "runs/mixture-digits-001/model" in said
