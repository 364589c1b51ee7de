"""Render the report as one self-contained HTML file, without scripts, external fonts or links.

The content security policy of the page forbids a browser to load anything that is not part of it.
"""

__all__ = ["write_report"]

import base64
import io
import os
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morphogen.media import is_text
from morphogen.report.claims import CLAIMS, FAMILIES, judge
from morphogen.report.curves import draw, panels
from morphogen.report.rows import Row, read_rows, unit
from morphogen.report.scatter import scatter
from morphogen.report.table import columns, table
from morphogen.report.verdict import verdict

if TYPE_CHECKING:
    from PIL import Image

    Samples = Mapping[str, Sequence[Image.Image | str]]

MAX_SIDE = 128  # larger pictures are reduced to this many pixels
MAX_CHARS = 600  # longer texts are truncated
MAX_SAMPLES = 40  # per row
COLUMNS = 20  # small pictures side by side; large ones half as many
SMALL_SIDE = 40  # largest side of a small picture, in pixels
# control characters, surrogates and noncharacters
INVALID = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def write_report(report: Mapping[str, Any], samples: "Samples", directory: Path) -> Path:
    """Write directory/report.html atomically and return its path.

    Arguments:
        report: content of report.json: data and rows, and optionally split, notes, features, seed, n, budget,
            size, medium, unit, classes, labels (the class of each shown sample), systems (planned), finished,
            created, seconds, machine, versions.
        samples: name of a row -> samples to show, pictures or texts.
        directory: folder of the report, which usually contains the runs of the rows as well.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # imported late: only reports need it

    rows = read_rows(report["rows"])
    texts = is_text(sample for shown in samples.values() for sample in shown)
    likelihood_unit = unit(report, texts)
    shown = columns(rows, likelihood_unit)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("page.html").render(
        title=str(report["data"]),
        facts=_facts(report, rows),
        partial=_partial(report, rows),
        rows=rows,
        texts=texts,
        unit=likelihood_unit,
        columns=shown,
        lines=table(rows, shown),
        strips=_strips(rows, samples, report),
        **_sections(rows, likelihood_unit, directory),
        method=_method(report, rows),
    )
    temporary, path = directory / ".report.html.new", directory / "report.html"
    temporary.write_text(_valid(page), encoding="utf8")
    os.replace(temporary, path)
    return path


def _sections(rows: Sequence[Row], likelihood_unit: str, directory: Path) -> dict[str, Any]:
    """The verdict, plots, claims and glossary, which follow from the rows."""
    return {
        "verdict": verdict(rows, likelihood_unit),
        "plots": [
            ("wide", scatter(rows, likelihood_unit)),
            ("narrow", scatter(rows, likelihood_unit, 350, 420)),
        ],
        "curves": [(panel, draw(panel)) for panel in panels(rows, directory)],
        "families": [
            (family, [judge(claim, rows) for claim in CLAIMS if claim.family == family])
            for family in FAMILIES
        ],
        "glossary": columns(rows, likelihood_unit, every=True),
    }


def _facts(report: Mapping[str, Any], rows: Sequence[Row]) -> list[str]:
    """The facts below the title: models, samples, date, machine and duration."""
    models = sum(row.is_model for row in rows)
    training = f", at most {_duration(report['budget'])} of training each" if report.get("budget") else ""
    facts = [f"{models} model{'s' * (models != 1)}{training}"]
    if report.get("n"):
        facts.append(f"{report['n']:,} samples each")
    if report.get("created"):
        facts.append(_date(str(report["created"])))
    if report.get("machine"):
        facts.append(str(report["machine"]))
    if report.get("seconds"):
        facts.append(f"{_duration(report['seconds'])} in total")
    return facts


def _partial(report: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """Progress of an unfinished comparison; "" for a finished one."""
    if report.get("finished", True):
        return ""
    planned, measured = list(report.get("systems") or ()), {row.name for row in rows if row.is_model}
    if not planned:
        return f"partial: {len(measured)} systems measured"
    missing = [str(name) for name in planned if name not in measured]
    progress = f"partial: {len(measured & set(planned))} of {len(planned)} systems"
    return f"{progress}; not measured: {', '.join(missing)}" if missing else progress


def _strips(rows: Sequence[Row], samples: "Samples", report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The samples of each row that has any."""
    labels, strips = [str(label) for label in report.get("labels") or ()], []
    for row in rows:
        shown = list(samples.get(row.name, ()))[:MAX_SAMPLES]
        tiles = [
            _tile(sample) | {"label": labels[i] if i < len(labels) else ""} for i, sample in enumerate(shown)
        ]
        if tiles:
            side = max((max(tile["size"]) for tile in tiles if tile["text"] is None), default=0)
            limit = COLUMNS if side <= SMALL_SIDE else COLUMNS // 2
            strips.append({"row": row, "tiles": tiles, "columns": min(len(tiles), limit)})
    return strips


