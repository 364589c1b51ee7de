"""The commands on the smallest runs; an error that the user can fix ends in one line and exit code 2."""

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from PIL import Image
from typer.main import get_command

from command_line import run
from morphogen.cli import app
from morphogen.cli.errors import ELSEWHERE
from morphogen.media.pictures import read_stamp


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_morphogen_without_a_command_prints_three(monkeypatch, capsys):
    assert run(monkeypatch) == 0
    lines = [
        line.split("    ")[0].split()[1:]
        for line in capsys.readouterr().out.splitlines()
        if line.strip().startswith("morphogen")
    ]
    assert [line[0] for line in lines] == ["compare", "train", "sample"]


def test_the_version_is_that_of_the_package(monkeypatch, capsys):
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"morphogen {metadata.version('morphogen')}\n"


def test_help_lists_all_commands(monkeypatch, capsys):
    assert run(monkeypatch, "--help") == 0
    out = capsys.readouterr().out
    lines = out[out.index("Commands") :].splitlines()[1:]
    assert [line.split()[0] for line in lines if line.strip()] == COMMANDS


def test_help_needs_no_torch_and_no_pandas():
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


HELP = """
import sys
from morphogen.cli import broken_rules, main  # which `sample` imports too
sys.argv = ["morphogen", "--help"]
try:
    main()
except SystemExit:
    assert not {"torch", "pandas", "pyarrow"} & {*sys.modules}
"""


def test_systems_lists_the_catalogue(monkeypatch, capsys):
    from morphogen.catalogue import pages

    assert run(monkeypatch, "systems") == 0
    listed = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert listed == set(pages())


def test_tensorboard_needs_its_extra(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    assert run(monkeypatch, "train", "vae", "--data", "digits", "--steps", "1", "--tensorboard") == 2
    line = capsys.readouterr().err
    assert "pip install 'morphogen[tensorboard]'" in line and len(line.splitlines()) == 1
    assert not list(Path().iterdir()), "a run was created"


def test_train_then_sample_a_class_with_guidance(monkeypatch):
    options = ["--size", "tiny", "--steps", "3", "--set", "network.channels=16"]
    assert run(monkeypatch, "train", "ddpm", "--data", "digits", *options) == 0
    record = json.loads(Path("runs/ddpm-digits-001/run.json").read_text())
    config = json.loads(Path("runs/ddpm-digits-001/model/config.json").read_text())["config"]
    assert record["status"] == "finished" and config["objective"]["network"]["channels"] == 16
    options = ["--condition", "7", "--sampler", "ddim", "--steps", "4", "--guidance", "3"]
    assert run(monkeypatch, "sample", "--n", "3", *options) == 0
    folder = Path("runs/ddpm-digits-001/samples")
    assert Image.open(folder / "0002.png").size == (8, 8)
    made = json.loads((folder / "samples.json").read_text())
    assert made["condition"] == {"label": [7, 7, 7]} and "Guided" in made["sampler"]


def test_train_on_text_then_sample_from_a_prompt(monkeypatch, capsys):
    Path("book.txt").write_text(
        " ".join(f"the cat sat on mat {i * i} and a dog ran {i} miles." for i in range(400))
    )
    options = ["--size", "tiny", "--steps", "3", "--length", "32"]
    assert run(monkeypatch, "train", "gpt", "--data", "book.txt", *options) == 0
    assert run(monkeypatch, "sample", "--n", "2", "--prompt", "the cat") == 0
    assert capsys.readouterr().out.count("the cat") >= 2


def test_resume_continues_a_run(monkeypatch, capsys):
    assert run(monkeypatch, "train", "vae", "--data", "digits", "--size", "tiny", "--steps", "3") == 0
    file = Path("runs/vae-digits-001/run.json")
    record = json.loads(file.read_text())
    record["settings"]["steps"] = 5
    file.write_text(json.dumps(record))
    assert run(monkeypatch, "train", "--resume", "runs/vae-digits-001") == 0
    assert json.loads(file.read_text())["steps"] == 5 and "5 steps" in capsys.readouterr().out
    assert [p.name for p in Path("runs").iterdir()] == ["vae-digits-001"]


def test_skipped_files_are_printed(monkeypatch, capsys):
    Path("pictures").mkdir()
    for i in range(30):
        Image.new("RGB", (8, 8), (i * 8, 255 - i * 8, 0)).save(f"pictures/{i}.png")
    Path("pictures/broken.png").write_bytes(b"no picture")
    assert run(monkeypatch, "train", "vae", "--data", "pictures", "--size", "tiny", "--steps", "1") == 0
    assert "broken.png" in capsys.readouterr().out


COMMANDS = [
    *("compare", "train", "sample", "edit", "restore", "vary", "train-classifier", "evaluate"),
    *("latent", "anomalies", "advise", "reproduce", "systems", "data", "doctor", "chat"),
]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["steer", "runs/x"], "steer is now train-classifier: morphogen train-classifier RUN"),
        (["edit", "a.png", "--was", "3"], "--was is now --source-class"),
        (["train", "gpt", "--data", "a.txt", "--tokens", "bpe:300"], "--tokens is now --tokenizer"),
        (["compare", "a.txt", "--tokens=bpe:300"], "--tokens is now --tokenizer"),
    ],
)
def test_a_former_name_is_refused_with_the_new_one(words, line, monkeypatch, capsys):
    assert run(monkeypatch, *words) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"morphogen: {line}") and error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["fit"], "there is no fit; write morphogen train SYSTEM --data DATA; see: morphogen --help"),
        (["train", "--system", "vae"], "there is no --system; write morphogen train SYSTEM --data DATA"),
        (["train", "vae", "--epochs", "3"], "there is no --epochs; write --steps 1000 or --time 5m"),
        (
            ["sample", "--num_samples=4"],
            "there is no --num_samples; write --n 4; see: morphogen sample --help",
        ),
        (["sample", "--num-inference-steps", "9"], "there is no --num-inference-steps; write --steps; see"),
        (["train", "vae", "--out", "mine"], "there is no --out; write --runs FOLDER; see"),
        (["trainn"], "No such command 'trainn'. Did you mean 'train'?"),
    ],
)
def test_a_name_of_another_tool_is_refused_with_ours(words, line, monkeypatch, capsys):
    assert run(monkeypatch, *words) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"morphogen: {line}") and error.count("\n") == 1


