"""Runs.

A run knows its data: what they were, and where; it can be trained further, and says so if it diverged.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import morphogen as mg
from morphogen.component import ConfigError, to_config
from morphogen.data import load_data
from morphogen.run import Run
from morphogen.run_data import _difference, read_data
from morphogen.run_directory import file_name
from tests.cases import case
from tests.command_line import run

TINY = ("--size", "tiny", "--steps", "2")
RUN = "runs/vae-pets-001"


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pictures(folder: str, classes: dict[str, int], seed: int = 0, side: int = 8) -> None:
    """Random pictures, this many per class."""
    draw = np.random.default_rng(seed)
    for name, count in classes.items():
        Path(folder, name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            Image.fromarray(draw.integers(0, 256, (side, side), dtype=np.uint8)).save(
                f"{folder}/{name}/{seed}-{i}.png"
            )


def text(path: str, lines: int) -> None:
    Path(path).write_text("".join(f"the cat of {i} sat on mat {i * i % 31}.\n" for i in range(lines)))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pets/ and a run that was trained on them."""
    folder = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        pictures("pets", {"cats": 30, "dogs": 30})
        assert run(patch, "train", "vae", "--data", "pets", *TINY) == 0
    return folder


@pytest.fixture
def pets(template: Path, tmp_path: Path) -> Path:
    """A copy of the pets and of their run, at another place."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    record = Run.open(RUN)
    record.record["settings"]["places"]["data"][0] = str(tmp_path / "pets")
    record.mark("finished")
    return tmp_path


class Terminal:
    """Runs commands and returns what they print."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *words: str, code: int = 0) -> str:
        self.capsys.readouterr()
        found = run(self.monkeypatch, *words)
        printed = self.capsys.readouterr()
        assert found == code, printed.err or printed.out
        return printed.out + printed.err

    def refused(self, *words: str) -> str:
        """The one line of a refusal."""
        (line,) = self(*words, code=2).splitlines()
        return line


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Terminal:
    return Terminal(monkeypatch, capsys)


@case(
    "a class folder renamed after training, `cats` to `zcats`",
    "`evaluate` and `train --resume` refuse: the classes have changed: cats is gone, zcats is new",
    source="ultralytics#13936",
)
def test_a_renamed_class(pets: Path, terminal: Terminal) -> None:
    Path("pets/cats").rename("pets/zcats")
    for words in (["evaluate", RUN], ["train", "--resume", RUN, "--steps", "4"]):
        line = terminal.refused(*words)
        assert "the classes have changed: cats is gone, zcats is new; restore them, or train a new" in line
        assert line.strip().endswith(f"morphogen train vae --data {Path('pets').absolute()}")
    assert not Path(RUN, "evaluation.json").exists()


@case(
    "a third class added after training",
    "refused by the names of the classes, not by an index out of range",
    source="ultralytics#13936",
)
def test_an_added_class(pets: Path, terminal: Terminal) -> None:
    pictures("pets", {"birds": 20}, seed=1)
    assert "changed: birds is new; restore" in terminal.refused("evaluate", RUN)


@case("one of 60 classes renamed after training", "only the difference: c59 is gone, health is new")
def test_one_of_many_classes_is_renamed() -> None:
    then = tuple(f"c{i:02d}" for i in range(60))
    assert _difference(then, (*then[:-1], "health")) == "c59 is gone, health is new"
    assert _difference(then, ()) == f"{', '.join(then[:8])} and 52 others are gone"
    assert _difference(then, then[::-1]) == "they are in another order"


@case("a class deleted after training", "the line names the command that trains further: `train --from RUN`")
def test_the_remedy_for_changed_data_works(pets: Path, terminal: Terminal) -> None:
    shutil.rmtree("pets/cats")
    line = terminal.refused("train", "--resume", RUN, "--steps", "4")
    assert "cats is gone; restore them, or train the model further on them: morphogen train --from" in line
    terminal(*line.partition("morphogen ")[2].split(), "--steps", "1")
    assert Run.latest().record["status"] == "finished" and Run.latest().name != Path(RUN).name


@case("pictures moved from one class folder to another after training", "refused: other examples than before")
def test_moved_pictures(pets: Path, terminal: Terminal) -> None:
    for file in sorted(Path("pets/cats").iterdir())[:3]:
        file.rename(Path("pets/dogs", f"moved-{file.name}"))
    assert "the data have changed since this run was trained" in terminal.refused("evaluate", RUN)


