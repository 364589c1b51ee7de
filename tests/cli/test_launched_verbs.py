"""Commands under `accelerate launch`: two processes make one run, print once and stop together."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from launching import ENVIRONMENT, LAUNCH, alone, launched
from morphogen.cli import main

STEPS = "200"
TRAIN = ["train", "ddpm", "--data", "digits", "--size", "tiny", "--steps", STEPS, "--device", "cpu"]
MEASURED = ("bits_per_dim", "low", "high", "value", "frechet")
SOME = ["sample", "--device", "cpu", "--sampler", "ddim", "--steps", "5", "--n"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("launched")


@pytest.fixture(scope="module")
def stopped(place: Path) -> str:
    """The output of a training by two processes that Ctrl-C at the launcher interrupted."""
    launcher = subprocess.Popen(
        [*LAUNCH, "-m", "morphogen", *TRAIN],
        cwd=place,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    metrics, deadline = place / "runs/ddpm-digits-001/metrics.jsonl", time.monotonic() + 120
    while (
        not (metrics.exists() and metrics.read_text())
        and launcher.poll() is None
        and time.monotonic() < deadline
    ):
        time.sleep(0.02)
    launcher.send_signal(signal.SIGINT)
    return launcher.communicate(timeout=60)[0]


@pytest.fixture(scope="module")
def resumed(place: Path, stopped: str) -> str:
    """The output of two processes that resume the training, sample and evaluate."""
    verbs = (
        ["train", "--resume", "runs/ddpm-digits-001", "--device", "cpu"],
        [*SOME, "7", "--out", "two"],
        [*SOME, "1", "--out", "one of two"],
    )
    output = launched(
        place,
        "-m",
        "cli.run_commands",
        *map(json.dumps, (*verbs, ["evaluate", "--device", "cpu", "--n", "31"])),
    )
    (place / "runs/ddpm-digits-001/evaluation.json").rename(place / "two.json")
    verbs = [*SOME, "7", "--out", "one"], ["evaluate", "--device", "cpu", "--n", "31"]
    alone(place, "-m", "cli.run_commands", *map(json.dumps, verbs))
    return output


def test_two_processes_make_one_run_and_stop_together(stopped: str, place: Path) -> None:
    assert [run.name for run in (place / "runs").iterdir()] == ["ddpm-digits-001"]
    assert (
        stopped.count("Diffusion(")
        == stopped.count("continue: morphogen train --resume runs/ddpm-digits-001")
        == 1
    )
    assert json.loads((place / "runs/ddpm-digits-001/run.json").read_text())["status"] == "interrupted"
    (checkpoint,) = (place / "runs/ddpm-digits-001/checkpoints").iterdir()
    assert 50 <= int(checkpoint.name) < int(STEPS)
    assert "SIGKILL" not in stopped


@pytest.mark.slow
def test_two_processes_resume_and_finish(resumed: str, place: Path) -> None:
    assert (
        resumed.count(f"{STEPS} steps in")
        == resumed.count("7 samples of ddpm-digits-001")
        == resumed.count(" samples\n")
        == 1
    )
    record = json.loads((place / "runs/ddpm-digits-001/run.json").read_text())
    assert (record["status"], record["steps"]) == ("finished", int(STEPS))
    assert len((place / "runs/ddpm-digits-001/metrics.jsonl").read_text().splitlines()) == int(STEPS) / 50


@pytest.mark.slow
def test_two_processes_draw_the_samples_of_one(resumed: str, place: Path) -> None:
    one, two = (
        {path.name: path.read_bytes() for path in (place / name).iterdir()} for name in ("one", "two")
    )
    assert one == two
    assert sorted(one) == [*(f"{i:04d}.png" for i in range(7)), "samples.json", "sheet.png"]
    assert len({one[f"{i:04d}.png"] for i in range(7)}) == 7
    single = {
        path.name for path in (place / "one of two").iterdir()
    }  # the second process has no sample to draw
    assert single == {"0000.png", "samples.json", "sheet.png"}
    first, of_seven = (Image.open(place / name / "0000.png") for name in ("one of two", "one"))
    assert first.tobytes() == of_seven.tobytes()


@pytest.mark.slow
def test_two_processes_evaluate_like_one(resumed: str, place: Path) -> None:
    one, two = (
        json.loads((place / name).read_text())
        for name in ("runs/ddpm-digits-001/evaluation.json", "two.json")
    )
    assert one["rows"][-1]["likelihood"]["n"] == 31
    for row in (*one["rows"], *two["rows"]):
        row["samples_per_second"] = None  # depends on the machine
    assert_close(one, two)


@pytest.mark.parametrize("index", ["0", "1"])
def test_other_commands_refuse_several_processes_with_one_message(
    index: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    for name, value in {"RANK": index, "WORLD_SIZE": "2", "LOCAL_RANK": index}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["morphogen", "compare", "digits"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert capsys.readouterr().err.count("compare runs in one process") == (index == "0")


def assert_close(one: Any, two: Any) -> None:
    """Equal, numbers to 1e-6."""
    if isinstance(one, dict):
        assert one.keys() == two.keys()
        for name in one:
            assert_close(one[name], two[name])
    elif isinstance(one, list):
        for left, right in zip(one, two, strict=True):
            assert_close(left, right)
    else:
        assert one == (pytest.approx(two, abs=1e-6) if isinstance(one, float) else two)