def test_what_is_suggested_for_names_of_other_tools_exists():
    commands = get_command(app).commands  # type: ignore[attr-defined]
    ours = {option for command in commands.values() for each in command.params for option in each.opts}
    names = [name for names in ELSEWHERE.values() for name in names]
    assert len(names) == len(set(names)) and not commands.keys() & set(names)
    for here in ELSEWHERE:
        assert set(re.findall(r"--[a-z-]+", here)) <= ours
        assert set(re.findall(r"morphogen ([a-z-]+)", here)) <= commands.keys()


def test_the_number_of_samples_has_a_short_option():
    commands = get_command(app).commands  # type: ignore[attr-defined]
    numbers = [each.opts for command in commands.values() for each in command.params if "--n" in each.opts]
    assert len(numbers) == 7 and all(names == ["--n", "-n"] for names in numbers)


def test_a_run_of_an_older_version_is_refused(monkeypatch, capsys):
    assert run(monkeypatch, "train", "vae", "--data", "digits", "--size", "tiny", "--steps", "1") == 0
    file = Path("runs/vae-digits-001/run.json")
    record = json.loads(file.read_text())
    record["settings"]["tokens"] = record["settings"].pop("tokenizer")
    file.write_text(json.dumps(record))
    for command in ("sample", "evaluate"):
        capsys.readouterr()
        assert run(monkeypatch, command, str(file.parent)) == 2
        error = capsys.readouterr().err
        assert error == f"morphogen: {file} was saved by an older version; train it again\n"


