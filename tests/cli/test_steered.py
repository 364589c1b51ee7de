"""`steer` and `--classifier-guidance`, `train --teacher`, `--condition sketch` and `--sketch`: what works, what is refused in a line."""

import re

import pytest
from PIL import Image
from typer.testing import CliRunner

from morphogen.cli import app
from morphogen.run import Run


def call(*words, code=0):
    found = CliRunner().invoke(app, [str(word) for word in words])
    if code == 0 and found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    call("train", "v_diffusion", "--data", "digits", "--size", "tiny", "--steps", 3, "--runs", root)
    return Run.latest(root)


@pytest.fixture(scope="module")
def sketcher(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    call("train", "sketch_to_picture", "--data", "digits", "--condition", "sketch", "--size", "tiny", "--steps", 3, "--runs", root)
    return Run.latest(root)


def test_a_classifier_beside_a_run_guides_its_samples(teacher, tmp_path):
    refused(
        ["sample", teacher.directory, "--classifier-guidance", 2, "--condition", 3],
        "classifier/model is not there; train it: morphogen steer",
    )
    call("steer", teacher.directory, "--steps", 2)
    refused(["sample", teacher.directory, "--classifier-guidance", 2], "towards which class\\? add --condition")
    call("sample", teacher.directory, "--n", 2, "--steps", 2, "--classifier-guidance", 2, "--condition", 3, "--out", tmp_path)
    assert len(list(tmp_path.glob("000*.png"))) == 2
    refused(["steer", teacher.directory, "--steps", 0], "--steps 0: must be positive")
    refused(["steer", tmp_path], "is not a run")


@pytest.mark.parametrize("student", ["progressive_distillation", "consistency_model"])
def test_a_student_is_taught_by_a_run(student, teacher, tmp_path):
    call("train", student, "--data", "digits", "--size", "tiny", "--steps", 4, "--teacher", teacher.directory, "--runs", tmp_path)
    run = Run.latest(tmp_path)
    assert run.record["settings"]["teacher"] == str(teacher.directory) and "teacher" not in run.model().models
    call("sample", run.directory, "--n", 2, "--condition", 3, "--out", tmp_path / "drawn")
    assert len(list((tmp_path / "drawn").glob("000*.png"))) == 2


def test_teachers_that_do_not_fit_are_refused(teacher, sketcher, tmp_path):
    begun = ["train", "--data", "digits", "--runs", tmp_path, "--steps", 1, "--teacher"]
    refused([*begun, teacher.directory, "ddpm", "--size", "tiny"], "ddpm learns from data alone")
    refused([*begun, tmp_path / "none", "consistency_model", "--size", "tiny"], "is not a run")
    refused([*begun, teacher.directory, "consistency_model", "--set", "plan.batch=8"], "--set would build the teacher anew")
    refused([*begun, sketcher.directory, "consistency_model", "--size", "tiny"], "the teacher knows pictures of \\[1, 8, 8\\] in 0 classes")
    colours = tmp_path / "colours"
    for part in ("a", "b"):
        (colours / part).mkdir(parents=True)
        for i in range(20):
            Image.new("RGB", (16, 16), (10 * i, 99, 255 * (part == "a"))).save(colours / part / f"{i}.png")
    words = ["train", "consistency_model", "--data", colours, "--teacher", teacher.directory, "--steps", 1, "--runs", tmp_path]
    refused(words, "the teacher knows pictures of \\[1, 8, 8\\] in 10 classes, the data are \\[3, 16, 16\\] in 2")


def test_sketches_are_a_condition_of_one_system(teacher, sketcher, tmp_path):
    sketch = tmp_path / "sketch.png"
    Image.linear_gradient("L").resize((8, 8)).save(sketch)
    call("sample", sketcher.directory, "--n", 2, "--steps", 2, "--sketch", sketch, "--out", tmp_path / "drawn")
    assert len(list((tmp_path / "drawn").glob("000*.png"))) == 2
    Image.new("L", (9, 8)).save(tmp_path / "wide.png")
    refused(["sample", sketcher.directory, "--sketch", tmp_path / "wide.png"], "9 x 8 pixels; make it 8 x 8")
    refused(["sample", teacher.directory, "--sketch", sketch], "hears no sketches")
    refused(["sample", sketcher.directory, "--condition", "3"], "was trained without classes")
    refused(["train", "ddpm", "--data", "digits", "--condition", "sketch", "--steps", 1, "--runs", tmp_path], "hears no sketches")
    refused(["train", "sketch_to_picture", "--data", "digits", "--steps", 1, "--runs", tmp_path], "give --condition sketch")
    (tmp_path / "text.txt").write_text("".join(f"{i} times {i} is {i * i}, " for i in range(600)))
    refused(["train", "gpt", "--data", tmp_path / "text.txt", "--condition", "sketch", "--runs", tmp_path], "holds no pictures")


def refused(words, why):
    """In one line."""
    found = CliRunner().invoke(app, [str(word) for word in words])
    assert found.exit_code != 0
    line = f"{found.output}{found.exception}"
    assert re.search(why, line), line
