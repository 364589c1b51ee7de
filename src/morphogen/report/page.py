"""The page: everything the other files work out, in one template. No script, no font, no address: it can be sent as it is.

The page says so itself: its content security policy lets a browser load nothing but what stands in it.
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

from morphogen.report.claims import CLAIMS, FAMILIES, judge
from morphogen.report.curves import draw, panels
from morphogen.report.rows import Row, read_rows, unit
from morphogen.report.scatter import scatter
from morphogen.report.table import columns, table
from morphogen.report.verdict import verdict

if TYPE_CHECKING:
    from PIL import Image

    Samples = Mapping[str, Sequence[Image.Image | str]]

TILE = 128  # most pixels of a side that a picture keeps
TEXT = 600  # most characters that a text keeps
SHOWN = 40  # most samples of a row
WIDE, SMALL = 20, 40  # small pictures side by side, larger ones half as many; what counts as small


def write_report(report: Mapping[str, Any], samples: "Samples", directory: Path) -> Path:
    """Write directory/report.html, whole or not at all; its path.

    Arguments:
        report: what report.json holds: data and rows, and of these what is known: split, notes, features, seed, n, budget, size, medium,
            unit, classes, labels (what each shown sample was asked for), systems (planned), finished, created, seconds, machine, versions.
        samples: a row's name -> the samples to show, pictures or texts.
        directory: where the runs of the rows lie too.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # only here: no other verb needs it

    rows = read_rows(report["rows"])
    texts = any(isinstance(sample, str) for shown in samples.values() for sample in shown)
    named = unit(report, texts)
    shown = columns(rows, named)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template("page.html").render(
        title=str(report["data"]), facts=_facts(report, rows), partial=_partial(report, rows), rows=rows, texts=texts, unit=named,
        verdict=verdict(rows, named), strips=_strips(rows, samples, report), columns=shown, lines=table(rows, shown),
        plots=[("wide", scatter(rows, named)), ("narrow", scatter(rows, named, 350, 420))],
        curves=[(panel, draw(panel)) for panel in panels(rows, directory)],
        families=[(family, [judge(claim, rows) for claim in CLAIMS if claim.family == family]) for family in FAMILIES],
        method=_method(report, rows), glossary=columns(rows, named, every=True),
    )  # fmt: skip
    fresh, path = directory / ".report.html.new", directory / "report.html"
    fresh.write_text(page, encoding="utf8")
    os.replace(fresh, path)
    return path


def _facts(report: Mapping[str, Any], rows: Sequence[Row]) -> list[str]:
    """What, when, where and how long, in a few words each."""
    models = sum(row.model for row in rows)
    facts = [f"{models} model{'s' * (models != 1)}" + (f", {_duration(report['budget'])} of training each" if report.get("budget") else "")]
    if report.get("n"):
        facts.append(f"{report['n']:,} samples each")
    if report.get("created"):
        facts.append(_date(str(report["created"])))
    if report.get("machine"):
        facts.append(str(report["machine"]))
    if report.get("seconds"):
        facts.append(f"{_duration(report['seconds'])} in all")
    return facts


def _partial(report: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """How far an unfinished comparison is; "" for a finished one."""
    if report.get("finished", True):
        return ""
    planned, done = list(report.get("systems") or ()), {row.name for row in rows if row.model}
    if not planned:
        return f"partial: {len(done)} systems so far"
    waiting = [str(name) for name in planned if name not in done]
    return f"partial: {len(done & set(planned))} of {len(planned)} systems" + (f"; not measured: {', '.join(waiting)}" if waiting else "")


def _strips(rows: Sequence[Row], samples: "Samples", report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The samples of each row that has some: texts as they are, pictures as data."""
    labels, strips = [str(label) for label in report.get("labels") or ()], []
    for row in rows:
        shown = list(samples.get(row.name, ()))[:SHOWN]
        tiles = [_tile(sample) | {"label": labels[i] if i < len(labels) else ""} for i, sample in enumerate(shown)]
        if tiles:
            wide = max((max(tile["size"]) for tile in tiles if tile["text"] is None), default=0)
            strips.append({"row": row, "tiles": tiles, "columns": min(len(tiles), WIDE if wide <= SMALL else WIDE // 2)})
    return strips


def _tile(sample: "Image.Image | str") -> dict[str, Any]:
    """A text, or a picture as PNG inside the page; small ones keep their pixels, which the browser enlarges without smoothing."""
    from PIL.Image import Resampling

    if isinstance(sample, str):
        return {"text": _readable(sample)}
    small = sample if sample.mode in ("1", "L", "LA", "P", "RGB", "RGBA") else sample.convert("RGB")
    if max(small.size) > TILE:
        small = small.copy()
        small.thumbnail((TILE, TILE), Resampling.LANCZOS)
    content = io.BytesIO()
    small.save(content, "PNG", optimize=True)
    return {
        "source": f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}",
        "size": small.size,
        "smooth": max(small.size) > SMALL,
        "text": None,
    }


def _readable(text: str) -> str:
    """A text without what a page cannot show; what is too long ends in dots."""
    seen = "".join(c if c.isprintable() or c in "\n\t" else "·" for c in text)
    return seen if len(seen) <= TEXT else seen[:TEXT] + " …"


def _method(report: Mapping[str, Any], rows: Sequence[Row]) -> list[tuple[str, str]]:
    """How it was measured, as terms and what they were."""
    features, versions = report.get("features") or {}, report.get("versions") or {}
    found: list[tuple[str, Any]] = [
        ("Data", report["data"]),
        ("Classes", ", ".join(map(str, report.get("classes") or ()))),
        ("Split", report.get("split")),
        ("Notes", "; ".join(map(str, report.get("notes") or ()))),
        ("Features", f"{features['name']}, sha256 {features.get('sha256')}" if features.get("name") else None),
        ("Training", f"{_duration(report['budget'])} each" if report.get("budget") else None),
        ("Size", report.get("size")),
        ("Samples", f"{report['n']:,} of each row" if report.get("n") else None),
        ("Seed", report.get("seed")),
        ("Machine", report.get("machine")),
        ("Versions", ", ".join(f"{name} {number}" for name, number in versions.items())),
        ("Samplers", "; ".join(f"{row.name}: {row.source['sampler']}" for row in rows if row.source.get("sampler"))),
        ("Codecs", "; ".join(f"{row.name}: {row.source['how']}" for row in rows if row.source.get("how"))),
        ("Failed", "; ".join(f"{row.name}: {row.error}" for row in rows if row.error)),
        ("Intervals", "95 %: of means by the normal law over examples, of shares by Wilson's score, of the Fréchet distance by the "
                      "bootstrap. Figures are told apart only where intervals do not overlap, timings only beyond a factor of 1.5."),
    ]  # fmt: skip
    return [(term, str(value)) for term, value in found if value not in (None, "")]


def _duration(seconds: float) -> str:
    """30 s, 6 min, 1.5 h."""
    if seconds < 120:
        return f"{seconds:g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _date(written: str) -> str:
    """An ISO date as people write it; anything else as it is."""
    if not re.match(r"\d{4}-\d\d-\d\d", written):
        return written
    try:
        return f"{datetime.fromisoformat(written):%-d %B %Y, %H:%M}"
    except ValueError:
        return written