@case("files renamed after training, with the same content", "the same data: evaluated")
def test_renamed_files(pets: Path, terminal: Terminal) -> None:
    for file in list(Path("pets/cats").iterdir()):
        file.rename(file.with_name(f"x{file.name}"))
    assert "bits/dim" in terminal("evaluate", RUN, "--n", "6")


@case(
    "700 lines appended to the text that a run was trained on",
    "`evaluate` refuses with the counts then and now, without a figure",
    source="OpenTau#502",
)
def test_a_text_that_grew(terminal: Terminal) -> None:
    text("t.txt", 300)
    terminal("train", "gpt", "--data", "t.txt", *TINY)
    text("t.txt", 1000)
    line = terminal.refused("evaluate")
    assert "the data have changed since this run was trained: " in line and "train examples then, " in line


@case("a column of a table renamed after training", "refused: other data")
def test_a_renamed_column(terminal: Terminal) -> None:
    rows = "".join(f"{i % 17 * 0.1:.1f},{i * 7 % 5}\n" for i in range(80))
    Path("t.csv").write_text("size,count\n" + rows)
    terminal("train", "table_mixture", "--data", "t.csv", *TINY)
    Path("t.csv").write_text("length,count\n" + rows)
    assert "the data have changed" in terminal.refused("evaluate")


@case("data that `compare` was run on, changed before `compare --resume`", "refused in one line")
def test_a_comparison_whose_data_changed(terminal: Terminal) -> None:
    pictures("pets", {"cats": 30, "dogs": 30})
    options = ("--systems", "vae", "--time", "0.1s", "--size", "tiny", "--n", "6", "--out", "out")
    terminal("compare", "pets", *options)
    Path("pets/cats").rename("pets/zcats")
    line = terminal.refused("compare", "--resume", "out", "--time", "0.2s")
    assert "out: the classes have changed: cats is gone, zcats is new; restore them, or compare again" in line


