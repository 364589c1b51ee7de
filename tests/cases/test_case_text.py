"""Text and pairs of texts.

A text file, a folder of them, JSON lines, and tables of two texts.
"""

import codecs
import json
import random
import time
from pathlib import Path

import pytest

from morphogen.caller import on_the_command_line
from morphogen.catalogue import build_system
from morphogen.data import DataError, Dataset, Pairs, load_data
from tests.cases import case
from tests.command_line import run

WORDS = "the cat sat on a mat while seven dogs ran over green hills and saw red birds near old walls"


def phrase(seed: int, n: int = 8) -> str:
    return " ".join(random.Random(seed).choices(WORDS.split(), k=n))


def lines(n: int = 200) -> str:
    return "".join(f"{phrase(i)}.\n" for i in range(n))


def load(path: Path, content: bytes | str, **options) -> Dataset:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_data(str(path), **options)


def bytes_of(data: Dataset) -> set[int]:
    return {int(i) for part in (data.train, data.valid, data.test) for i in part.text.unique() if i >= 0}


def refused(path: Path, content: bytes | str, **options) -> str:
    with pytest.raises(DataError) as error:
        load(path, content, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@case(
    "UTF-16 with a byte order mark",
    "the text, with a note that names the encoding",
    "DesktopCommanderMCP#610",
)
def test_utf_16(tmp_path):
    data = load(tmp_path / "a.txt", codecs.BOM_UTF16_LE + lines().encode("utf_16_le"))
    assert data.notes[0] == "decoded as UTF-16 LE, by its byte order mark"
    assert bytes_of(data) == set(lines().encode())


@case("UTF-16 or UTF-32 without a mark", "the text, by the places of the zero bytes")
def test_utf_16_without_a_mark(tmp_path):
    for encoding in ("utf_16_be", "utf_32_le"):
        data = load(tmp_path / f"{encoding}.txt", lines().encode(encoding))
        assert "by its zero bytes" in data.notes[0] and bytes_of(data) == set(lines().encode())


@case(
    "one Latin-1 byte in a UTF-8 text",
    "that byte as Windows-1252; a note names its place and line; every other é stays",
    "gpt-2-simple#192",
)
def test_one_stray_byte(tmp_path):
    text = lines().replace("cat", "café")
    data = load(tmp_path / "a.txt", text.encode() + b"th\xe9\n")
    assert data.notes[0].startswith(f"byte {len(text.encode()) + 2} (0xE9, line 201) is not valid UTF-8")
    assert bytes_of(data) == set((text + "thé\n").encode())


@case("a text in Windows-1252, Windows-1251, Shift-JIS, GB 18030 ...", "the text; a note names the encoding")
def test_legacy_encodings(tmp_path):
    for encoding, sentence in {
        "cp1251": "Съешь же ещё этих мягких французских булок, да выпей чаю",
        "cp932": "いろはにほへと、ちりぬるを。東京は日本の首都です",
        "cp1252": "Où est l'élève ? Là-bas, à côté de la forêt où le maître rêve",
    }.items():
        text = "".join(f"{i}: {sentence} {i * i}.\n" for i in range(100))
        data = load(tmp_path / f"{encoding}.txt", text.encode(encoding))
        assert data.notes[0].startswith(f"decoded as {encoding}, detected") and "-utf8.txt" in data.notes[0]
        assert bytes_of(data) == set(text.encode())


@case(
    "a byte order mark, CRLF or bare CR line ends",
    "no symbols of the text: removed, and `\\n`; a note",
    "LDL#3",
)
def test_line_ends(tmp_path):
    for end, name in (("\r\n", "CRLF"), ("\r", "CR")):
        data = load(tmp_path / f"{name}.txt", codecs.BOM_UTF8 + lines().replace("\n", end).encode())
        assert data.notes[:2] == (rf"line ends {name} became \n", "byte order marks were removed")
        assert bytes_of(data) == set(lines().encode())


@case("a PDF, a picture, a compressed or another binary file as text", "refused with what it looks like")
def test_binary_files(tmp_path):
    assert "looks like a PDF document; save its text as .txt" in refused(tmp_path / "a.txt", b"%PDF-1.7\n")
    assert "looks like a compressed file; unpack" in refused(tmp_path / "b.txt", b"\x1f\x8b\x08\0\0\0")
    assert "has zero bytes" in refused(tmp_path / "c.txt", b"a\0b" * 500)


@case("an empty file", "refused by name")
def test_an_empty_file(tmp_path):
    assert "a.txt: the file is empty" in refused(tmp_path / "a.txt", b"")


@case("10 source files and 3 empty ones", "the 10; the empty ones are counted", "gpt-2-output-dataset#51")
def test_empty_files_are_counted(tmp_path):
    for i in range(10):
        (tmp_path / f"m{i}.py").write_text(f"def f{i}(x):\n    return x + {i}\n" * 20)
    for i in range(3):
        (tmp_path / f"empty{i}.py").write_text("")
    data = load_data(str(tmp_path), length=16)
    assert sum(int(n) for n in data.split.split(", by")[0].replace(",", "").split() if n.isdigit()) == 10
    assert any("ignored 3 empty files" in note for note in data.notes)


@case("a folder of sources in any language (.jl, .kt, .f90, Makefile)", "text, recognised by its content")
def test_sources_of_any_language(tmp_path):
    for i in range(12):
        name = ("a.jl", "b.kt", "c.f90", "Makefile")[i % 4].replace(".", f"{i}.")
        (tmp_path / (name if "." in name else f"{name}{i}")).write_text(
            f"function f{i}(x)\n x + {i}\nend\n" * 20
        )
    data = load_data(str(tmp_path), length=16)
    assert data.medium == "text" and "files train" in data.split


@case("sources with pictures beside them", "the sources; files of another kind are ignored with a count")
def test_files_of_another_kind(tmp_path):
    for i in range(12):
        (tmp_path / f"m{i}.lua").write_text(f"function f{i}(x) return x + {i} end\n" * 20)
    for i in range(5):
        (tmp_path / f"logo{i}.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    data = load_data(str(tmp_path), length=16)
    assert data.medium == "text" and any("ignored 5 files of another kind (.png)" in n for n in data.notes)


@case("`train.txt`, `valid.txt` and `test.txt`, or folders of these names", "the parts of the split")
def test_parts_of_the_split(tmp_path):
    for part, letter in (("train", "a"), ("valid", "b"), ("test", "c")):
        (tmp_path / "files").mkdir(exist_ok=True)
        (tmp_path / "files" / f"{part}.txt").write_text(f"{letter}{letter}\n" * 200)
        (tmp_path / "folders" / part).mkdir(parents=True)
        for i in range(3):
            (tmp_path / "folders" / part / f"{i}.txt").write_text(f"{letter}{i}\n" * 200)
    for kind in ("files", "folders"):
        data = load_data(str(tmp_path / kind))
        assert "the authors' own parts" in data.split
        for part, letter in ((data.train, "a"), (data.valid, "b"), (data.test, "c")):
            assert {*map(chr, part.first().medium.unique().tolist())} - {*"012\n"} == {letter}


@case("a folder with one or two texts", "split by blocks of lines, as a single text is")
def test_a_folder_with_one_text(tmp_path):
    (tmp_path / "book").mkdir()
    data = load(tmp_path / "book" / "a.txt", lines()) and load_data(str(tmp_path / "book"))
    assert data.medium == "text" and "blocks train" in data.split


@case('JSON lines `{"text": ...}`', "a document per line; a note names the field and those not used")
def test_json_lines(tmp_path):
    rows = "".join(json.dumps({"id": i, "text": phrase(i, 60)}) + "\n" for i in range(60))
    data = load(tmp_path / "a.jsonl", rows)
    assert data.notes[0] == "text: field 'text'; not used: id" and "documents train" in data.split


@case("a JSON list of strings", "a document per string")
def test_a_json_list(tmp_path):
    data = load(tmp_path / "a.json", json.dumps([phrase(i, 60) for i in range(60)]))
    assert "documents train" in data.split


@case("any other JSON file", "running text")
def test_other_json(tmp_path):
    text = json.dumps({f"key{i}": phrase(i) for i in range(100)}, indent=1)
    data = load(tmp_path / "a.json", text)
    assert "blocks" in data.split and bytes_of(data) == set(text.encode())


@case("conversations (`messages`)", "refused: as one text each, or as `prompt` and `response`")
def test_conversations(tmp_path):
    row = json.dumps({"messages": [{"role": "user", "content": "hello"}]}) + "\n"
    assert "field 'messages' has conversations" in refused(tmp_path / "a.jsonl", row * 10)


@case("JSON lines of which some are cut off", "up to a tenth are skipped with a note, else the line is named")
def test_broken_json_lines(tmp_path):
    rows = [json.dumps({"text": phrase(i, 60)}) for i in range(60)]
    data = load(tmp_path / "a.jsonl", "\n".join([*rows[:30], '{"text": "', *rows[30:]]))
    assert "skipped 1 lines that are not JSON, line 31 first" in data.notes
    assert "line 1 is not JSON" in refused(tmp_path / "b.jsonl", "one\ntwo\n")


@case(
    "a .tsv of two phrases per line",
    "pairs of texts, which train `transformer`; split by source; `table:FILE` reads a table",
)
def test_pairs_of_ones_own(tmp_path, monkeypatch, capsys):
    path = tmp_path / "pairs.tsv"
    data = load(path, "".join(f'{phrase(i)}\t"{phrase(i).upper()}" he said\n' for i in range(300)))
    assert isinstance(data.train, Pairs) and "pairs train" in data.split and "source text" in data.split
    assert data.notes[0] == f'pairs of texts: from column 1 to column 2; as a table: data="table:{path}"'
    assert build_system("transformer", data.representation, data.conditions, "tiny")
    texts = data.representation.present(data.train.first(1).medium)
    assert texts[0].endswith('" he said')
    monkeypatch.chdir(tmp_path)
    options = ("--steps", "2", "--size", "tiny", "--tokenizer", "bpe:300", "--device", "cpu")
    assert run(monkeypatch, "train", "transformer", "--data", "pairs.tsv", *options) == 0, (
        capsys.readouterr().err
    )


@case(
    "a .csv with the columns `en,es`, or `source,target`, `question,answer` ...",
    "pairs of texts, by these names",
)
def test_named_columns(tmp_path):
    rows = "".join(f'{i},"{phrase(i)}, yes","{phrase(i)} no"\n' for i in range(100))
    data = load(tmp_path / "a.csv", "id,question,answer\n" + rows)
    assert data.notes[0].startswith(
        "pairs of texts: from column question to column answer; not used: column id"
    )
    rows = "".join(f"{phrase(i)},{phrase(-i)}\n" for i in range(100))
    assert (
        load(tmp_path / "b.csv", "en,es\n" + rows)
        .notes[0]
        .startswith("pairs of texts: from column en to column es")
    )


@case(
    "Tatoeba's sentences with a third column of attributions", "pairs of the first two; a note on the third"
)
def test_a_third_column(tmp_path):
    rows = "".join(f'"{phrase(i)}\t{phrase(-i)}\tCC-BY 2.0 {phrase(i, 3)} {i}\n' for i in range(100))
    assert "not used: column 3" in load(tmp_path / "a.tsv", rows).notes[0]


@case("a .csv of names and categories", "a table, as before")
def test_a_table_is_no_pairs(tmp_path):
    rows = "".join(f"{phrase(i, 1)},{i % 7}\n" for i in range(100))
    assert load(tmp_path / "a.csv", "word,number\n" + rows).medium == "table"


@case(
    'JSON lines `{"source", "target"}`, `{"src", "tgt"}`, `{"input", "output"}`, `{"translation": {...}}`',
    "pairs of texts",
)
def test_json_pairs(tmp_path):
    for i, names in enumerate([("source", "target"), ("src", "tgt"), ("input", "output"), ("en", "es")]):
        rows = [dict(zip(names, (phrase(k), phrase(-k)), strict=True)) for k in range(100)]
        rows = [{"translation": row} for row in rows] if names == ("en", "es") else rows
        data = load(tmp_path / f"{i}.jsonl", "\n".join(map(json.dumps, rows)))
        assert (
            isinstance(data.train, Pairs)
            and data.notes[0] == f"pairs of texts: from {names[0]!r} to {names[1]!r}"
        )


@case(
    "documents shorter than a window",
    "a note with their number and their share of the text; more than 10 % of it is refused",
)
def test_short_documents(tmp_path):
    rows = [json.dumps(phrase(i, 5 if i % 2 else 40)) for i in range(100)]
    why = refused(tmp_path / "a.jsonl", "\n".join(rows))
    assert (
        "% of the text would be in no window of 64 bytes" in why and "give a smaller length, such as" in why
    )
    length = int(why.split()[-1])
    assert (
        "% of the text is in no window"
        in load(tmp_path / "a.jsonl", "\n".join(rows), length=length).notes[-1]
    )


@case(
    "DNA: one word of 2,000,000 letters, `--tokenizer unigram:300`",
    "pieces, in seconds",
    "huggingface/tokenizers#1698",
)
def test_an_endless_word(tmp_path, monkeypatch):
    monkeypatch.setattr("morphogen.representations.tokenizer.LEARNED", 2**12)
    dna = "".join(random.Random(0).choices("ACGT", k=60_000))
    start = time.process_time()
    data = load(tmp_path / "dna.txt", dna, tokenizer="unigram:270")
    assert time.process_time() - start < 5
    text = data.representation
    assert text.detokenize(text.ids(dna)) == dna and len(text.ids(dna)) < 0.7 * len(dna)


def check_damaged(tmp_path: Path, seeds: range) -> None:
    whole = [
        lines(),
        lines().replace("cat", "café"),
        "\n".join(json.dumps({"text": phrase(i, 40)}) for i in range(60)),
    ]
    whole += ["".join(f"{phrase(i)}\t{phrase(-i)}\n" for i in range(100))]
    read = 0
    for seed in seeds:
        rng = random.Random(seed)
        content = bytearray(whole[seed % 4].encode(rng.choice(["utf8", "utf16", "utf_16_le", "utf8"])))
        for _ in range(rng.choice([1, 3, 30])):
            content[rng.randrange(len(content))] = rng.randrange(256)
        del content[: rng.choice([0, 0, 1, 7])]
        path = tmp_path / f"{seed % 8}{('.txt', '.txt', '.jsonl', '.tsv')[seed % 4]}"
        start = time.process_time()
        try:
            data = load(path, bytes(content), tokenizer="bytes" if seed % 4 < 3 else None)
            assert data.notes is not None
            read += 1
        except DataError as error:
            assert "\n" not in str(error), seed
        assert time.process_time() - start < 1, seed
    assert read > 0.5 * len(seeds)


def test_damaged_texts_are_read_or_refused_in_one_line(tmp_path):
    check_damaged(tmp_path, range(60))


@pytest.mark.slow
def test_a_thousand_damaged_texts_are_read_or_refused_in_one_line(tmp_path):
    check_damaged(tmp_path, range(1000))


@case(
    "JSON lines of texts, a text file or a folder of them, and `--condition label`",
    "one line: text has no column of classes",
)
def test_a_condition_of_texts(tmp_path: Path) -> None:
    path, folder = tmp_path / "t.jsonl", tmp_path / "texts"
    path.write_text("".join(f'{{"text": "a text of {i}", "label": {i % 2}}}\n' for i in range(40)))
    with pytest.raises(DataError, match=r"condition 'label': .* is not a table"):
        load_data(str(path), length=8, condition="label")
    for author in ("milton", "keats"):
        (folder / author).mkdir(parents=True)
        (folder / author / "poem.txt").write_text("a text of some words\n" * 40)
    texts = (path, f"text:{path}", folder / "keats" / "poem.txt", folder, folder / "keats")
    with on_the_command_line():
        for name in map(str, texts):
            with pytest.raises(DataError) as error:
                load_data(name, length=8, condition="label")
            assert str(error.value) == (
                f"condition 'label': {name!r} is not a table: it is read as text; "
                "leave --condition out: text has no column of classes"
            )


@case("texts of which the ends fit in no window", "one line that says so, and a length")
def test_texts_whose_ends_are_lost() -> None:
    texts = [f"{i * i:06d} " + "abc" * 3 + "x" * (i % 7 + 6) for i in range(60)]
    with pytest.raises(
        DataError, match=r"as the ends of \d+ documents are shorter; give a smaller length, such as 8$"
    ):
        load_data(texts, length=16)
    assert load_data(texts, length=8).representation.length == 8
