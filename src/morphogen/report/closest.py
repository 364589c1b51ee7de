"""Which model generates the samples closest to the data, by all figures on that question together.

A model is behind another one if it is significantly worse by some figure. The unbeaten models are behind no
other; the contenders are the models that are behind none of the unbeaten. A single contender is the best
model, several are undecided, and there is none if every model is behind another: the figures contradict each
other.
"""

__all__ = ["CALLED", "contenders", "measured", "samples"]

from collections.abc import Sequence

from morphogen.report.caveats import joined
from morphogen.report.rows import Row, beats, best, figure
from morphogen.report.sentences import Link, Words, cell, interval, known, names

CALLED = {  # measure -> what its value is called
    "column_shapes": "column-shape score",
    "pair_trends": "pair-trend score",
    "frechet": "Fréchet distance",
    "kid": "kernel distance",
    "two_sample": "told-apart accuracy",
}


def measured(rows: Sequence[Row]) -> list[str]:
    """The measures on this question that some model has.

    Arguments:
        rows: of the report.
    """
    return [key for key in CALLED if any(row.is_model and figure(row, key) is not None for row in rows)]


def contenders(rows: Sequence[Row]) -> list[Row]:
    """The models that may be the best; [] if the figures contradict each other, or if there are none.

    Arguments:
        rows: of the report.
    """
    keys = measured(rows)
    models = [row for row in rows if row.is_model and any(figure(row, key) for key in keys)]
    unbeaten = [row for row in models if not any(_is_behind(row, other, keys) for other in models)]
    if not unbeaten:
        return []
    return [row for row in models if not any(_is_behind(row, other, keys) for other in unbeaten)]


def samples(rows: Sequence[Row]) -> Words:
    """Which model generates the samples closest to the data, and by which figures.

    Arguments:
        rows: of the report.
    """
    models, keys = [row for row in rows if row.is_model], measured(rows)
    if not keys:
        return ["The samples of ", *names([(row, "frechet") for row in models]), " were not compared."]
    by = joined([CALLED[key] for key in keys])
    found = contenders(rows)
    if not found:
        words: Words = ["The figures contradict each other about whose samples are closest to the data"]
        return [*words, *_each_leader(models, keys), "."]
    row = found[0] if len(found) == 1 else (best(found, keys[0]) or (found[0], None))[0]
    if len(found) > 1:
        words = ["Which model generates the samples closest to the data is undecided between "]
        words += [*names([(each, keys[0]) for each in found]), f": none is significantly the best by {by}; "]
        words += [Link(row.name, row.anchor), " has ", *_values(row)]
    elif len(models) > 1:
        words = [
            Link(row.name, row.anchor),
            " generates the samples closest to the data, with ",
            *_values(row),
        ]
        words += ["; every other model is significantly worse", " by at least one of them" * (len(keys) > 1)]
    else:
        words = ["The samples of ", Link(row.name, row.anchor), " have ", *_values(row)]
    real = next((each for each in rows if not each.family), None)
    shared = [key for key in keys if real is not None and figure(real, key) and figure(row, key)]
    return [*words, *(_against_real(row, real, shared) if real is not None and shared else []), "."]


def _each_leader(models: Sequence[Row], keys: Sequence[str]) -> Words:
    """The model with the best value of each figure."""
    words: Words = []
    for key in keys:
        row, value = best(models, key) or (models[0], known(models[0], key))
        words += [": " if not words else ", ", f"by {CALLED[key]} ", Link(row.name, row.cell(key))]
        words += [" at ", cell(row, key, value), interval(value, key)]
    return words


def _against_real(row: Row, real: Row, keys: Sequence[str]) -> Words:
    """Whether a model is farther from the training data than held-out data are, by some figure, or closer."""
    farther = [key for key in keys if _is_behind(row, real, [key])]
    closer = [key for key in keys if _is_behind(real, row, [key])]
    difference, end = "does not differ significantly from", ""
    if farther:
        difference = "is significantly farther from the training data than"
    elif closer:
        difference = "is closer to the training data than"
        end = ", which good samples are not: see whether it copies"
    words: Words = [f"; {row.name} {difference} held-out real data, at "]
    for i, key in enumerate(farther or closer or keys):
        name = f"{CALLED[key]} " if len(keys) > 1 else ""
        value = known(real, key)
        words += [", " if i else "", name, cell(real, key, value), interval(value, key)]
    return [*words, end]


def _is_behind(row: Row, other: Row, keys: Sequence[str]) -> bool:
    """Whether a model is significantly worse than another one by some figure."""
    pairs = ((figure(other, key), figure(row, key), key) for key in keys)
    return any(one is not None and own is not None and beats(one, own, key) for one, own, key in pairs)


def _values(row: Row) -> Words:
    """The figures of a model with their intervals: a Fréchet distance of 3.00 [2.50, 3.50] and so on."""
    keys = [key for key in CALLED if figure(row, key) is not None]
    words: Words = []
    for i, key in enumerate(keys):
        value = known(row, key)
        words += ["" if i == 0 else " and " if i == len(keys) - 1 else ", "]
        words += [f"a {CALLED[key]} of ", cell(row, key, value), interval(value, key)]
    return words