@case("a run used from another working directory than it was trained in", "finds its data")
def test_another_working_directory(pets: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert "bits/dim" in terminal("evaluate", f"../{RUN}", "--n", "6")


@case("a run moved together with its data", "finds them, by their place relative to the run")
def test_moved_together(pets: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("disk").mkdir()
    for name in ("runs", "pets"):
        shutil.move(name, f"disk/{name}")
    assert "bits/dim" in terminal("evaluate", f"disk/{RUN}", "--n", "6")


@case("a run whose data were deleted", "one line with the places where they were looked for")
def test_deleted_data(pets: Path, terminal: Terminal) -> None:
    shutil.move("runs", "other/deep/runs")
    shutil.rmtree("pets")
    line = terminal.refused("evaluate", f"other/deep/{RUN}")
    assert "data 'pets' is not at" in line and "put it back" in line
    assert str(pets / "pets") in line and str(pets / "other/deep/pets") in line


@case("`train --resume RUN --steps 6` of a finished run of 2 steps", "trains the 4 steps that are missing")
def test_a_finished_run_is_trained_longer(pets: Path, terminal: Terminal) -> None:
    assert "6 steps in" in terminal("train", "--resume", RUN, "--steps", "6")
    assert (Run.open(RUN).record["steps"], Run.open(RUN).status) == (6, "finished")
    line = terminal.refused("train", "--resume", RUN, "--steps", "5")
    assert "has trained for 6 steps" in line and "give more than 6" in line


@case("`train --from RUN --data DATA`, where DATA has one of the classes", "it keeps its name and its label")
def test_fine_tuning(pets: Path, terminal: Terminal) -> None:
    pictures("more", {"dogs": 40}, seed=2)
    words = ("--from", RUN, "--data", "more", "--steps", "2", "--set", "plan.optimizer.lr=1e-5")
    taken = f"from {RUN}: its weights after 2 steps; size tiny, resolution 8"
    assert taken in terminal("train", *words).splitlines()
    tuned = Run.open("runs/vae-more-001")
    assert tuned.conditions["label"].names == ("cats", "dogs")
    data = read_data(tuned.record["settings"], tuned.directory)
    assert data.train.labels.unique().tolist() == [1]
    assert "4 steps" in terminal("train", "--resume", str(tuned.directory), "--steps", "4")
    assert "bits/dim" in terminal("evaluate", str(tuned.directory), "--n", "6")
    terminal("sample", "--condition", "cats", "--n", "2")


@pytest.mark.parametrize(
    ("classes", "side", "line"),
    [
        ({"dogs": 20, "wolves": 20}, 8, "no class 'wolves', it was trained with cats, dogs"),
        ({"": 40}, 8, "has no classes, but the run was trained with cats, dogs"),
    ],
)
@case("`train --from RUN` on data of other classes, or of none", "one line with the classes of the run")
def test_fine_tuning_on_other_classes(
    classes: dict[str, int], side: int, line: str, pets: Path, terminal: Terminal
) -> None:
    pictures("more", classes, seed=2)
    assert line in terminal.refused("train", "--from", RUN, "--data", "more")
    assert not Path("runs/vae-more-001").exists()


@case("`train --from RUN` of a text model with learned tokens, on another text", "its tokens, not new ones")
def test_fine_tuning_keeps_the_tokens(terminal: Terminal) -> None:
    text("t.txt", 300)
    Path("u.txt").write_text("".join(f"a dog of {i} ran {i * 7 % 31} miles.\n" for i in range(300)))
    terminal("train", "gpt", "--data", "t.txt", "--tokenizer", "bpe:280", "--length", "16", *TINY)
    printed = terminal("train", "--from", "runs/gpt-t-001", "--data", "u.txt", "--steps", "2")
    assert "; size tiny, tokenizer bpe:280, length 16\n" in printed
    first, tuned = (Run.open(f"runs/gpt-{name}-001") for name in "tu")
    assert to_config(tuned.model().representation) == to_config(first.model().representation)
    assert "bits/byte" in terminal("evaluate", str(tuned.directory), "--n", "6")


@case("`train --from RUN` of pictures on a text", "one line that names both media")
def test_fine_tuning_on_another_medium(pets: Path, terminal: Terminal) -> None:
    text("t.txt", 300)
    line = terminal.refused("train", "--from", RUN, "--data", "t.txt")
    assert "has no classes" in line or "it models pictures, the data are text" in line


@case(
    "`--set plan.optimizer.lr=1e30`",
    "59 of 60 steps were not finite; the run is marked, exit code 2, and it cannot be sampled",
    source="nanoGPT#227",
)
def test_a_training_that_diverged(terminal: Terminal) -> None:
    text("t.txt", 300)
    gpt = ("train", "gpt", "--data", "t.txt", "--size", "tiny", "--steps", "60")
    terminal(*gpt, "--steps", "2")
    output = terminal(*gpt, "--set", "plan.optimizer.lr=1e30", code=2)
    assert "59 of 60 steps were not finite; lower the learning rate: --set plan.optimizer.lr=" in output
    diverged = Run.open("runs/gpt-t-002")
    assert (diverged.status, diverged.record["skipped"]) == ("diverged", 59)
    for verb in ("sample", "evaluate"):
        assert "its training diverged: 59 of 60" in terminal.refused(verb, str(diverged.directory))
    assert "of gpt-t-001 by" in terminal("sample", "--n", "2")


@case("`sample` while a newer run is still training", "the newest finished run")
def test_a_run_that_is_training_is_not_chosen(pets: Path, terminal: Terminal) -> None:
    newer = Run.create("runs", "vae", "pets", Run.open(RUN).record["settings"])
    assert "4 samples of vae-pets-001" in terminal("sample", "--n", "4")
    line = terminal.refused("sample", str(newer.directory))
    assert "the run is training; wait for its end" in line


@case("`sample` where every run was interrupted", "the newest of them, with a note")
def test_an_interrupted_run_is_chosen_with_a_note(pets: Path, terminal: Terminal) -> None:
    Run.open(RUN).mark("interrupted")
    output = terminal("sample", "--n", "4")
    assert f"note: runs contains no finished run; {RUN} is interrupted" in output
    Run.open(RUN).mark("training")
    assert "runs contains no finished run" in terminal.refused("sample", "--n", "4")


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("t.txt", "t"),
        ("a/sales.2024.csv", "sales.2024"),
        ("photos.2024/", "photos.2024"),
        ("hf:me/cats", "cats"),
        ("Pinguine Ma\u0308rz (Kopie).csv", "Pinguine-März-Kopie"),
    ],
)
@case("data in a file, `t.txt`", "a run without the suffix, runs/gpt-t-001")
def test_run_names(data: str, name: str) -> None:
    assert file_name(data) == name


