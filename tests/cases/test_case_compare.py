"""Comparing and advising.

A comparison tries each system on the data before it spends time; one that does not take them is a row.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from morphogen import advise as advice
from morphogen.advise import advise
from morphogen.advise.trial import try_system
from morphogen.catalogue import pages
from morphogen.compare import Comparison, announcement
from morphogen.compare.scorer import Scorer
from morphogen.data import DataError, load_data
from tests.cases import case
from tests.command_line import run


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def short_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials of a few systems, of two steps each."""
    kept = ("vae", "ddpm", "sketch_to_picture", "gpt", "transformer", "ngram")
    few = {name: page for name, page in pages().items() if name in kept}
    monkeypatch.setattr(advice, "pages", lambda: few)
    monkeypatch.setattr(advice, "try_system", lambda *given: try_system(*given[:3], 1e-6))


def pictures(side: int, count: int = 60, folder: str = "odd") -> str:
    draw = np.random.default_rng(0)
    Path(folder).mkdir()
    for i in range(count):
        Image.fromarray(draw.integers(0, 256, (side, side), dtype=np.uint8)).save(f"{folder}/{i}.png")
    return folder


def comparison(data: str, systems: list[str], **options: object) -> Comparison:
    return Comparison(load_data(data), 0.1, Path("out"), systems, "tiny", n=6, **options)


@case(
    "60 pictures of 27 x 27 pixels, and a flow of two scales",
    "a row that says why, with a side that can be typed; the other systems are trained",
    source="denoising-diffusion-pytorch#232",
)
def test_pictures_that_a_flow_cannot_halve() -> None:
    compared = comparison(pictures(27), ["realnvp", "vae"])
    assert "vae: at most about 0.1 s of training each" in "\n".join(announcement(compared))
    flow, vae = compared.run()
    assert flow["error"] == (
        "MultiScale: 27 x 27 pixels are not a multiple of 2: use resolution=28, or fewer scales"
    )
    assert (flow["family"], flow["run"], vae["error"]) == ("flow", None, None)
    report = json.loads(Path("out/report.json").read_text())
    assert report["finished"] and [row["system"] for row in report["rows"][-2:]] == ["realnvp", "vae"]


@case(
    "`compare odd --families vae` of pictures of 27 x 27 pixels",
    "the systems of that family, whatever the others take",
    source="denoising-diffusion-pytorch#232",
)
def test_a_family_beside_one_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("--families", "vae", "--time", "0.1s", "--size", "tiny", "--n", "6", "--out", "out")
    assert run(monkeypatch, "compare", pictures(27), *words) == 0
    assert json.loads(Path("out/report.json").read_text())["systems"] == ["vae"]


