"""Provenance of figures: what a figure depends on beside the samples, and whether two figures are comparable.

A figure (`Interval`) has a value, a 95 % interval and n. It depends on more than the samples, so it carries

    split       hash of `Dataset.split`, which has the sha256 of the assignment    every figure
    seed        of sampling and resampling                                         every figure
    code        version of the package and number of the measure's definition      every figure
    features    name of the feature space, with `sha256` of its weights            in a feature space
    resize      how pictures are resized for it; "": not at all                    in a feature space

Two figures are comparable if all of these and n are equal. A Frechet distance of 4 in one space and of 180 in
another say nothing about each other, and neither do distances at n = 300 and at n = 1000.

No paper: how much figures depend on the resize rule alone is shown by Parmar, Zhang & Zhu 2022, "On aliased
resizing and surprising subtleties in GAN evaluation".
"""

__all__ = [
    "DEFINITIONS", "comparable_rows", "defined_anew", "incomparable", "provenance", "recorded", "stamp",
    "stamp_all",
]  # fmt: skip

import hashlib
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from morphogen.data.dataset import Dataset
from morphogen.evaluation.features import Features

# measure -> number of its definition, increased when the figure of the same samples, or its interval, changes
DEFINITIONS = {
    "memorised": 3, "density": 3, "precision": 2, "recall": 2, "coverage": 2, "kid": 2, "class_score": 3,
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
}
_SHORT = 12  # characters of a hash in a reason


def provenance(data: Dataset, seed: int, features: Features | None = None) -> dict[str, Any]:
    """What the figures of an evaluation depend on.

    Arguments:
        data: the data set.
        seed: of sampling and resampling.
        features: feature space of the figures; None: likelihoods have none.
    """
    record: dict[str, Any] = {
        "split": data.split,
        "seed": seed,
        "versions": {"morphogen": _package_version()},
    }
    if features is not None:
        record["features"] = {"name": features.name, "sha256": features.sha256, "resize": features.resize}
    return recorded(record) | {"definitions": DEFINITIONS}


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
    """Stamp every figure in a tree of mappings, a likelihood without features; other nodes are kept."""
    spaceless = {key: value for key, value in facts.items() if key not in ("features", "sha256", "resize")}

    def stamped(measure: str, node: Any) -> Any:
        if not isinstance(node, Mapping):
            return node
        if _is_figure(node):
            return stamp(measure, node, spaceless if "bits_per_dim" in node else facts)
        # the figures of one measure may be named by their samplers
        return {
            key: stamped(measure if measure in DEFINITIONS else key, child) for key, child in node.items()
        }

    return stamped("", figures)


def defined_anew(row: Mapping[str, Any]) -> list[str]:
    """The measures of a row whose figures have another definition than they would have now."""
    codes = {measure: _code(row.get(measure) or {}) for measure in DEFINITIONS}
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
    if one.get("n") != other.get("n"):
        return f"their n differ: {one.get('n')} and {other.get('n')}"
    return None


def comparable_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a table, without the figures that are not comparable with the first one of their column.

    The reasons join the row's `withheld`, {measure: reason}.
    """
    first: dict[str, Mapping[str, Any]] = {}
    result = []
    for row in rows:
        reasons: dict[str, str] = {}
        for key, value in row.items():
            is_figure = isinstance(value, Mapping) and _is_figure(value)
            if is_figure and (reason := incomparable(first.setdefault(key, value), value)):
                reasons[key] = f"not comparable with the rows above: {reason}"
        kept = {**row, **dict.fromkeys(reasons)}
        result.append(kept | {"withheld": {**(row.get("withheld") or {}), **reasons}} if reasons else kept)
    return result


def _definition(measure: str, definitions: Mapping[str, int]) -> str:
    return f", definition {definitions.get(measure, 1)}"


def _code(figure: Mapping[str, Any]) -> str:
    return str((figure.get("provenance") or {}).get("code", ""))


def _is_figure(node: Mapping[str, Any]) -> bool:
    return "low" in node and "high" in node and ("value" in node or "bits_per_dim" in node)


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
