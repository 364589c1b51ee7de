"""One file of samples.

`--out` with the name of a file writes that file, and never a folder.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from morphogen import build_system, load_data, train
from morphogen.media.pictures import read_stamp
from tests.cases import case
from tests.cases.test_case_runs import TINY, pictures, text
from tests.command_line import run

GERMAN = "Preis [€];Menge;Güte\n" + "".join(
    f"{'k.A.' if i % 9 == 8 else f'{i % 7},5'};{i % 4};{['gut', 'mäßig', ''][i % 3]}\n" for i in range(60)
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs of a table, of pictures and of a text."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("preise.csv").write_bytes(GERMAN.encode("cp1252"))
        pictures("pets", {"cats": 30})
        text("book.txt", 400)
        for system, data in (("table_mixture", "preise.csv"), ("vae", "pets"), ("ngram", "book.txt")):
            options = ("--table", "missing=k.A.") if system == "table_mixture" else ()
            assert run(patch, "train", system, "--data", data, *TINY, *options) == 0
    return folder


@pytest.fixture
def sample(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Draws samples of a system's run; the exit code and what was printed."""
    monkeypatch.chdir(tmp_path)

    def draw(system: str, out: str, *options: str, verb: str = "sample") -> tuple[int, str]:
        found = next((trained / "runs").glob(f"{system}-*"))
        code = run(monkeypatch, verb, str(found), *options, "--out", out)
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return draw


@case(
    "`sample --out synth.csv`, `.parquet`, `.jsonl`, `.xlsx`",
    "that file, and its settings in `synth.samples.json`",
)
@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "jsonl", "json", "xlsx"])
def test_a_table(sample, suffix: str) -> None:
    assert sample("table_mixture", f"new/synth.{suffix}", "--n", "20")[0] == 0
    file = Path(f"new/synth.{suffix}")
    assert sorted(path.name for path in Path("new").iterdir()) == sorted(["synth.samples.json", file.name])
    decimal = {"decimal": ",", "encoding": "utf-8-sig", "sep": ";" if suffix == "csv" else "\t"}
    frame = {
        "csv": lambda: pd.read_csv(file, **decimal, na_values="k.A."),
        "tsv": lambda: pd.read_csv(file, **decimal, na_values="k.A."),
        "parquet": lambda: pd.read_parquet(file),
        "jsonl": lambda: pd.read_json(file, lines=True),
        "json": lambda: pd.read_json(file),
        "xlsx": lambda: pd.read_excel(file, engine="openpyxl"),
    }[suffix]()
    assert len(frame) == 20 and [*frame] == ["Preis [€]", "Menge", "Güte"]
    prices = frame["Preis [€]"].dropna()
    assert pd.api.types.is_float_dtype(prices) and prices.between(0.5, 6.5).all()
    record = json.loads(Path("new/synth.samples.json").read_text())
    assert record["files"] == [file.name] and len(record["indices"]) == 20


@case(
    "a table with `;`, decimal commas and Windows-1252, as Excel saves it in German",
    "samples with `;` and decimal commas, which the same Excel opens alike",
)
def test_the_format_of_the_data(sample, tmp_path: Path) -> None:
    assert sample("table_mixture", "folder")[0] == 0
    content = Path("folder/samples.csv").read_bytes()
    assert content.startswith("\ufeffPreis [€];Menge;Güte\n".encode()) and b",5;" in content
    assert b"." not in content.replace(b"k.A.", b"")
    assert {b"gut", "mäßig".encode()} <= {*content.replace(b"\n", b";").split(b";")}


def test_tabs_are_for_tsv(trained: Path, tmp_path: Path) -> None:
    """Samples of a .tsv in a .csv have commas; a decimal comma keeps its quotes."""
    from morphogen.media.table import TABLE
    from morphogen.representations.tabular import CsvFormat

    frame = pd.DataFrame({"a": [1.5], "b": ["x"]})
    for name, line in (("t.csv", 'a,b\n"1,5",x\n'), ("t.tsv", "a\tb\n1,5\tx\n")):
        TABLE.save_frame(tmp_path / name, frame, CsvFormat("\t", ","))
        assert (tmp_path / name).read_text() == line