@case("`sample --n 9`, then `--n 4` into the same folder", "the files of the 4; those of other people stay")
def test_a_samples_folder(pets: Path, terminal: Terminal) -> None:
    terminal("sample", RUN, "--n", "9")
    folder = Path(RUN, "samples")
    for name in ("mine.txt", "0100.png"):
        (folder / name).write_text("of a stranger")
    terminal("sample", RUN, "--n", "4")
    listed = json.loads((folder / "samples.json").read_text())["files"]
    assert listed == ["0000.png", "0001.png", "0002.png", "0003.png", "sheet.png"]
    assert {file.name for file in folder.iterdir()} == {*listed, "samples.json", "mine.txt", "0100.png"}


@case("a samples.json that names files of other folders", "only files of its own folder are removed")
def test_a_samples_file_of_someone_else(pets: Path, terminal: Terminal) -> None:
    folder = Path(RUN, "samples")
    folder.mkdir()
    (folder / "samples.json").write_text(json.dumps({"files": ["../run.json", "/etc/hosts", 3, ".."]}))
    terminal("sample", RUN, "--n", "4")
    assert Run.open(RUN).status == "finished"


@case(
    "8 classes of one picture each, which all fall into the parts for validation and test",
    "named before the training; they cannot be asked for",
    source="healthcareai-py#437",
)
def test_classes_without_a_training_example(terminal: Terminal) -> None:
    pictures("pets", {"cats": 40})
    for i in range(8):
        pictures("pets", {f"rare{i}": 1}, seed=i + 1)
    missing = sorted({f"rare{i}" for i in range(8)} - set(load_data("pets").classes))
    printed = terminal("train", "vae", "--data", "pets", *TINY)
    assert missing and all(name in printed for name in missing)
    assert f"no class '{missing[0]}'" in terminal.refused("sample", "--condition", missing[0])
    terminal("sample", "--condition", "cats", "--n", "2")


@case("a class of a table of which no row falls into the part for training", "named; it cannot be asked for")
def test_a_class_of_a_table_without_a_training_row(terminal: Terminal) -> None:
    rows = [f"{i % 17 * 0.1:.1f},{i * 7 % 5},{'ab'[i % 2]}" for i in range(80)]
    draws = (f"{i * 0.3:.1f},{i % 5},rare{i}" for i in range(20))
    Path("t.csv").write_text("\n".join(["size,count,kind", *rows, *draws]) + "\n")
    data = load_data("t.csv", condition="kind")
    unseen = [f"rare{i}" for i in range(20) if f"rare{i}" not in data.classes]
    printed = terminal("train", "table_mixture", "--data", "t.csv", "--condition", "kind", *TINY)
    assert unseen and all(name in printed for name in unseen)
    assert unseen[0] in terminal.refused("sample", "--condition", unseen[0])


@case("`mg.load` of a run, or of the file `config.json`", "the model of the run; one line with its directory")
def test_loading_what_is_not_the_directory_of_a_model(pets: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        mg.load(f"{RUN}/model/config.json")
    line = f"config.json is a file: give the directory of a saved model, '{RUN}/model'"
    assert str(refused.value).endswith(line)
    assert str(mg.load(RUN)) == str(mg.load(f"{RUN}/model"))


@case(
    "`sample --condition Cats` of a run whose class is `cats`",
    "refused: no class 'Cats'; did you mean 'cats'?",
)
def test_a_class_in_another_case(pets: Path, terminal: Terminal) -> None:
    for word in ("Cats", "CAT", "catz"):
        assert f"no class {word!r}; did you mean 'cats'? the classes are cats" in terminal.refused(
            "sample", RUN, "--condition", word
        )
    assert "no class 'wolf'; the classes are cats, dogs" in terminal.refused(
        "sample", RUN, "--condition", "wolf"
    )


@case(
    "a training that ends before it has seen all examples once",
    "“the model has seen 33% of the training examples”, and the command that trains longer",
)
def test_a_training_of_less_than_one_pass(terminal: Terminal) -> None:
    pictures("pets", {"cats": 240, "dogs": 240})
    *_, short, last = terminal("train", "vae", "--data", "pets", *TINY).splitlines()
    assert all("vae is hardly trained: it took 2 steps" in text for text in (short, terminal("sample")))
    batch, n = Run.latest().model().plan.batch, len(load_data("pets").train)
    assert last == (
        f"the model has seen {2 * batch / n:.0%} of the training examples, each once; if its samples are "
        "poor, train it longer: morphogen train --resume runs/vae-pets-001 --time 5m"
    )
    assert "the model has seen" not in terminal("train", "--resume", RUN, "--steps", str(-(-n // batch)))
