"""The status of a claim follows from the measured figures."""

from typing import Any

import pytest

from morphogen.report.claims import CLAIMS, FAMILIES, Claim, Finding, judge
from morphogen.report.rows import MEASURES, read_rows
from report.rows_of import REPORT, changed, interval, likelihood


def finding_of(text: str, family: str, report: dict[str, Any]) -> Finding:
    """Test the claim of a family whose text starts with `text`."""
    claim = next(claim for claim in CLAIMS if claim.text.startswith(text) and claim.family == family)
    return judge(claim, read_rows(report["rows"]))


CASES = [
    ("Drops modes", "gan", "gan", {}, {"recall": interval(0.99, 0.01)}),
    ("No likelihood", "gan", "gan", {}, {"likelihood": likelihood(2.0)}),
    ("Slow to sample", "diffusion", "ddpm", {}, {"samples_per_second": 1e6}),
    ("Slow to sample", "autoregressive", "cnn", {}, {"samples_per_second": 1e6}),
    ("The best likelihoods", "autoregressive", "cnn", {}, {"likelihood": likelihood(2.3)}),
    ("An exact likelihood", "autoregressive", "cnn", {}, {"likelihood": likelihood(1.8, "lower_bound")}),
    ("The best samples", "diffusion", "ddpm", {"frechet": interval(1.0, 0.1)}, {}),
    ("Too simple", "classical", "em", {}, {"likelihood": likelihood(1.0, "lower_bound")}),
]


@pytest.mark.parametrize(
    ("text", "family", "system", "support", "contradict"),
    CASES,
    ids=[f"{case[1]}: {case[0]}" for case in CASES],
)
def test_each_criterion_supports_and_contradicts(text, family, system, support, contradict):
    supported, contradicted = (
        finding_of(text, family, changed(system, **figures)) for figures in (support, contradict)
    )
    assert (supported.status, contradicted.status) == ("supported", "contradicted")
    assert supported.anchor == contradicted.anchor and supported.anchor.startswith(f"row-{system}-")


def test_overlapping_intervals_leave_a_claim_open():
    assert finding_of("Drops modes", "gan", changed("gan", recall=interval(0.85, 0.1))).status == "open"
    assert (
        finding_of("Slow to sample", "autoregressive", changed("cnn", samples_per_second=4500.0)).status
        == "open"
    ), "one family is slower, one is faster"


def test_best_is_contradicted_by_a_single_better_family():
    report = changed("cnn", likelihood=likelihood(2.2))
    assert finding_of("The best likelihoods", "autoregressive", report).status == "contradicted"
    assert (
        judge(Claim("autoregressive", True, "", "likelihood", "strong"), read_rows(report["rows"])).status
        == "open"
    )


def test_combined_families_and_codecs_are_not_compared():
    rows = [row for row in REPORT["rows"] if row["family"] in ("autoregressive", "codec", None)]
    combined = rows[1] | {"system": "latent", "family": "vae + flow", "likelihood": likelihood(1.0)}
    assert (
        finding_of("The best likelihoods", "autoregressive", {"rows": [*rows, combined]}).status
        == "not measured"
    )


def test_a_family_is_represented_by_its_best_row():
    second = REPORT["rows"][3] | {"system": "gan2", "recall": interval(0.99, 0.01)}
    finding = finding_of("Drops modes", "gan", {"rows": [*REPORT["rows"], second]})
    assert (finding.status, finding.anchor) == ("contradicted", "row-gan2-recall")


def test_a_flow_on_discrete_data_has_a_bound():
    flow = REPORT["rows"][1] | {"system": "nvp", "family": "flow"}
    finding = finding_of("An exact likelihood", "flow", {"rows": [*REPORT["rows"], flow]})
    assert finding.status == "contradicted" and "noise added" in finding.reason


def test_missing_families_and_untestable_claims_are_not_measured():
    assert finding_of("Blurry", "vae", REPORT).status == "not measured"
    assert finding_of("Fitted", "classical", REPORT).status == "not measured"


def test_claims_use_existing_columns_and_every_family_has_both_sides():
    keys = {measure.key for measure in MEASURES}
    assert all(claim.measure in keys if claim.criterion else not claim.measure for claim in CLAIMS)
    assert {(claim.family, claim.is_strength) for claim in CLAIMS} == {
        (family, good) for family in FAMILIES for good in (True, False)
    }