def _tile(sample: Any) -> dict[str, Any]:
    """A text, or a picture as an embedded PNG of at most MAX_SIDE; small pictures are enlarged unsmoothed."""
    from PIL.Image import Resampling

    if is_text([sample]):
        return {"text": sample if len(sample) <= MAX_CHARS else sample[:MAX_CHARS] + " …"}
    picture = sample if sample.mode in ("1", "L", "LA", "P", "RGB", "RGBA") else sample.convert("RGB")
    if max(picture.size) > MAX_SIDE:
        picture = picture.copy()
        picture.thumbnail((MAX_SIDE, MAX_SIDE), Resampling.LANCZOS)
    content = io.BytesIO()
    picture.save(content, "PNG", optimize=True)
    return {
        "source": f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}",
        "size": picture.size,
        "smooth": max(picture.size) > SMALL_SIDE,
        "text": None,
    }


def _valid(page: str) -> str:
    """The page with dots for what HTML cannot contain; joiners, marks and all scripts are kept."""
    return INVALID.sub("·", page)


def _method(report: Mapping[str, Any], rows: Sequence[Row]) -> list[tuple[str, str]]:
    """How the figures were measured, as terms and descriptions."""
    features, versions = report.get("features") or {}, report.get("versions") or {}
    entries: list[tuple[str, Any]] = [
        ("Data", report["data"]),
        ("Classes", ", ".join(map(str, report.get("classes") or ()))),
        ("Split", report.get("split")),
        ("Notes", "; ".join(map(str, report.get("notes") or ()))),
        ("Features", f"{features['name']}, sha256 {features.get('sha256')}" if features.get("name") else ""),
        ("Training", f"at most {_duration(report['budget'])} each" if report.get("budget") else None),
        ("Size", report.get("size")),
        ("Samples", f"{report['n']:,} per row" if report.get("n") else None),
        ("Seed", report.get("seed")),
        ("Machine", report.get("machine")),
        ("Versions", ", ".join(f"{name} {number}" for name, number in versions.items())),
        ("Samplers", "; ".join(f"{row.name}: {row.source['sampler']}"
                               for row in rows if row.source.get("sampler"))),
        ("Codecs", "; ".join(f"{row.name}: {row.source['how']}" for row in rows if row.source.get("how"))),
        ("Failed", "; ".join(f"{row.name}: {row.error}" for row in rows if row.error)),
        ("Intervals",
         "95 %: normal approximation for means over examples, Wilson score for proportions, bootstrap for "
         "the Fréchet distance. A difference is significant if the intervals do not overlap, or, for "
         "timings, if it exceeds a factor of 1.5."),
    ]  # fmt: skip
    return [(term, str(value)) for term, value in entries if value not in (None, "")]


def _duration(seconds: float) -> str:
    """30 s, 6 min, 1.5 h."""
    if seconds < 120:
        return f"{seconds:g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _date(text: str) -> str:
    """An ISO date as "1 May 2025, 12:00"; any other text unchanged."""
    if not re.match(r"\d{4}-\d\d-\d\d", text):
        return text
    try:
        return f"{datetime.fromisoformat(text):%-d %B %Y, %H:%M}"
    except ValueError:
        return text
