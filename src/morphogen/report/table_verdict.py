"""The verdict's sentences about samples of a table: the best model by each figure, and what a release needs.

Tables are ranked by their own figures, column shapes and pair trends (as in SDMetrics), and by how well a
classifier tells their rows from real ones. What is said about releasing rows lists what was measured, the
nearness to training rows (Platzer & Reutterer 2021) and duplicates, and what was not.
"""

__all__ = ["ranking", "release", "table_samples"]

from collections.abc import Sequence

from morphogen.report.rows import Row, beats, figure, overlap
from morphogen.report.sentences import Link, Sentence, Words, cell, interval, known, leading, names

# measure -> what the best model does, what its value is called, and what one value means
CRITERIA = {
    "column_shapes": ("keeps the distribution of each column best", "a column-shape score of", ""),
    "pair_trends": ("keeps the relations of columns best", "a pair-trend score of", ""),
    "two_sample": (
        "generates the samples that are hardest to tell from the data",
        "a told-apart accuracy of",
        " (0.5: not told apart)",
    ),
}
TOPICS = {"column_shapes": "Columns", "pair_trends": "Pairs of columns", "two_sample": "Told apart"}
NOT_MEASURED = (
    " Not measured: whether somebody can find out that a given row was among the training rows (membership "
    "inference). No training here has a differential privacy guarantee. These figures alone do not show that "
    "generated rows may be released."
)


def table_samples(rows: Sequence[Row]) -> list[Sentence]:
    """A ranking by each figure of samples of a table; [] for other media.

    Arguments:
        rows: of the report.
    """
    if not any(row.is_model and figure(row, "column_shapes") for row in rows):
        return []
    measured = [key for key in TOPICS if any(row.is_model and figure(row, key) for row in rows)]
    return [Sentence(TOPICS[key], ranking(rows, key)) for key in measured]


def ranking(rows: Sequence[Row], key: str) -> Words:
    """Which model is best by a measure, with ties and the models that are significantly worse.

    Arguments:
        rows: of the report, with a model that has the figure.
        key: of the measure, one of CRITERIA.
    """
    does, has, meaning = CRITERIA[key]
    tied, others = leading([row for row in rows if row.is_model], key)
    row, lead = tied[0], known(tied[0], key)
    value: Words = [cell(row, key, lead), interval(lead), meaning]
    if len(tied) > 1:
        which = "whose intervals overlap" if len(tied) == 2 else "whose intervals overlap with the first"
        words: Words = [f"Which model {does} is undecided between ", *names([(each, key) for each in tied])]
        words += [f", {which}; ", Link(row.name, row.anchor), f" has {has} ", *value]
    elif others:
        words = [Link(row.name, row.anchor), f" {does}, with {has} ", *value]
        words += ["; no other model's interval overlaps with it"]
    else:
        words = [Link(row.name, row.anchor), f" has {has} ", *value]
    if len(tied) > 1 and others:
        verb = "is" if len(others) == 1 else "are"
        words += ["; ", *names([(each, key) for each in others]), f" {verb} significantly worse"]
    return [*words, *_beside_real(rows, row, key), "."]


def release(rows: Sequence[Row]) -> list[Sentence]:
    """What was measured and what was not before rows are given away; [] if no nearness was measured.

    Arguments:
        rows: of the report.
    """
    models = [row for row in rows if row.is_model]
    real = next((row for row in rows if not row.family), None)
    found = [*_nearness(models), *_duplicates(models, real)]
    return [Sentence("Release", [*found, NOT_MEASURED])] if found else []


def _beside_real(rows: Sequence[Row], row: Row, key: str) -> Words:
    """The figure of held-out rows, which good samples reach and need not exceed."""
    real = next((each for each in rows if not each.family), None)
    if real is None or (reference := figure(real, key)) is None:
        return []
    value: Words = [cell(real, key, reference), interval(reference)]
    if overlap(known(row, key), reference):
        return ["; held-out real data do not differ significantly, at ", *value]
    is_worse = beats(reference, known(row, key), key)
    return [f"; held-out real data are significantly {'better' if is_worse else 'worse'}, at ", *value]


def _nearness(models: Sequence[Row]) -> Words:
    """Whether rows of a model are nearer to training rows than to held-out ones."""
    measured = [(row, own) for row in models if (own := figure(row, "closer")) is not None]
    if not measured:
        return []
    row, most = max(measured, key=lambda pair: pair[1].low)
    value: Words = [cell(row, "closer", most), interval(most)]
    if most.low > 0.5:
        return ["The rows of ", Link(row.name, row.anchor), " are closer to training rows than to held-out "
                "rows: ", *value, " of them, 0.5 if nothing were copied."]  # fmt: skip
    if len(measured) == 1:
        words: Words = [Link(row.name, row.anchor), " is not significantly closer to training rows than to "]
    else:
        words = ["No model is significantly closer to training rows than to "]
    whose: Words = [] if len(measured) == 1 else [Link(row.name, row.anchor), " "]
    return [*words, "held-out rows (", *whose, *value, ", 0.5 if nothing is copied)."]


def _duplicates(models: Sequence[Row], real: Row | None) -> Words:
    """Whether a model repeats training rows more often than held-out rows do."""
    measured = [(row, own) for row in models if (own := figure(row, "duplicates")) is not None]
    if not measured:
        return []
    row, most = max(measured, key=lambda pair: pair[1].low)
    reference = None if real is None else figure(real, "duplicates")
    beside: Words = []
    if real is not None and reference is not None:
        beside = ["; held-out rows ", cell(real, "duplicates", reference), interval(reference)]
    value: Words = [Link(row.name, row.anchor), " ", cell(row, "duplicates", most), interval(most)]
    if most.low > (0.0 if reference is None else reference.high):
        return [" Rows of ", Link(row.name, row.anchor), " repeat training rows in all columns: ", *value[2:],
                " of them", *beside, "."]  # fmt: skip
    return [" Rows that equal a training row in all columns are not significantly more frequent than among "
            "held-out rows (", *value, *beside, ")."]  # fmt: skip
