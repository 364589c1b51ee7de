"""Textbook claims about each family as data, and how the measured rows test them.

A family is represented by its best row for the measure in question, so that no family is judged by a weak
system.

A claim about rank ("weak in recall") compares this row with the best row of every other family. It is
supported if more families differ from it significantly in the claimed direction than in the opposite one,
contradicted if fewer do, and open if the counts are equal (such as when all intervals overlap). "best" is
contradicted by a single family that is significantly better, and open if a single one is not significantly
worse.

Models whose training was too short are no evidence about their family, except for its speed and size.

A claim about the likelihood ("only a bound") is tested by the kind of the likelihood.

Systems that combine families, and codecs, have no claims and are not compared with.
"""

__all__ = ["CLAIMS", "FAMILIES", "Claim", "Finding", "judge"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from morphogen.report.rows import MEASURES, TIMING, Figure, Row, beats, best, figure

Status = Literal["supported", "contradicted", "open", "not measured"]
Criterion = Literal["best", "strong", "weak", "exact", "bound", "none", ""]


@dataclass(frozen=True)
class Claim:
    """One claim of the article's table.

    Arguments:
        family: the family it is about.
        is_strength: True for a strength, False for a weakness.
        text: the claim.
        measure: key of the column that tests it; "" if no column does.
        criterion: best, strong, weak: rank by the measure; exact, bound, none: kind of the likelihood; "":
            untested.
    """

    family: str
    is_strength: bool
    text: str
    measure: str = ""
    criterion: Criterion = ""


@dataclass(frozen=True)
class Finding:
    """The result of testing a claim: its status, the reason, and the anchor and text of the cell (if any)."""

    claim: Claim
    status: Status
    reason: str
    anchor: str | None = None
    cell: str = ""


CLAIMS = (
    Claim("classical", True, "Fast to sample", "samples_per_second", "strong"),
    Claim("classical", True, "Fitted without gradients"),
    Claim("classical", False, "Too simple for complex data", "likelihood", "weak"),
    Claim("autoregressive", True, "The best likelihoods", "likelihood", "best"),
    Claim("autoregressive", True, "An exact likelihood", "likelihood", "exact"),
    Claim("autoregressive", False, "Slow to sample: one step per dimension", "samples_per_second", "weak"),
    Claim("vae", True, "Fast to sample: one pass", "samples_per_second", "strong"),
    Claim("vae", True, "A meaningful latent space"),
    Claim("vae", False, "Blurry samples", "precision", "weak"),
    Claim("vae", False, "Only a bound on the likelihood", "likelihood", "bound"),
    Claim("flow", True, "An exact likelihood", "likelihood", "exact"),
    Claim("flow", True, "Invertible: every example has a latent code"),
    Claim("flow", False, "Many parameters", "parameters", "weak"),
    Claim("flow", False, "Weaker samples", "frechet", "weak"),
    Claim("gan", True, "Sharp samples", "precision", "strong"),
    Claim("gan", True, "Fast to sample: one pass", "samples_per_second", "strong"),
    Claim("gan", False, "Drops modes", "recall", "weak"),
    Claim("gan", False, "No likelihood", "likelihood", "none"),
    Claim("diffusion", True, "The best samples", "frechet", "best"),
    Claim("diffusion", True, "Covers the data", "coverage", "strong"),
    Claim("diffusion", False, "Slow to sample: many steps", "samples_per_second", "weak"),
    Claim("energy", True, "Any network is a model"),
    Claim("energy", False, "No likelihood", "likelihood", "none"),
    Claim("energy", False, "Slow to sample: a gradient per step", "samples_per_second", "weak"),
)
FAMILIES = tuple(dict.fromkeys(claim.family for claim in CLAIMS))
_RANKS = ("best", "strong", "weak")
_UNTRAINED = ("samples_per_second", "parameters")  # measures that do not depend on the training
_DEQUANTIZED = "its density is exact only for data with noise added; for the discrete data it is a bound"


def judge(claim: Claim, rows: Sequence[Row]) -> Finding:
    """Test a claim against the measured rows."""
    own = [row for row in rows if row.family == claim.family and row.is_model]
    if not own:
        return Finding(claim, "not measured", "no row of this family")
    if not claim.criterion:
        return Finding(claim, "not measured", "no column of the table tests it")
    if claim.measure not in _UNTRAINED and claim.criterion in _RANKS:
        own, rows = ([row for row in group if not row.undertrained] for group in (own, rows))
        if not own:
            return Finding(claim, "not measured", "its models were trained too briefly to show it")
    return _by_rank(claim, own, rows) if claim.criterion in _RANKS else _by_kind(claim, own)


def _by_rank(claim: Claim, own: Sequence[Row], rows: Sequence[Row]) -> Finding:
    representative, others = _representative(own, claim.measure), _other_families(claim, rows)
    if representative is None:
        return Finding(claim, "not measured", "no value was measured")
    if not others:
        return Finding(claim, "not measured", "there is no other family to compare with")
    row, value = representative
    ahead = sum(_ahead(value, other, claim.measure) for other in others)
    behind = sum(_ahead(other, value, claim.measure) for other in others)
    if claim.criterion == "weak":
        balance = behind - ahead
    elif claim.criterion == "best":
        balance = -behind if behind else int(ahead == len(others))
    else:
        balance = ahead - behind
    status: Status = "open" if balance == 0 else "supported" if balance > 0 else "contradicted"
    more, less = _words(claim.measure)
    reason = f"{more} than {ahead} and {less} than {behind} of {len(others)} other families"
    return Finding(claim, status, reason, row.cell(claim.measure), _formatted(value, claim.measure))


def _words(key: str) -> tuple[str, str]:
    """What it means to be ahead and behind; timings have no interval, so nothing is significant."""
    if key == "samples_per_second":
        return f"by single timings and a factor of {TIMING:g}, faster", "slower"
    if key == "parameters":
        return "significantly fewer", "more"
    return "significantly better", "worse"


def _by_kind(claim: Claim, own: Sequence[Row]) -> Finding:
    row, value = best(own, "likelihood") or (own[0], None)
    anchor = row.cell("likelihood")
    if claim.criterion == "none":
        if value is None:
            return Finding(claim, "supported", "no likelihood was reported", anchor, "none")
        cell = _formatted(value, "likelihood")
        return Finding(claim, "contradicted", "a likelihood was reported", anchor, cell)
    if value is None:
        return Finding(claim, "not measured", "the model has no likelihood here", anchor, "none")
    matches = value.kind == {"exact": "exact", "bound": "a bound"}[claim.criterion]
    reason = f"the reported value is {value.kind or 'of unknown kind'}"
    if not matches and claim.family == "flow" and value.sign == "≤":
        reason = _DEQUANTIZED
    status: Status = "supported" if matches else "contradicted"
    return Finding(claim, status, reason, anchor, _formatted(value, "likelihood"))


def _other_families(claim: Claim, rows: Sequence[Row]) -> list[Figure]:
    """The best figure of every other family."""
    families = dict.fromkeys(
        row.family for row in rows if row.is_model and " + " not in row.family and row.family != claim.family
    )
    representatives = [
        _representative([row for row in rows if row.family == family and row.is_model], claim.measure)
        for family in families
    ]
    return [pair[1] for pair in representatives if pair is not None]


def _representative(rows: Sequence[Row], key: str) -> tuple[Row, Figure] | None:
    """The best row by a measure; for parameters, where no direction is better, the row with the fewest."""
    if key != "parameters":
        return best(rows, key)
    return min(
        ((row, known) for row in rows if (known := figure(row, key)) is not None),
        key=lambda pair: pair[1].value,
        default=None,
    )


def _ahead(one: Figure, other: Figure, key: str) -> bool:
    return one.high < other.low if key == "parameters" else beats(one, other, key)


def _formatted(value: Figure, key: str) -> str:
    measure = next(measure for measure in MEASURES if measure.key == key)
    return value.formatted(measure.format)
