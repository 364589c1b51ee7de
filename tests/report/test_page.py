"""The HTML report is well formed and self-contained, its links have targets, and names are escaped."""

import base64
import copy
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from morphogen.report import write_report
from morphogen.report.rows import Measure, read_rows, two_decimals
from morphogen.report.sections import SectionSpec, sections
from report.rows_of import REPORT, row

VOID = {"meta", "link", "img", "br", "hr", "input", "wbr"}


class Reader(HTMLParser):
    """Parse ids, links, sources, tags and text; mismatched end tags are errors."""

    def __init__(self, page: str):
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.values: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        self.values += [value or "" for value in found.values()]
        self.attributes += found
        self.ids += [found["id"] or ""] if "id" in found else []
        self.links += [found["href"] or ""] if "href" in found else []
        self.sources += [
            found[name] or "" for name in ("src", "srcset", "data", "action", "poster") if name in found
        ]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def read(report: dict[str, Any], samples: dict[str, list[Any]], directory: Path) -> Reader:
    """Write the page, check the invariants of every page, and return it parsed."""
    path = write_report(report, samples, directory)
    assert path == directory / "report.html" and [p.name for p in directory.glob("*report*")] == [
        "report.html"
    ]
    page = Reader(path.read_text(encoding="utf8"))
    assert len(page.ids) == len(set(page.ids)), "duplicate id"
    assert "script" not in page.tags
    assert all(link.startswith("#") or link == "data:," for link in page.links), page.links
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids), "a link has no target"
    assert all(re.match("data:image/(png|svg[+]xml);base64,", source) for source in page.sources)
    return page


def pictures(n: int = 3, size: int = 8) -> list[Image.Image]:
    return [Image.new("L", (size, size), 40 * i) for i in range(n)]


def test_the_page_has_all_sections_in_order(tmp_path):
    page = read(REPORT, {"real data": pictures(), "cnn": pictures()}, tmp_path)
    parts = [
        name
        for name in page.ids
        if name in ("verdict", "samples", "table", "plot", "claims", "method", "glossary")
    ]
    assert parts == ["verdict", "samples", "table", "plot", "claims", "method", "glossary"]
    assert len(page.sources) == 6
    for words in (
        "sha256 abc",
        "random, sha256 f00d",
        "2 files skipped",
        "WebP lossless: pillow, method 6",
        "200 samples each",
        "at most about 30 s of training",
    ):
        assert words in page.text
    glossary = page.text.split("Glossary")[-1]
    for word in ("bits/dim", "Fréchet", "precision", "recall", "density", "coverage", "copies"):
        assert word in glossary, "the glossary explains every column"
    assert "confident" not in glossary and "known words" not in glossary, "and no other"
    assert "partial" not in page.text


@pytest.mark.parametrize("done", range(1, 7))
def test_every_prefix_of_the_rows_gives_a_valid_page(tmp_path, done):
    report = copy.deepcopy(REPORT) | {"finished": False}
    report["rows"] = report["rows"][:done]
    page = read(report, {"real data": pictures()}, tmp_path)
    assert f"partial: {min(done - 1, 4)} of 4 systems" in page.text
    assert ("No model has been measured yet" in page.text) == (done == 1)


def test_missing_and_non_finite_figures_are_dashes(tmp_path):
    bare = {"system": "odd", "family": "energy", "likelihood": None, "frechet": None}
    infinite = row(
        "one",
        "vae",
        {"kind": "exact", "bits_per_dim": 2.0, "low": -float("inf"), "high": float("inf")},
        float("nan"),
        0.5,
        0.0,
    )
    report = {"data": "d", "rows": [REPORT["rows"][0], bare, infinite]}
    page = read(json.loads(json.dumps(report)), {}, tmp_path)
    assert "–" in page.text and "nan" not in page.text.lower() and "nan" not in "".join(page.values)


def test_texts_are_shown_as_text_in_bits_per_byte(tmp_path):
    page = read(REPORT, {"real data": ["a <b>bold</b>\x00 word"], "cnn": ["x" * 5000]}, tmp_path)
    assert (
        "a <b>bold</b>· word" in page.text
        and "b" not in page.tags[page.tags.index("figure") : page.tags.index("table")]
    )
    assert "bits/byte" in page.text and "bits/dim" not in page.text
    assert max(map(len, page.words)) < 700, "long texts are truncated"


def test_external_names_are_escaped(tmp_path):
    evil = '<script>alert(1)</script>" onload="x'
    report = copy.deepcopy(REPORT) | {
        "data": evil,
        "classes": [evil, "seven"],
        "labels": [evil],
        "notes": [evil],
        "split": evil,
    }
    for i, known in enumerate(report["rows"]):
        known["system"] = f"{evil} {i}"
        known["family"] = known["family"] and (evil if i == 2 else known["family"])
    page = read(report, {f"{evil} {i}": pictures() for i in range(5)}, tmp_path)
    assert page.text.count(evil) > 10
    assert not [name for name in page.attributes if name.startswith("on")]