@case(
    "columns whose numbers differ: `12,50 €`, `9.8`, `17 %`, `1,005,578`, `−3`",
    "samples with each column as in the data, which are read alike",
)
def test_each_column_in_its_own_format(tmp_path: Path) -> None:
    data, r = tmp_path / "t.csv", np.random.default_rng(0)
    rows = zip(*(r.integers(low, 9 * low, 200) for low in (100, 10, 10, 10**6, 1)), strict=True)
    written = [f'"{a // 100},{a % 100:02} €";{b / 10:.1f};{c} %;"{d:,}";\u2212{e}' for a, b, c, d, e in rows]
    data.write_text("\n".join(["a;b;c;d;e", *written]).replace(";", ",") + "\n")
    dataset = load_data(str(data))
    model = build_system("table_mixture", dataset.train)
    train(model, dataset.train, steps=2)
    samples = model.sample(50, seed=0)
    samples.save(tmp_path)
    patterns = [r"\d,\d\d €", r"\d\.\d", r"\d+ %", r"\d(,\d{3}){2}", r"\u2212\d"]
    texts = pd.read_csv(tmp_path / "samples.csv", dtype=str)
    for name, pattern in zip("abcde", patterns, strict=True):
        assert texts[name].str.fullmatch(pattern).all(), name
    again = model.representation.source.read(texts)
    assert torch.equal(again, samples.tensor)


@case("`sample --out sheet.png` of several samples, or of one picture", "their sheet; the picture")
def test_pictures(sample) -> None:
    for n, size in ((1, True), (4, False)):
        assert sample("vae", "x.png", "--n", str(n))[0] == 0
        assert (Image.open("x.png").size == (8, 8)) is size and read_stamp("x.png")["system"] == "vae"
    assert sample("ngram", "words.png", "--n", "3")[0] == 0 and Image.open("words.png").size[0] > 8
    names = sorted(path.name for path in Path().iterdir())
    assert names == ["words.png", "words.samples.json", "x.png", "x.samples.json"]


@case("`sample --out story.txt` of one text, `.jsonl` of several", 'the text; a line `{"text": ...}` each')
def test_texts(sample) -> None:
    assert sample("ngram", "story.txt", "--n", "1")[0] == 0 and Path("story.txt").read_text()
    assert sample("ngram", "all.jsonl", "--n", "3")[0] == 0
    lines = [json.loads(line) for line in Path("all.jsonl").read_text().splitlines()]
    assert len(lines) == 3 and lines[0] == {"text": Path("story.txt").read_text()}


@case("`--out` that is a file of another medium, of one sample for many, or a file of one's own", "one line")
def test_refusals(sample) -> None:
    Path("mine.csv").write_text("a,b\n")
    for system, out, message in (
        ("vae", "x.csv", "pictures are written as .png; or give a folder"),
        (
            "ngram",
            "x.txt",
            "is a file of one sample, not of 16; add --n 1, or give .jsonl or",
        ),
        ("table_mixture", "mine.csv", "--out mine.csv: the file exists, and is not of morphogen"),
    ):
        code, printed = sample(system, out)
        assert code == 2 and message in printed and len(printed.splitlines()) == 1
    assert Path("mine.csv").read_text() == "a,b\n" and len([*Path().iterdir()]) == 1
    code, printed = sample("vae", "report.html", verb="compare")
    assert code == 2 and "--out report.html: compare writes several files; give a folder" in printed
    assert sample("vae", "samples.v2", "--n", "2")[0] == 0 and Path("samples.v2/0001.png").exists()


@case(
    "`edit TABLE.csv --out filled.csv`", "the table with its empty cells filled in, in the format of the data"
)
def test_completion(sample, trained: Path) -> None:
    for _ in range(2):
        assert sample("table_mixture", "filled.csv", str(trained / "preise.csv"), verb="edit")[0] == 0
    filled = pd.read_csv("filled.csv", sep=";", decimal=",", encoding="utf-8-sig", na_values="k.A.")
    given = pd.read_csv(trained / "preise.csv", sep=";", decimal=",", encoding="cp1252", na_values="k.A.")
    assert np.array_equal(filled["Menge"], given["Menge"]) and given["Güte"].isna().any()
    assert filled.notna().all(axis=None) and set(filled["Güte"]) <= {"gut", "mäßig"}
    cells = [
        path.read_text(encoding).replace("\n", ";").split(";")
        for path, encoding in ((trained / "preise.csv", "cp1252"), (Path("filled.csv"), "utf-8-sig"))
    ]
    changed = [pair for pair in zip(*cells, strict=True) if len(set(pair)) > 1]
    assert {before for before, _ in changed} == {"", "k.A."}, "every given cell is as it was, to the letter"
    printed = sample("table_mixture", "filled.csv", str(trained / "preise.csv"), verb="edit")[1]
    assert f"{len(changed)} empty cells filled in: Preis [€] (6), Güte (20); by" in printed
    code, printed = sample(
        "table_mixture", str(trained / "preise.csv"), str(trained / "preise.csv"), verb="edit"
    )
    assert code == 2 and "the file exists" in printed


