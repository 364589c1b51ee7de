"""Provenance of figures: what a figure depends on beside the samples, and whether two figures are comparable.

A figure (`Interval`) has a value, a 95 % interval and n. It depends on more than the samples, so it carries

    split       hash of `Dataset.split`, which has the sha256 of the assignment    every figure
    seed        of sampling and resampling                                         every figure
    code        version of the package and number of the measure's definition      every figure
    features    name of the feature space, with `sha256` of its weights            in a feature space
    resize      how pictures are resized for it; "": not at all                    in a feature space
    samples     number of samples                                                  of a section of a report

Two figures are comparable if all of these and n are equal. A Frechet distance of 4 in one space and of 180 in
another say nothing about each other, and neither do distances at n = 300 and at n = 1000. A figure of a
section, such as the fraction of rules that the rows of a table keep, may be about a part of the samples: its
n is then a result, and the number of samples is compared instead. Sections use no feature space.

No paper: how much figures depend on the resize rule alone is shown by Parmar, Zhang & Zhu 2022, "On aliased
resizing and surprising subtleties in GAN evaluation".
"""

__all__ = [
    "DEFINITIONS", "comparable_rows", "defined_anew", "figures_of", "incomparable", "misfit", "provenance",
    "recorded", "stamp", "stamp_all",
]  # fmt: skip

import hashlib
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from morphogen.data.dataset import Dataset
from morphogen.evaluation.features import Features

# measure -> number of its definition, increased when the figure of the same samples, or its interval, changes
DEFINITIONS = {
    "memorised": 3, "density": 4, "precision": 3, "recall": 3, "coverage": 3, "kid": 3, "class_score": 4,
    "frechet": 2,
    **dict.fromkeys(("overall", "column_shapes", "missing_difference", "pair_trends", "all_pairs"), 2),
    **dict.fromkeys(("correlation_difference", "shape", "total_variation", "closer", "ratio"), 2),
    **dict.fromkeys(("known_words", "known_pairs", "repeated", "rules_kept"), 2),
}  # fmt: skip
_FACETS = {  # key -> what a reason calls it
    "split": "split of the data",
    "features": "features",
    "sha256": "weights of the features",
    "resize": "resize rule",
    "code": "version of the code",
    "seed": "seed",
    "samples": "numbers of samples",
}
_SPACE = ("features", "sha256", "resize")  # facts of a feature space
_SHORT = 12  # characters of a hash in a reason


def provenance(
    data: Dataset, seed: int, features: Features | None = None, samples: int | None = None
) -> dict[str, Any]:
    """What the figures of an evaluation depend on.

    Arguments:
        data: the data set.
        seed: of sampling and resampling.
        features: feature space of the figures; None: likelihoods have none.
        samples: number of samples, which the figures of sections depend on; None: there are no sections.
    """
    record: dict[str, Any] = {
        "split": data.split,
        "seed": seed,
        "versions": {"morphogen": _package_version()},
    }
    if features is not None:
        record["features"] = {"name": features.name, "sha256": features.sha256, "resize": features.resize}
    size = {} if samples is None else {"samples": samples}
    return recorded(record) | size | {"definitions": DEFINITIONS}


def recorded(record: Mapping[str, Any]) -> dict[str, Any]:
    """The same from what a record, or a report, says about all its figures; what it does not say is absent.

    Records from before a resize rule existed have none, because nothing was resized. Figures that were not
    stamped when they were measured have the first definition of their measure.
    """
    facts: dict[str, Any] = {key: record[key] for key in ("seed",) if key in record}
    if "split" in record:
        facts["split"] = hashlib.sha256(str(record["split"]).encode()).hexdigest()
    if "versions" in record:
        facts["code"] = record["versions"]["morphogen"]
    if features := record.get("features"):
        facts |= {"features": features["name"], "sha256": features["sha256"]}
        facts["resize"] = features.get("resize", "")
    return facts