def test_a_sample_depends_on_its_index_only_and_records_its_settings(monkeypatch, capsys):
    assert run(monkeypatch, "train", "ddpm", "--data", "digits", "--size", "tiny", "--steps", "2") == 0
    words = ["sample", "--condition", "index:7", "--sampler", "ddim", "--steps", "3"]
    assert run(monkeypatch, *words, "--n", "5", "--out", "all") == 0
    assert run(monkeypatch, *words, "--indices", "3", "--out", "one") == 0
    assert [p.name for p in sorted(Path("one").iterdir())] == ["0003.png", "samples.json", "sheet.png"]
    assert (
        Path("one/0003.png").read_bytes()
        == Path("all/0003.png").read_bytes()
        != Path("all/0002.png").read_bytes()
    )
    made = read_stamp("one/0003.png")
    assert {
        "run": "ddpm-digits-001",
        "system": "ddpm",
        "seed": 0,
        "index": 3,
        "condition": {"label": 7},
    }.items() <= made.items()
    assert "DDIM" in made["sampler"] and "torch" in made["versions"]
    assert read_stamp("one/sheet.png")["indices"] == [3]
    assert run(monkeypatch, *words, "--indices", "0-1, 9", "--out", "three") == 0
    assert len(list(Path("three").glob("0*.png"))) == 3


def test_open_shows_the_sheet_or_prints_its_path(monkeypatch, capsys):
    assert run(monkeypatch, "train", "vae", "--data", "digits", "--size", "tiny", "--steps", "1") == 0
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("PATH", "")
    assert run(monkeypatch, "sample", "--n", "1", "--open") == 2
    assert "sheet.png" in capsys.readouterr().err and Path("runs/vae-digits-001/samples/sheet.png").exists()
    for script, code in (("echo $1 > seen", 0), ("echo no display >&2; exit 3", 2)):
        Path("xdg-open").write_text(f"#!/bin/sh\n{script}\n")
        Path("xdg-open").chmod(0o755)
        monkeypatch.setenv("PATH", ".")
        assert run(monkeypatch, "sample", "--n", "1", "--open") == code
    assert Path("seen").read_text().strip().endswith("sheet.png") and "no display" in capsys.readouterr().err


def test_evaluate_writes_a_table_and_a_report(monkeypatch, capsys):
    assert run(monkeypatch, "train", "mixture", "--data", "digits", "--size", "tiny", "--steps", "1") == 0
    assert run(monkeypatch, "evaluate", "--n", "20") == 0
    out = capsys.readouterr().out
    assert "mixture-digits-001: drawing 20 samples, to measure them beside held-out data\n" in out
    assert (
        "real data" in out and "mixture" in out and Path("runs/mixture-digits-001/evaluation.json").exists()
    )