def test_a_failed_system_shows_its_error_and_is_not_counted(tmp_path):
    report = copy.deepcopy(REPORT)
    report["rows"][3] = {"system": "gan", "family": "gan", "likelihood": None, "error": "out of memory <b>"}
    page = read(report, {}, tmp_path)
    assert "gan: out of memory <b>" in page.text and "failed" in page.text and "3 models" in page.text
    assert "#row-gan-likelihood" not in page.links, "a failure does not support a claim"


def test_rows_of_equal_name_have_distinct_cells(tmp_path):
    report = copy.deepcopy(REPORT)
    report["rows"].append(copy.deepcopy(report["rows"][2]))
    assert {"row-cnn-likelihood", "row-cnn-2-likelihood"} <= set(read(report, {}, tmp_path).ids)


def test_the_picture_of_a_table_can_be_read(tmp_path):
    """It was reduced to 128 pixels, as a sample among forty is, and enlarged again: a blur."""
    picture = Image.new("RGB", (700, 460), "white")
    page = read(REPORT, {"real data": [picture], "cnn": pictures()}, tmp_path)
    widths = [value for name, value in zip(page.attributes, page.values, strict=True) if name == "width"]
    assert widths[:4] == ["700", "8", "8", "8"]
    read(REPORT, {"real data": [Image.new("RGB", (9000, 460))]}, tmp_path)
    assert 'width="1280"' in (tmp_path / "report.html").read_text()
    assert 'class="tiles wide"' in (tmp_path / "report.html").read_text()


def test_large_pictures_are_reduced(tmp_path):
    noise = Image.effect_noise((900, 600), 90).convert("RGB")
    read(REPORT, {"real data": [noise] * 3}, tmp_path)
    assert (tmp_path / "report.html").stat().st_size < 300_000


def test_curves_are_read_from_the_runs_and_truncated_lines_are_ignored(tmp_path):
    report = copy.deepcopy(REPORT)
    report["rows"][3]["run"] = "elsewhere/gan-toys-001"  # the run was moved with the report
    stage = tmp_path / "gan-toys-001" / "first"
    stage.mkdir(parents=True)
    lines = [{"step": s, "player": p, "loss": 1 / s} for s in range(1, 9) for p in ("critic", "generator")]
    lines.append({"step": 9, "player": "critic", "skipped": True})
    (stage / "metrics.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in lines) + '{"step": 9, "pla'
    )
    (stage / "timings.jsonl").write_text(
        "".join(json.dumps({"step": s, "seconds": 0.5 * s}) + "\n" for s in range(1, 9))
    )
    page = read(report, {}, tmp_path)
    assert (
        "first critic" in page.text
        and "first generator" in page.text
        and "1 non-finite step skipped" in page.text
    )
    assert "polyline" in page.tags


def test_a_section_is_data_and_needs_no_template(tmp_path):
    report = copy.deepcopy(REPORT)
    content = io.BytesIO()
    Image.new("L", (6, 4)).save(content, "PNG")
    png = base64.b64encode(content.getvalue()).decode()
    report["rows"][1]["nearest"] = {
        "figures": {"ratio": {"value": 0.25, "low": 0.2, "high": 0.3}, "of <none>": None},
        "pictures": [{"label": "sample <1>", "png": png}, {"label": "nearest", "svg": "<svg/>"}],
    }
    page = read(report, {}, tmp_path)
    assert "Nearest training examples" in page.text and "Columns, pairs" not in page.text
    assert "sample <1>" in page.text and "0.20 – 0.30" not in page.text, "a figure without a measure"
    assert len(page.sources) == 2 and page.sources[0].endswith(png)
    ratio = Measure("ratio", "ratio <1>", "", two_decimals, "of distances")
    none = Measure("of <none>", "none", "", two_decimals, "no row has it")
    spec = SectionSpec("nearest", "Nearest", "lead", lambda rows: [ratio, none])
    (section,) = sections(read_rows(report["rows"]), [spec])
    assert section.columns == [ratio], "a column without any figure is omitted"
    assert [(row.name, [cell.text for cell in cells]) for row, cells in section.lines] == [("em", ["0.25"])]
    assert page.ids.index("table") < page.ids.index("nearest-section") < page.ids.index("plot")


def test_figures_of_another_feature_space_are_not_shown(tmp_path):
    report = copy.deepcopy(REPORT)
    for known, space in zip(report["rows"], ("digits", "digits", "digits", "random", "digits"), strict=False):
        known["frechet"] |= {"provenance": {"features": space}}
    page = read(report, {}, tmp_path)
    assert (
        "Fréchet of gan is not given: not comparable with the rows above: their features differ: "
        "digits and random." in page.text
    )
    assert "4.50" not in page.text and "3.00" in page.text


def test_a_failure_keeps_the_previous_page(tmp_path):
    path = write_report(REPORT, {}, tmp_path)
    before = path.read_bytes()
    with pytest.raises(KeyError):
        write_report({"rows": REPORT["rows"]}, {}, tmp_path)
    assert path.read_bytes() == before
