"""Tables of labels beside pictures.

A table whose header names files says the class or the caption of each; it is never read as transcripts.
"""

import json
from pathlib import Path

import pytest

from morphogen.conditioning.caption import caption_texts
from morphogen.data import DataError, Dataset, load_data
from tests.cases import case, own_notes
from tests.cases.test_case_folders import fill


def labelled(folder: Path, name: str, header: str, row: str) -> Dataset:
    """Twelve pictures beside a table with a row for each of them."""
    fill(folder)
    kinds = ("cat", "dog")
    rows = [row.format(i=i, name=f"{i:02d}.png", kind=kinds[i % 2]) for i in range(12)]
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join([header, *rows, ""]))
    return load_data(str(folder))


@case("`metadata.csv` with `file_name`, `label`", "the labels are the classes")
def test_metadata_csv(tmp_path: Path) -> None:
    rows = [
        f"images/{file.name},{'odd' if int(file.stem) % 2 else 'even'}"
        for file in fill(tmp_path / "images").iterdir()
    ]
    (tmp_path / "metadata.csv").write_text("\n".join(["file_name,label", *rows]))
    data = load_data(str(tmp_path))
    assert data.classes == ("even", "odd") and "the classes are those of the table of labels" in data.notes


@case(
    "a table whose header names files: `filename,label`, `ID;Class` of Excel in German, `image<tab>category`",
    "the labels are the classes, by path or name, with a suffix or without, in any case",
)
@pytest.mark.parametrize(
    ("name", "header", "row"),
    [
        ("metadata.csv", "filename,label", "{name},{kind}"),
        ("metadata.csv", "File_Name,Label", "{name},{kind}"),
        ("metadata.csv", "file_name;label", "{name};{kind}"),
        ("labels.csv", '"ID";"Class"', '"{i:02d}";"{kind}"'),
        ("labels.csv", "sep=;\nImage ID;Category", "{i:02d};{kind}"),
        ("labels.tsv", "image\tcategory", "{name}\t{kind}"),
        ("meta/list.csv", "id,file,class", "{i},{name},{kind}"),
    ],
)
def test_tables_of_labels(tmp_path: Path, name: str, header: str, row: str) -> None:
    data = labelled(tmp_path / "a", name, header, row)
    assert data.classes == ("cat", "dog") and not data.train.captions
    assert own_notes(data)[1:] == ("the classes are those of the table of labels",)


@case(
    "a table of labels with columns of other names: `id,breed,weight`",
    "no captions, and a note that lists these columns and says what to call the classes, if none are read",
)
@pytest.mark.parametrize(("name", "column"), [("labels.csv", "id"), ("metadata.csv", "file_name")])
def test_columns_that_are_not_known(tmp_path: Path, name: str, column: str) -> None:
    data = labelled(tmp_path / "a", name, f"{column},breed,weight", "{name},{kind},{i}.5")
    note = "left out breed, weight; a column of classes must be called label, one of captions caption"
    assert data.classes == () and not data.train.captions and f"{name}: {note}" in data.notes
    data = labelled(tmp_path / "b", name, f"{column},label,weight", "{name},{kind},{i}.5")
    assert data.classes == ("cat", "dog") and f"{name}: left out weight" in data.notes
    data = labelled(tmp_path / "c", name, f"{column};Category;Description", "{name};{kind};a {kind}")
    assert data.classes == ("cat", "dog") and f"{name}: left out Description" in data.notes
    data = labelled(tmp_path / "d", name, f"{column},text,breed", "{name},a {kind},{kind}")
    assert f"{name}: left out breed; a column of classes must be called label" in data.notes


@case(
    "`labels.csv` without a header, or with one that names no files",
    "not read as captions; a note says with which header it is read",
)
def test_a_table_of_labels_without_a_header(tmp_path: Path) -> None:
    data = labelled(tmp_path / "a", "labels.csv", "99.png,cat,2", "{name},{kind},{i}")
    fault = "since it has several columns and no header; begin it with their names, such as file_name,label"
    assert not data.train.captions and f"labels.csv: not read, {fault}" in data.notes
    data = labelled(tmp_path / "b", "labels.csv", "picture_of,breed", "{name},{kind}")
    fault = "since its header has no column of files; call picture_of file_name"
    assert not data.train.captions and f"labels.csv: not read, {fault}" in data.notes