@pytest.fixture
def gpt(working_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The samples folder of a run of gpt."""
    Path("book.txt").write_text(
        " ".join(f"the cat sat on mat {i * i} and a dog ran {i} miles." for i in range(200))
    )
    assert run(monkeypatch, "train", "gpt", "--data", "book.txt", "--size", "tiny", "--steps", "2") == 0
    return Path("runs/gpt-book-001/samples")


def test_logits_processors_are_applied_and_recorded(gpt, monkeypatch):
    processors = {
        "TopK": ["--top-k", "40"],
        "TopP": ["--top-p", "0.9"],
        "MinP": ["--min-p", "0.01"],
        "RepetitionPenalty": ["--repetition-penalty", "1.1"],
        "NoRepeatNgram": ["--no-repeat-ngram", "4"],
        "MaxNewTokens": ["--max-new", "9"],
        "StopStrings": ["--stop", "zz", "--stop", "qq"],
        "Temperature": ["--temperature", "0.8"],
    }
    options = [word for words in processors.values() for word in words]
    assert run(monkeypatch, *PROMPTED, *options) == 0
    sampler = json.loads((gpt / "samples.json").read_text())["sampler"]
    assert all(name in sampler for name in processors)
    assert len((gpt / "0000.txt").read_bytes()) >= 9  # each byte that is not UTF-8 takes three


def test_beam_search_and_constraints(gpt, monkeypatch):
    assert run(monkeypatch, *PROMPTED, "--beam", "3", "--regex", "(on|at) [0-9]{2}") == 0
    assert re.fullmatch("the cat (on|at) [0-9]{2}", (gpt / "0000.txt").read_text())
    schema = {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"]}
    Path("schema.json").write_text(json.dumps(schema | {"additionalProperties": False}))
    assert run(monkeypatch, "sample", "--n", "3", "--json-schema", "schema.json", "--sampler", "greedy") == 0
    assert json.loads((gpt / "0002.txt").read_text())["n"] in (1, 2)


def test_invalid_decoding_options_end_in_one_line(gpt, monkeypatch, capsys):
    Path("broken.json").write_text("{")
    Path("bytes.json").write_bytes(b"\xff\xfe")
    for options, part in BAD_DECODING:
        assert run(monkeypatch, *PROMPTED, *options) == 2, options
        error = capsys.readouterr().err.strip()
        assert part in error and len(error.splitlines()) == 1 and "Traceback" not in error, error


PROMPTED = ["sample", "--n", "2", "--prompt", "the cat "]
BAD_DECODING = [
    (["--top-p", "1.5"], "top_p=1.5"),
    (["--top-p", "nan"], "--top-p nan"),
    (["--top-k", "-1"], "top_k=-1"),
    (["--min-p", "2"], "min_p=2"),
    (["--repetition-penalty", "0"], "repetition_penalty=0"),
    (["--no-repeat-ngram", "-1"], "ngram_size=-1"),
    (["--temperature", "-1"], "--temperature -1"),
    (["--temperature", "0", "--top-k", "3"], "temperature 0"),
    (["--beam", "0"], "--beam 0"),
    (["--beam", "3", "--top-p", "0.9"], "Beam does not sample"),
    (["--beam", "3", "--sampler", "greedy"], "Greedy does not accept beam"),
    (["--sampler", "greedy", "--temperature", "0.5"], "Greedy does not sample"),
    (["--max-new", "0"], "max_new_tokens=0"),
    (["--stop", ""], "stop_strings"),
    (["--steps", "3"], "does not accept steps"),
    (["--regex", "[a"], "unclosed"),
    (["--json-schema", "nowhere.json"], "nowhere.json"),
    (["--json-schema", "broken.json"], "not valid JSON"),
    (["--json-schema", "bytes.json"], "bytes.json"),
    (["--sampler", "promptlookup"], "did you mean"),
    (["--prompt", "x" * 65], "fill the model's window of 64"),
]

MISTAKES = {
    "no sample": (["sample", "--n", "0"], "--n"),
    "no index": (["sample", "--indices", "3-1"], "--indices"),
    "n and indices": (["sample", "--indices", "3", "--n", "2"], "--n"),
    "nothing to compare": (["compare"], "compare"),
    "n too large": (["compare", "digits", "--n", "99999"], "99999"),
    "unknown family": (["compare", "digits", "--families", "gans"], "gan"),
    "no run to compare": (["compare", "runs/x", "runs/y"], "runs/x"),
    "no comparison": (["compare", "--resume", "runs/x"], "runs/x"),
    "resume and data": (["compare", "digits", "--resume", "runs/x"], "--resume"),
    "large pictures on a CPU": (
        ["compare", "digits", "--resolution", "512", "--device", "cpu"],
        "--resolution 64",
    ),
    "nothing to evaluate": (["evaluate", "runs/x"], "runs/x"),
    "missing data": (["train", "ddpm", "--data", "nowhere"], "nowhere"),
    "unknown system": (["train", "dppm", "--data", "digits"], "ddpm"),
    "zero steps": (["train", "ddpm", "--data", "digits", "--steps", "0"], "--steps"),
    "no duration": (["train", "ddpm", "--data", "digits", "--time", "soon"], "soon"),
    "both budgets": (["train", "ddpm", "--data", "digits", "--time", "1s", "--steps", "2"], "--steps"),
    "unknown number": (
        ["train", "ddpm", "--data", "digits", "--size", "tiny", "--set", "network.depth=3"],
        "network.depth",
    ),
    "unknown size": (["train", "ddpm", "--data", "digits", "--size", "huge"], "huge"),
    "no device": (["train", "ddpm", "--data", "digits", "--device", "toaster"], "toaster"),
    "pictures to gpt": (["train", "gpt", "--data", "digits"], "gpt"),
    "no run": (["sample"], "runs"),
    "no such run": (["sample", "runs/x"], "runs/x"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_ends_in_one_line_and_exit_code_2(mistake, monkeypatch, capsys):
    words, part = MISTAKES[mistake]
    assert run(monkeypatch, *words) == 2
    error = capsys.readouterr().err.strip()
    assert part in error and "Traceback" not in error and len(error.splitlines()) == 1
    assert not list(Path().glob("runs/*/model")), "no finished model may be left"
