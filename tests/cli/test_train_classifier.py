"""`train-classifier` and `--classifier-guidance`, `train --teacher`, `--condition sketch` and `--sketch`."""

import re

import pytest
from PIL import Image
from typer.testing import CliRunner

from morphogen.caller import on_the_command_line
from morphogen.cli import app
from morphogen.conditioning.guidance import Guided
from morphogen.families.diffusion import DDIM, ClassifierGuided
from morphogen.guidance_classifier import load_classifier
from morphogen.run import Run


def call(*words):
    with on_the_command_line():
        result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    call("train", "v_diffusion", "--data", "digits", "--size", "tiny", "--steps", 3, "--runs", root)
    return Run.latest(root)


@pytest.fixture(scope="module")
def sketcher(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    words = ["train", "sketch_to_picture", "--data", "digits", "--condition", "sketch", "--size", "tiny"]
    call(*words, "--steps", 3, "--runs", root)
    return Run.latest(root)


def test_samples_are_ranked_by_clip_alone(teacher):
    given = ["sample", teacher.directory, "--n", 1]
    refused([*given, "--best-of", 4], "--best-of 4 needs --ranker RUN, of the system clip")
    refused([*given, "--best-of", 0], "--best-of 0: give the number of samples to choose from, 2 or more")
    ranked = [*given, "--ranker", teacher.directory]
    refused(ranked, "is of no use without --best-of 16")
    refused([*ranked, "--best-of", 2], "Diffusion does not compare pictures with texts")


def test_a_trained_classifier_guides_samples(teacher, tmp_path):
    refused(
        ["sample", teacher.directory, "--classifier-guidance", 2, "--condition", 3],
        "classifier/model does not exist: train it with morphogen train-classifier",
    )
    call("train-classifier", teacher.directory, "--steps", 40)
    refused(["sample", teacher.directory, "--classifier-guidance", 2], "requires a class: add --condition")
    options = ["--n", 2, "--steps", 2, "--condition", 3]
    scales = {"classifier": 30.0, "null": 300.0}  # of models that are hardly trained
    for kinds in ((), ("classifier",), ("null",), ("classifier", "null")):
        given = ["--classifier-guidance", scales["classifier"]] if "classifier" in kinds else []
        given += ["--guidance", scales["null"]] if "null" in kinds else []
        out = tmp_path / "-".join(["by", *kinds])
        call("sample", teacher.directory, *options, *given, "--out", out)
        assert pixels_of(out) == expected_pixels(teacher, kinds, scales), kinds
    written = [pixels_of(folder) for folder in tmp_path.glob("by*")]
    assert len(written) == 4 and all(written.count(one) == 1 for one in written)
    refused(["train-classifier", teacher.directory, "--steps", 0], "--steps 0: must be positive")
    refused(["train-classifier", tmp_path], "is not a run")


def pixels_of(folder):
    return [Image.open(path).tobytes() for path in sorted(folder.glob("000*.png"))]


def expected_pixels(teacher, kinds, scales):
    """The pictures of `Model.sample` with the kinds of guidance, classifier guidance inside."""
    model = teacher.model()
    sampler = DDIM(2)
    if "classifier" in kinds:
        sampler = ClassifierGuided(sampler, load_classifier(teacher), scales["classifier"])
    if "null" in kinds:
        sampler = Guided(sampler, scales["null"])
    pictures = model.sample(2, 3, sampler).to_displayable()
    return [picture.tobytes() for picture in pictures]


@pytest.mark.parametrize("student", ["progressive_distillation", "consistency_model"])
def test_a_student_is_distilled_from_a_run(student, teacher, tmp_path):
    words = ["train", student, "--data", "digits", "--size", "tiny", "--steps", 4]
    call(*words, "--teacher", teacher.directory, "--runs", tmp_path)
    run = Run.latest(tmp_path)
    assert run.record["settings"]["teacher"] == str(teacher.directory) and "teacher" not in run.model().models
    call("sample", run.directory, "--n", 2, "--condition", 3, "--out", tmp_path / "drawn")
    assert len(list((tmp_path / "drawn").glob("000*.png"))) == 2


def test_unsuitable_teachers_are_refused(teacher, sketcher, tmp_path):
    words = ["train", "--data", "digits", "--runs", tmp_path, "--steps", 1, "--teacher"]
    refused([*words, teacher.directory, "ddpm", "--size", "tiny"], "ddpm does not use a teacher")
    refused([*words, tmp_path / "none", "consistency_model", "--size", "tiny"], "is not a run")
    refused(
        [*words, teacher.directory, "consistency_model", "--set", "plan.batch=8"],
        "--set would rebuild the teacher",
    )
    refused(
        [*words, sketcher.directory, "consistency_model", "--size", "tiny"],
        "the teacher's images have shape \\[1, 8, 8\\] and 0 classes",
    )
    colours = tmp_path / "colours"
    for part in ("a", "b"):
        (colours / part).mkdir(parents=True)
        for i in range(20):
            Image.new("RGB", (16, 16), (10 * i, 99, 255 * (part == "a"))).save(colours / part / f"{i}.png")
    words = ["train", "consistency_model", "--data", colours, "--teacher", teacher.directory]
    words += ["--steps", 1, "--runs", tmp_path]
    refused(words, "shape \\[1, 8, 8\\] and 10 classes, the data's have \\[3, 16, 16\\] and 2")


def test_pictures_are_translated_without_pairs(tmp_path):
    for kind in ("photos", "drawings"):
        (tmp_path / kind).mkdir()
        for i in range(20):
            Image.linear_gradient("L").rotate(9 * i).resize((8, 8)).save(tmp_path / kind / f"{i}.png")
    words = ["train", "cyclegan", "--data", tmp_path / "photos", "--size", "tiny", "--steps", 2]
    refused(words, "needs pictures to translate .'source'.; the data have no conditions; add --source DATA")
    call(*words, "--source", tmp_path / "drawings", "--runs", tmp_path / "runs")
    run, drawing = Run.latest(tmp_path / "runs"), tmp_path / "drawings" / "3.png"
    call("train", "--resume", run.directory, "--steps", 4)
    call("sample", run.directory, "--n", 2, "--source", drawing, "--out", tmp_path / "drawn")
    assert len(list((tmp_path / "drawn").glob("000*.png"))) == 2
    refused(["sample", run.directory, "--sketch", drawing], "does not accept sketches; omit it, or use a run")
    refused(["sample", run.directory, "--n", 2], "none is given: give one for each sample")
    refused(["sample", run.directory, "--condition", "cat"], "give its file, --source FILE")


def test_only_one_system_accepts_sketches(teacher, sketcher, tmp_path):
    sketch = tmp_path / "sketch.png"
    Image.linear_gradient("L").resize((8, 8)).save(sketch)
    call(
        "sample", sketcher.directory, "--n", 2, "--steps", 2, "--sketch", sketch, "--out", tmp_path / "drawn"
    )
    assert len(list((tmp_path / "drawn").glob("000*.png"))) == 2
    Image.new("RGB", (8, 8), "red").save(tmp_path / "red.png")
    refused(["sample", sketcher.directory, "--sketch", tmp_path / "red.png"], "convert it to grey")
    refused(["sample", teacher.directory, "--sketch", sketch], "does not accept sketches")
    refused(["sample", sketcher.directory, "--condition", "3"], "give a picture of edges, --sketch FILE")
    refused(
        ["train", "ddpm", "--data", "digits", "--condition", "sketch", "--steps", 1, "--runs", tmp_path],
        "does not take the sketches of the data; choose one that fits: controlnet, pix2pix, sketch_to",
    )
    refused(
        ["train", "sketch_to_picture", "--data", "digits", "--steps", 1, "--runs", tmp_path],
        "add --condition sketch",
    )
    (tmp_path / "text.txt").write_text("".join(f"{i} times {i} is {i * i}, " for i in range(600)))
    refused(
        ["train", "gpt", "--data", tmp_path / "text.txt", "--condition", "sketch", "--runs", tmp_path],
        "has no pictures",
    )


def refused(words, why):
    with on_the_command_line():
        result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code != 0
    message = f"{result.output}{result.exception}"
    assert re.search(why, message), message