def stamp(measure: str, figure: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """The figure of a measure with its provenance, unless it has one."""
    own = {key: value for key, value in facts.items() if key != "definitions"}
    definition = _definition(measure, facts.get("definitions", {}))
    code = {"code": f"{facts['code']}{definition}"} if "code" in facts else {}
    return {**figure, "provenance": figure.get("provenance") or {**own, **code}}


def stamp_all(figures: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Stamp every figure in a tree of mappings and lists; likelihoods and sections without features.

    Other nodes are kept, and so is the provenance of a figure that has one.
    """
    of_rows = {key: value for key, value in facts.items() if key != "samples"}
    of_likelihoods, of_sections = (
        {key: value for key, value in known.items() if key not in _SPACE} for known in (of_rows, facts)
    )

    def stamped(measure: str, node: Any, own: Mapping[str, Any]) -> Any:
        if isinstance(node, list):
            return [stamped(measure, child, own) for child in node]
        if not isinstance(node, Mapping):
            return node
        if _is_figure(node):
            return stamp(measure, node, of_likelihoods if "bits_per_dim" in node else own)
        if _is_section(node):
            return {key: stamped(key, child, of_sections) for key, child in node.items()}
        # the figures of one measure may be named by their samplers
        return {
            key: stamped(measure if measure in DEFINITIONS else key, child, own)
            for key, child in node.items()
        }

    return stamped("", figures, of_rows)


def figures_of(row: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The figures of a row and of its sections, by measure."""
    parts = [row, *(part["figures"] for part in row.values() if _is_section(part))]
    return {key: value for part in parts for key, value in part.items() if _is_figure(value)}


def defined_anew(row: Mapping[str, Any]) -> list[str]:
    """The measures of a row whose figures have another definition than they would have now."""
    figures = figures_of(row)
    codes = {measure: _code(figures.get(measure) or {}) for measure in DEFINITIONS}
    return [m for m, code in codes.items() if code and not code.endswith(_definition(m, DEFINITIONS))]


def incomparable(one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """Why two figures cannot be compared, in words; None: they can.

    A figure of an older version lacks its provenance, or a part of it, and is comparable with its like only.
    """
    first, second = one.get("provenance") or {}, other.get("provenance") or {}
    if lacking := [name for key, name in _FACETS.items() if (key in first) != (key in second)]:
        return f"one of the two is older and does not record its {' and '.join(lacking)}"
    for key, name in _FACETS.items():
        if first.get(key) != second.get(key):
            return f"their {name} differ: {_shown(first[key])} and {_shown(second[key])}"
    if "samples" not in first and one.get("n") != other.get("n"):
        return f"their n differ: {one.get('n')} and {other.get('n')}"
    return None


def misfit(row: Mapping[str, Any], facts: Mapping[str, Any]) -> str | None:
    """Why figures of a row are not comparable with those that would be measured now; None: they are.

    Arguments:
        row: as measured.
        facts: the provenance that its figures would have now.
    """
    expected = figures_of(stamp_all(_bare(row), facts))
    reasons = (incomparable(figure, expected[key]) for key, figure in figures_of(row).items())
    return next((reason for reason in reasons if reason), None)


def comparable_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a table, without the figures that are not comparable with the first one of their column.

    The reasons join the row's `withheld`, {measure: reason}. A section with such a figure loses its details,
    which were measured with it.
    """
    first: dict[str, Mapping[str, Any]] = {}
    result = []
    for row in rows:
        reasons = {
            key: f"not comparable with the rows above: {reason}"
            for key, value in figures_of(row).items()
            if (reason := incomparable(first.setdefault(key, value), value))
        }
        kept = {key: _without(value, reasons) for key, value in row.items()}
        kept |= {key: None for key in reasons if key in row}
        result.append(kept | {"withheld": {**(row.get("withheld") or {}), **reasons}} if reasons else kept)
    return result


def _without(part: Any, measures: Mapping[str, str]) -> Any:
    """A part of a row; a section without some figures, and then without details."""
    if not _is_section(part) or not measures.keys() & part["figures"].keys():
        return part
    figures = {key: None if key in measures else value for key, value in part["figures"].items()}
    return {key: value for key, value in part.items() if key != "details"} | {"figures": figures}


def _bare(node: Any) -> Any:
    """A tree of mappings without the provenance of its figures."""
    if not isinstance(node, Mapping):
        return node
    return {key: _bare(child) for key, child in node.items() if key != "provenance"}


def _definition(measure: str, definitions: Mapping[str, int]) -> str:
    return f", definition {definitions.get(measure, 1)}"


def _code(figure: Mapping[str, Any]) -> str:
    return str((figure.get("provenance") or {}).get("code", ""))


def _is_figure(node: Any) -> bool:
    has_ends = isinstance(node, Mapping) and "low" in node and "high" in node
    return has_ends and ("value" in node or "bits_per_dim" in node)


def _is_section(part: Any) -> bool:
    """Whether a part of a row is that of a section of the report."""
    return isinstance(part, Mapping) and isinstance(part.get("figures"), Mapping)


def _shown(value: Any) -> str:
    """A value in a reason; hashes are shortened."""
    text = str(value)
    is_hash = len(text) == 64 and set(text) <= set("0123456789abcdef")
    return f"{text[:_SHORT]}…" if is_hash else text or "none"


def _package_version() -> str:
    try:
        return version("morphogen")
    except PackageNotFoundError:  # run from a source tree that was not installed
        return "unknown"