@case('captions in quotes: `0.png,"a cat, black"`, with a header or without', "captions without the quotes")
@pytest.mark.parametrize("header", ["image,caption", "file_name,Text", '99.png,"gone"', "99.png,gone"])
def test_quoted_captions(tmp_path: Path, header: str) -> None:
    data = labelled(tmp_path / "a", "captions.csv", header, '{name},"a {kind}, black {i}"')
    said = {caption for part in (data.train, data.valid, data.test) for caption in part.captions}
    assert said == {f"a {('cat', 'dog')[i % 2]}, black {i}" for i in range(12)}
    data = labelled(tmp_path / "b", "captions.csv", "99.png,gone", "{name},a {kind}, black {i}")
    assert "a cat, black 0" in {
        caption for part in (data.train, data.valid, data.test) for caption in part.captions
    }


@case("a row of `metadata.csv` with a comma too many, a picture that is not in it", "one line with its place")
def test_faults_of_a_table_of_labels(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 2 has more cells than the header; put quotes around a cell"):
        labelled(tmp_path / "a", "metadata.csv", "file_name,text", "{name},a {kind}, black")
    fill(tmp_path / "b", 13)
    with pytest.raises(
        DataError, match=r"1 picture without a label in its table, such as 12.png; add each to"
    ):
        labelled(tmp_path / "b", "labels.csv", "file_name,label", "{name},{kind}")


BOXES = [f"{i:02d}.png,{box},{kind}" for i in range(12) for box, kind in enumerate(("cat", "dog"))]


@case(
    "several rows of one picture with other labels, as a table of boxes has them",
    "one line with the picture, both labels and what to do; rows that agree are one",
)
def test_several_labels_of_a_picture(tmp_path: Path) -> None:
    fill(tmp_path)
    table = tmp_path / "boxes.csv"
    table.write_text("\n".join(["filename,box,class", *BOXES]))
    remedy = "keep one row of each file, or rename the column 'class' to leave it out"
    with pytest.raises(DataError, match=r"00.png has the labels 'cat' and 'dog', and 11 other files several"):
        load_data(str(tmp_path))
    with pytest.raises(DataError, match=remedy):
        load_data(str(tmp_path))
    table.write_text("\n".join(["filename,box,kind", *BOXES]))
    assert load_data(str(tmp_path)).classes == ()
    table.write_text("\n".join(["filename,box,class", *BOXES[::2]]))
    assert load_data(str(tmp_path)).classes == ("cat",)
    table.write_text(
        "\n".join(["filename,class", *[f"{i:02d}.png,{'ab'[i % 2]}" for i in (*range(12),) * 3]])
    )
    assert load_data(str(tmp_path)).classes == ("a", "b")
    (tmp_path / "predicted.csv").write_text("filename,label\n03.png,a\n")
    with pytest.raises(DataError, match=r"predicted.csv: 03.png has the labels 'a' and 'b'; keep one row of"):
        load_data(str(tmp_path))


@case(
    "several captions of each picture: Flickr8k's `image,caption`, lines `1.jpg#0<tab>...`, a list in JSON",
    "rows of training with each of them",
)
@pytest.mark.parametrize(
    ("name", "head", "line"),
    [
        ("captions.csv", "image,caption\n", "{i:02d}.png,number {k} of a cat {i}\n"),
        ("captions.txt", "image,caption\n", "{i:02d}.png,number {k} of a cat {i}\n"),
        ("tokens.txt", "", "{i:02d}.png#{k}\tnumber {k} of a cat {i}\n"),
    ],
)
def test_several_captions_of_a_picture(tmp_path: Path, name: str, head: str, line: str) -> None:
    fill(tmp_path)
    lines = [line.format(i=i, k=k) for i in range(12) for k in range(5)]
    (tmp_path / name).write_text("".join([head, *lines]))
    data = load_data(str(tmp_path))
    assert "captions for 12 of 12 pictures" in data.notes
    assert data.train.variants == 5 and len(data.train) == 5 * len(data.train.pictures)
    said = caption_texts(data.train.first().condition["caption"])
    assert set(said) == {f"number {k} of {one[12:]}" for k in range(5) for one in data.train.captions}
    found = sorted(caption for part in (data.train, data.valid, data.test) for caption in part.captions)
    assert found == sorted(f"number 0 of a cat {i}" for i in range(12))


def test_lists_of_captions_in_json_and_boxes_in_a_text(tmp_path: Path) -> None:
    fill(tmp_path)
    rows = [{"file_name": f"{i:02d}.png", "text": [f"a cat {i}", f"one cat of {i}"]} for i in range(12)]
    (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = load_data(str(tmp_path))
    assert data.train.variants == 2 and all(len(texts) == 2 for texts in data.train.texts)
    (tmp_path / "metadata.jsonl").unlink()
    (tmp_path / "boxes.txt").write_text(
        "".join(f"{i:02d}.png {k} 3 4 9\n" for i in range(12) for k in (1, 2))
    )
    assert not load_data(str(tmp_path)).train.captions