@case("`sample` into a folder with a 0000.png or sheet.png of one's own", "refused before sampling")
@pytest.mark.parametrize("name", ["0000.png", "sheet.png", "samples.json"])
def test_pictures_of_ones_own(sample, name: str) -> None:
    Path("photos").mkdir()
    Path("photos", name).write_text("mine")
    code, printed = sample("vae", "photos", "--n", "2")
    line = f"photos/{name}: the file exists, and is not of morphogen; choose another folder"
    assert code == 2 and line in printed
    assert [file.name for file in Path("photos").iterdir()] == [name]


def one_line(answer: tuple[int, str], message: str) -> bool:
    code, printed = answer
    return code == 2 and message in printed and len(printed.splitlines()) == 1


@case(
    "`edit TABLE.csv --out .` where the table is, or onto a table that is read", "one line: it stays as it is"
)
def test_a_table_is_not_written_onto_itself(sample, trained: Path) -> None:
    given = (trained / "preise.csv").read_bytes()
    Path("t.csv").write_bytes(given)
    for out in (".", "t.csv", str(Path().resolve())):
        assert one_line(
            sample("table_mixture", out, "t.csv", verb="edit"), "t.csv: the file exists, and is not"
        )
    assert sample("table_mixture", "own.csv", "t.csv", verb="edit")[0] == 0
    filled = Path("own.csv").read_bytes()
    Path("link.csv").symlink_to("own.csv")
    for name in ("own.csv", "link.csv"):
        answer = sample("table_mixture", "own.csv", name, verb="edit")
        assert one_line(answer, "--out own.csv: the file exists, and is an input; choose another name")
    assert Path("t.csv").read_bytes() == given and Path("own.csv").read_bytes() == filled


@case(
    "`edit a/data.csv b/data.csv --out filled`",
    "one line, before anything is written: both would be filled/data.csv",
)
def test_two_tables_of_one_name(sample, trained: Path) -> None:
    for folder, name in (("a", "data.csv"), ("b", "data.csv"), ("c", "other.csv")):
        Path(folder).mkdir()
        Path(folder, name).write_bytes((trained / "preise.csv").read_bytes())
    answer = sample("table_mixture", "filled", "c/other.csv", "a/data.csv", "b/data.csv", verb="edit")
    assert one_line(answer, "b/data.csv: would be written to filled/data.csv, as a/data.csv would; fill them")
    assert not Path("filled").exists()
    for _ in range(2):
        assert sample("table_mixture", "filled", "c/other.csv", "a/data.csv", verb="edit")[0] == 0
    names = ["data.csv", "data.samples.json", "other.csv", "other.samples.json"]
    assert sorted(path.name for path in Path("filled").iterdir()) == names


@case(
    "a `report.xlsx` of one's own beside the `report.csv` of samples, or a `report.samples.json`",
    "one line for `--out report.xlsx`: only files that morphogen wrote are replaced",
)
def test_an_own_file_beside_samples_of_its_stem(sample) -> None:
    for name in ("report.csv", "report.tsv", "report.csv"):
        assert sample("table_mixture", name, "--n", "3")[0] == 0
    Path("report.xlsx").write_bytes(b"mine")
    assert one_line(
        sample("table_mixture", "report.xlsx"), "--out report.xlsx: the file exists, and is not of"
    )
    Path("mine.samples.json").write_text('{"a": 1}')
    answer = sample("table_mixture", "mine.csv")
    assert one_line(answer, "--out mine.samples.json: the file exists, and is not of morphogen")
    assert Path("report.xlsx").read_bytes() == b"mine" and not Path("mine.csv").exists()
    assert Path("mine.samples.json").read_text() == '{"a": 1}'


@case(
    "`latent --out FOLDER` and `compare --out FOLDER` where a file of one's own has a name of theirs",
    "one line; the file of one's own stays, and earlier output is replaced",
)
@pytest.mark.parametrize(("verb", "own"), [("latent", "map.png"), ("compare", "report.html")])
def test_own_files_in_a_folder(sample, verb: str, own: str) -> None:
    options = ("--n", "6") if verb == "compare" else ()
    Path("mine").mkdir()
    Path("mine", own).write_bytes(b"mine")
    answer = sample("vae", "mine", *options, verb=verb)
    assert answer[0] == 2 and f"mine/{own}: the file exists, and is not of morphogen; choose" in answer[1]
    assert [path.name for path in Path("mine").iterdir()] == [own]
    assert Path("mine", own).read_bytes() == b"mine"
    for _ in range(2):
        assert sample("vae", "new", *options, verb=verb)[0] == 0
    message = f"--out lat.png: {verb} writes several files; give a folder, without a suffix"
    assert one_line(sample("vae", "lat.png", *options, verb=verb), message) and not Path("lat.png").exists()
