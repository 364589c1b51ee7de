"""Render the report as one self-contained HTML file, without scripts, external fonts or links.

The content security policy of the page forbids a browser to load anything that is not part of it.
"""

__all__ = ["write_report"]

import os
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from morphogen.media import is_text
from morphogen.report.budget import budget_of, duration, repeats
from morphogen.report.claims import CLAIMS, FAMILIES, judge
from morphogen.report.curves import draw, panels
from morphogen.report.details import details
from morphogen.report.rows import Measure, Row, read_rows, unit
from morphogen.report.scatter import scatter
from morphogen.report.sections import sections
from morphogen.report.strips import Samples, sample_strips
from morphogen.report.table import columns, table
from morphogen.report.verdict import verdict

# control characters, surrogates and noncharacters
INVALID = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def write_report(report: Mapping[str, Any], samples: Samples, directory: Path) -> Path:
    """Write directory/report.html atomically and return its path.

    Arguments:
        report: content of report.json: data and rows, and optionally split, notes, features, seed, n, budget
            (seconds) or steps, size, medium, unit, classes, labels (the class of each shown sample), systems
            (planned), finished, created, seconds, machine, versions.
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
        strips=sample_strips(rows, samples, [str(label) for label in report.get("labels") or ()]),
        **_derived(report, rows, shown, directory, likelihood_unit),
        method=_method(report, rows),
    )
    temporary, path = directory / ".report.html.new", directory / "report.html"
    temporary.write_text(_valid(page), encoding="utf8")
    os.replace(temporary, path)
    return path


def _derived(
    report: Mapping[str, Any],
    rows: Sequence[Row],
    shown: Sequence[Measure],
    directory: Path,
    likelihood_unit: str,
) -> dict[str, Any]:
    """The verdict, sections, plots, claims and glossary, which follow from the rows and the columns shown."""
    losses, parts = panels(rows, directory), sections(rows)
    return {
        "sections": parts,
        "verdict": verdict(rows, likelihood_unit, report.get("features")),
        "details": details(rows, likelihood_unit, report.get("features")),
        "plots": [
            ("wide", scatter(rows, likelihood_unit)),
            ("narrow", scatter(rows, likelihood_unit, 350, 420)),
        ],
        "curves": [(panel, draw(panel)) for panel in losses if panel.is_curve],
        "short": [(panel, len(panel.points)) for panel in losses if not panel.is_curve],
        "families": [
            (family, [judge(claim, rows) for claim in CLAIMS if claim.family == family])
            for family in FAMILIES
        ],
        "glossary": [*shown, *(column for part in parts for column in part.columns)],
    }


def _facts(report: Mapping[str, Any], rows: Sequence[Row]) -> list[str]:
    """The facts below the title: models, samples, date, machine and duration."""
    models = sum(row.is_model for row in rows)
    training = f", {words}" if (words := budget_of(report)) else ""
    facts = [f"{models} model{'s' * (models != 1)}{training}"]
    if report.get("n"):
        facts.append(f"{report['n']:,} samples each")
    if report.get("created"):
        facts.append(_date(str(report["created"])))
    if report.get("machine"):
        facts.append(str(report["machine"]))
    if report.get("seconds"):
        facts.append(f"{duration(report['seconds'])} in total")
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
        ("Features", _features(features)),
        ("Training", f"{budget_of(report)}. {repeats(report)}" if budget_of(report) else None),
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
         "95 %: Student's t for means over examples, Wilson score for proportions, disjoint groups for "
         "the Fréchet distance, precision, recall, density and coverage: intervals of the expected value at "
         "this n. A difference is significant if the intervals do not overlap. Timings are "
         "single and have none: claims about speed are judged by a factor of 1.5. Figures of other data, "
         "features, n, seeds or code are not compared."),
    ]  # fmt: skip
    return [(term, str(value)) for term, value in entries if value not in (None, "")]


def _features(features: Mapping[str, Any]) -> str:
    """Name, hash and resize rule of the feature space; "" if the report names none."""
    if not features.get("name"):
        return ""
    resize = f", pictures resized: {features['resize']}" if features.get("resize") else ""
    return f"{features['name']}, sha256 {features.get('sha256')}{resize}"


def _date(text: str) -> str:
    """An ISO date as "1 May 2025, 12:00"; any other text unchanged."""
    if not re.match(r"\d{4}-\d\d-\d\d", text):
        return text
    try:
        return f"{datetime.fromisoformat(text):%-d %B %Y, %H:%M}"
    except ValueError:
        return text
