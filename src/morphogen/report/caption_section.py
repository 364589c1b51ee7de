"""The section about captions: what samples show of what they ask for, by measure and group of captions."""

__all__ = ["caption_measures"]

from collections.abc import Sequence

from morphogen.report.rows import Measure, Row, two_decimals

GROUPS = {  # group of captions -> what its figures are about
    "seen": "captions of combinations that training has",
    "held_out": "captions of combinations that training has not: does the model compose?",
    "shuffled": "the captions of other samples: what a model scores that ignores its captions",
}
MEANINGS = {
    "attributes": "shapes, colours and sizes of the asked objects that the samples show",
    "shape": "shapes of the asked objects that the samples show",
    "colour": "colours of the asked objects that the samples show",
    "size": "sizes of the asked objects that the samples show",
    "relation": "asked relations that the samples show, between two objects of the right shape and colour",
    "count": "samples with as many objects as asked for",
    "scene": "samples of which everything is as asked for",
}


def caption_measures(rows: Sequence[Row]) -> list[Measure]:
    """The measures that some row has, one for each group of captions."""
    keys = dict.fromkeys(key for row in rows for key in row.source["captions"]["figures"])
    return [_measure(key) for key in keys]


def _measure(key: str) -> Measure:
    name, _, group = key.partition(", ")
    meaning = f"Fraction of the {MEANINGS.get(name, name)}; {GROUPS.get(group, group)}."
    return Measure(key, f"{name}, {group.replace('_', '-')}", "", two_decimals, meaning)
