"""What the textbooks say of each family, as data, and what the measured rows say to that.

A family speaks through its best row by the measure in question, so that no family is judged by a poor page. A claim of rank ("weak
in recall") is held against the best row of every other family: it is supported where more of them are clearly on the claimed
side than on the other, contradicted where fewer are, and open where as many are, or none (intervals overlap); "the best" is
contradicted by a single family that is clearly better. A claim of kind ("only a
bound") is read off the likelihood itself. Chains of families and codecs have no claims and are nobody's rivals.
"""

__all__ = ["CLAIMS", "FAMILIES", "Claim", "Finding", "judge"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from morphogen.report.rows import MEASURES, Figure, Row, beats, best, figure

Status = Literal["supported", "contradicted", "open", "not measured here"]
Rule = Literal["best", "strong", "weak", "exact", "bound", "none", ""]


@dataclass(frozen=True)
class Claim:
    """One cell of the article's table.

    Arguments:
        family: whom it is about.
        good: a strength, or a weakness.
        text: the claim.
        measure: the key of the column that tests it; "" where no column can.
        rule: best, strong, weak: the rank by that measure; exact, bound, none: the kind of the likelihood.
    """

    family: str
    good: bool
    text: str
    measure: str = ""
    rule: Rule = ""


@dataclass(frozen=True)
class Finding:
    """A claim, what the rows say to it, why, and the cell (None: there is none) with its text."""

    claim: Claim
    status: Status
    why: str
    anchor: str | None = None
    cell: str = ""


CLAIMS = (
    Claim("classical", True, "Fast to sample", "samples_per_second", "strong"),
    Claim("classical", True, "Fitted without gradients"),
    Claim("classical", False, "Too simple for complex data", "likelihood", "weak"),
    Claim("autoregressive", True, "The best likelihoods", "likelihood", "best"),
    Claim("autoregressive", True, "An exact likelihood", "likelihood", "exact"),
    Claim("autoregressive", False, "Slow to sample: one step a dimension", "samples_per_second", "weak"),
    Claim("vae", True, "Fast to sample: one pass", "samples_per_second", "strong"),
    Claim("vae", True, "A latent space to steer by"),
    Claim("vae", False, "Blurry samples", "precision", "weak"),
    Claim("vae", False, "Only a bound of the likelihood", "likelihood", "bound"),
    Claim("flow", True, "An exact likelihood", "likelihood", "exact"),
    Claim("flow", True, "Invertible: every example has its latent"),
    Claim("flow", False, "Many parameters", "parameters", "weak"),
    Claim("flow", False, "Weaker samples", "frechet", "weak"),
    Claim("gan", True, "Sharp samples", "precision", "strong"),
    Claim("gan", True, "Fast to sample: one pass", "samples_per_second", "strong"),
    Claim("gan", False, "Drops modes", "recall", "weak"),
    Claim("gan", False, "No likelihood", "likelihood", "none"),
    Claim("diffusion", True, "The best samples", "frechet", "best"),
    Claim("diffusion", True, "Covers the data", "coverage", "strong"),
    Claim("diffusion", False, "Slow to sample: many steps", "samples_per_second", "weak"),
)
FAMILIES = tuple(dict.fromkeys(claim.family for claim in CLAIMS))
_GRID = "its density is exact, but only of data with noise added: of the data on their grid it is a bound"


def judge(claim: Claim, rows: Sequence[Row]) -> Finding:
    """What the rows say to a claim."""
    own = [row for row in rows if row.family == claim.family and row.model]
    if not own:
        return Finding(claim, "not measured here", "no measured row of this family")
    if not claim.rule:
        return Finding(claim, "not measured here", "no column of this table tests it")
    return _by_rank(claim, own, rows) if claim.rule in ("best", "strong", "weak") else _by_kind(claim, own)


def _by_rank(claim: Claim, own: Sequence[Row], rows: Sequence[Row]) -> Finding:
    found, others = _most(own, claim.measure), _rivals(claim, rows)
    if found is None or not others:
        return Finding(claim, "not measured here", "nothing to compare with" if found is not None else "no figure")
    row, mine = found
    ahead = sum(_ahead(mine, other, claim.measure) for other in others)
    behind = sum(_ahead(other, mine, claim.measure) for other in others)
    balance = behind - ahead if claim.rule == "weak" else -behind if claim.rule == "best" and behind else ahead - behind
    status: Status = "open" if balance == 0 else "supported" if balance > 0 else "contradicted"
    more, less = ("fewer", "more") if claim.measure == "parameters" else ("better", "worse")
    why = f"clearly {more} than {ahead}, {less} than {behind} of {len(others)} other families"
    return Finding(claim, status, why, row.cell(claim.measure), _written(mine, claim.measure))


def _by_kind(claim: Claim, own: Sequence[Row]) -> Finding:
    row, mine = best(own, "likelihood") or (own[0], None)
    anchor, cell = row.cell("likelihood"), "none" if mine is None else _written(mine, "likelihood")
    if claim.rule == "none":
        return Finding(
            claim, "supported" if mine is None else "contradicted", "a figure" if mine is not None else "its row has none", anchor, cell
        )
    if mine is None:
        return Finding(claim, "not measured here", "it has no likelihood here", anchor, cell)
    wanted = {"exact": "exact", "bound": "a bound"}[claim.rule]
    held = mine.kind == wanted
    why = f"the figure is {mine.kind or 'of unknown kind'}" if held or claim.family != "flow" or mine.sign != "≤" else _GRID
    return Finding(claim, "supported" if held else "contradicted", why, anchor, cell)


def _rivals(claim: Claim, rows: Sequence[Row]) -> list[Figure]:
    """The best figure of every other family."""
    families = dict.fromkeys(row.family for row in rows if row.model and " + " not in row.family and row.family != claim.family)
    found = [_most([row for row in rows if row.family == family and row.model], claim.measure) for family in families]
    return [pair[1] for pair in found if pair is not None]


def _most(rows: Sequence[Row], key: str) -> tuple[Row, Figure] | None:
    """The best row; of parameters, of which neither more nor fewer is better, that with the fewest."""
    if key != "parameters":
        return best(rows, key)
    return min(((row, found) for row in rows if (found := figure(row, key)) is not None), key=lambda pair: pair[1].value, default=None)


def _ahead(one: Figure, other: Figure, key: str) -> bool:
    return one.high < other.low if key == "parameters" else beats(one, other, key)


def _written(found: Figure, key: str) -> str:
    measure = next(measure for measure in MEASURES if measure.key == key)
    return found.written(measure.form)
