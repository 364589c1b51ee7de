"""What a reader must know before the figures: what they do not see, and what is missing or hardly trained."""

__all__ = ["caveats", "joined"]

from collections.abc import Mapping, Sequence
from typing import Any

from morphogen.evaluation.provenance import comparable_rows, defined_anew
from morphogen.evaluation.sight import caution
from morphogen.report.rows import MEASURES, TABLE_MEASURES

_HEADINGS = {measure.key: measure.heading for measure in (*MEASURES, *TABLE_MEASURES)}


def caveats(rows: Sequence[Mapping[str, Any]], features: Mapping[str, Any] | None = None) -> list[str]:
    """One sentence per reason, for all rows and measures that share it.

    Arguments:
        rows: of a report.
        features: of the report, with what they see (`evaluation.sight`); None: not known.
    """
    rows = comparable_rows(rows)
    blind = _blind(features or {})
    return [*blind, *_stored(rows), *_withheld(rows), *_earlier(rows), *_undertrained(rows)]


def joined(names: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _blind(features: Mapping[str, Any]) -> list[str]:
    """What the features cannot tell from real data, so that a model of nothing else may have good figures."""
    return list(filter(None, [caution(features.get("sight") or {})]))


def _stored(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The models that memorize by construction, such as a kernel density estimate."""
    holding = [(row["system"], row["stored"]) for row in rows if row.get("stored")]
    remedy = "release neither the model nor samples of private data"
    return [f"{name} holds {what}: {remedy}." for name, what in holding]


def _withheld(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The measures without a figure, by reason; the rows are named if others have the figure."""
    measures: dict[str, dict[str, None]] = {}
    systems: dict[str, dict[str, None]] = {}
    for row in rows:
        for key, reason in (row.get("withheld") or {}).items():
            measures.setdefault(reason, {})[key] = None
            systems.setdefault(reason, {})[str(row["system"])] = None
    sentences = []
    for reason, keys in measures.items():
        given = any(row.get(key) is not None for row in rows for key in keys)
        of = f" of {joined(list(systems[reason]))}" if given else ""
        named = joined([_HEADINGS.get(key, key) for key in keys])
        verb = "is" if len(keys) == 1 else "are"
        sentences.append(f"{named[:1].upper()}{named[1:]}{of} {verb} not given: {reason}.")
    return sentences


def _earlier(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The measures that have been defined anew since the rows were measured."""
    keys = dict.fromkeys(key for row in rows for key in defined_anew(row))
    named = joined([_HEADINGS[key] for key in keys])
    return (
        [f"Measured by an earlier definition, so not comparable with new figures: {named}."] if keys else []
    )


def _undertrained(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The models whose training was too short, each with its reason."""
    short = [(str(row["system"]), row["undertrained"]) for row in rows if row.get("undertrained")]
    return [
        f"{name} is hardly trained, so its figures do not show what it can do: {reason}."
        for name, reason in short
    ]