@case(
    "`compare` of a folder, on a slow machine",
    "what was read before any model is built, and the least that it takes before anything is measured",
)
def test_what_is_slow_is_announced(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    printed: list[str] = []

    def noting(where: type, name: str) -> None:
        before = getattr(where, name)

        def slow(*given: object, **options: object) -> object:
            printed.append(capsys.readouterr().out)
            return before(*given, **options)

        monkeypatch.setattr(where, name, slow)

    noting(Comparison, "__init__")
    noting(Comparison, "plan")
    noting(Scorer, "real")
    Path(pictures(8), "notes.dat").write_text("x")
    words = ("--systems", "vae", "--steps", "2", "--size", "tiny", "--n", "6", "--out", "out")
    assert run(monkeypatch, "compare", "odd", *words) == 0
    assert "odd: " in printed[0] and "ignored 1 file of another kind (.dat)" in printed[0]
    assert "timing the sampling of vae" in printed[1]
    before_measuring = "".join(printed[2:])
    assert "vae: 2 steps of training each, 6 samples; at least 0 s after the training" in before_measuring
    assert "measuring the held-out data" in before_measuring


@case("`compare` with a system of another medium among others", "a row that says so")
def test_a_system_of_another_medium() -> None:
    other, vae = comparison(pictures(8), ["gpt", "vae"]).run()
    assert other["error"].startswith("gpt models text, but the data are pictures")
    assert vae["error"] is None


@case("`compare` with systems none of which takes the data", "one line, and no directory")
def test_no_system_takes_the_data(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    words = ("--systems", "gpt,llama", "--time", "1s", "--out", "out")
    assert run(monkeypatch, "compare", pictures(8), *words) == 2
    assert capsys.readouterr().err.startswith("morphogen: gpt models text, but the data are pictures")
    assert not Path("out").exists()


@case("`compare` with a system whose losses cannot be computed", "a row, before any training")
def test_a_system_that_fails_on_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    from morphogen.families.vae.objective import VAE

    def losses(*_: object) -> None:
        raise KeyError("edge maps")

    monkeypatch.setattr(VAE, "losses", losses)
    failed, fine = comparison(pictures(8), ["vae", "mixture"]).run()
    assert (failed["error"], failed["steps"], fine["error"]) == ("'edge maps'", None, None)


@case("a system that diverges in a comparison", "a row that says so")
def test_a_system_that_diverges(monkeypatch: pytest.MonkeyPatch) -> None:
    from morphogen.training.step import Stepper, StepResult

    def step(self: Stepper, *_: object) -> StepResult:
        return StepResult("model", None, False, 1.0, False)

    monkeypatch.setattr(Stepper, "step", step)
    (row,) = comparison(pictures(8), ["vae"]).run()
    assert "its training diverged: " in row["error"] and "not finite" in row["error"]


@case("`advise` in a pipe", "lists wrapped at 80 columns, nothing cut; the command to copy is one line")
def test_advice_in_a_pipe(
    short_trials: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert run(monkeypatch, "advise", pictures(8)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 for line in lines if "morphogen train" not in line)
    assert not any("…" in line for line in lines)
    text = " ".join(" ".join(lines).split())
    assert "few (under 300): held-out figures will be uncertain; more data help more than time" in text
    assert any(line.strip().startswith("ddpm ") and "passes" in line for line in lines)


@case("`advise` where a trial never ends", "the data are described before the first system is timed")
def test_the_data_are_described_first(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(advice, "try_system", interrupted)
    assert run(monkeypatch, "advise", pictures(8)) != 0
    printed = capsys.readouterr().out
    assert "43 training, 7 validation and 10 test examples" in printed and "none: samples are" in printed


@case("`advise --condition sketch`", "the systems that take sketches, and a program that trains one")
def test_advice_on_sketches(short_trials: None) -> None:
    advised = advise(pictures(16), condition="sketch")
    assert [trial.name for trial in advised.trials] == ["sketch_to_picture"]
    assert advised.conditions == ("sketches",) and 'condition="sketch"' in advised.recipe
    assert "condition = data.test.first(4).condition" in advised.recipe
    compile(advised.recipe, "recipe.py", "exec")


@case("`advise` of a data set that a page of another package fails on", "it is listed with its reason")
def test_advice_with_a_page_that_fails(short_trials: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def try_or_fail(page: object, *given: object) -> object:
        if page.name == "ddpm":
            raise IndexError("tuple index out of range")
        return try_system(page, *given[:2], 1e-6)

    monkeypatch.setattr(advice, "try_system", try_or_fail)
    advised = advise(pictures(8))
    assert advised.misfits["ddpm"] == "tuple index out of range"
    assert [trial.name for trial in advised.trials] == ["vae"]


@case("`--resolution 256` on a CPU", "refused with `--force`, which goes on and prints the estimated time")
def test_what_is_too_slow_can_be_forced(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    words = ("train", "mixture", "--data", pictures(12), "--size", "tiny", "--steps", "1")
    slow = (*words, "--resolution", "132", "--device", "cpu")
    assert run(monkeypatch, *slow) == 2
    assert "add --force" in capsys.readouterr().err
    assert run(monkeypatch, *slow, "--force") == 0
    assert "s per step here: about" in capsys.readouterr().out


@case(
    "`compare` of 50 rows, of which 5 are held out",
    "one line with both numbers and how many rows suffice; or what a test split of one's own needs",
)
def test_too_few_examples_are_held_out(tmp_path: Path) -> None:
    rows = [f"{i * i % 97},{'xyz'[i % 3]},{i * 7 % 13}\n" for i in range(104)]
    Path("t.csv").write_text("size,kind,count\n" + "".join(rows[:50]))
    remedy = "a test split of your own with at least 6 examples"
    with pytest.raises(DataError) as failed:
        Scorer(load_data("t.csv"))
    assert str(failed.value) == (
        "t.csv: 50 examples, 5 of them held out, are too few to evaluate a model, which takes 6 held-out "
        f"ones; give at least 104 examples that differ from each other, or {remedy}"
    )
    Path("t.csv").write_text("size,kind,count\n" + "".join(rows))
    assert Scorer(load_data("t.csv")).n >= 6
    Path("own").mkdir()
    for part, some in (("train", rows[:99]), ("test", rows[99:])):
        Path("own", f"{part}.csv").write_text("size,kind,count\n" + "".join(some))
    with pytest.raises(DataError, match=rf"own: 104 examples, 5 of them .* ones; give {remedy}$"):
        Scorer(load_data("own"))
